package live

import (
	"context"
	"errors"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/filter"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// How many users a query lists.
const (
	defaultUsers  = 30
	maxUsers      = 100
	maxUserOffset = 1000
)

// userOptions are the fields that users can be asked for by.
var userOptions = filter.Options{Custom: true, Reserved: isReserved(wire.KindUser), Fields: map[string]filter.Kind{
	"id": filter.String, "name": filter.String, "role": filter.String, "image": filter.String, "language": filter.String,
	"teams": filter.Set, "banned": filter.Bool, "shadow_banned": filter.Bool, "online": filter.Bool, "invisible": filter.Bool,
	"created_at": filter.Time, "updated_at": filter.Time, "last_active": filter.Time, "deactivated_at": filter.Time,
	"deleted_at": filter.Time,
}}

// userQuery says which users to list.
type userQuery struct {
	filter        *filter.Filter
	sort          filter.Sort
	limit, offset int
	deactivated   bool // they show
	// Users whose id lies between these two, themselves included where it says
	// so; "" = no bound.
	after, before     string
	afterToo, tillToo bool
}

// QueryUsers lists users. Those that were deleted show only if the filter asks
// for deleted_at, deactivated ones only with include_deactivated_users.
func (s *Service) QueryUsers(ctx context.Context, app int64, body []byte) ([]byte, error) {
	q, err := decodeUserQuery(body)
	if err != nil {
		return nil, err
	}
	page := filter.NewPage[[]byte](q.sort, q.offset, q.limit)
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		ids, known := q.filter.Equals("id")
		if !known {
			return r.Users(func(_ int64, id string, object []byte) error { return q.consider(page, id, object) })
		}
		for _, id := range ids {
			key, err := r.UserKey(id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			_, object, err := r.UserByKey(key)
			if err != nil {
				return err
			}
			if err := q.consider(page, id, object); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := []byte(`{"users":[`)
	for _, object := range page.Items() {
		out = append(comma(out), object...)
	}
	return append(out, `]}`...), nil
}

func decodeUserQuery(body []byte) (*userQuery, error) {
	q := &userQuery{filter: &filter.Filter{}, limit: defaultUsers}
	if len(body) == 0 {
		return q.sorted(), nil
	}
	err := wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
		if wire.IsNull(v) {
			return nil
		}
		var n int64
		switch name {
		case "filter_conditions":
			if q.filter, err = filter.ParseWith(v, userOptions); err != nil {
				err = wire.BadField(name, "%s", err)
			}
		case "sort":
			if q.sort, err = filter.ParseSort(v, userOptions); err != nil {
				err = wire.BadField(name, "%s", err)
			}
		case "limit":
			n, err = wire.Int(name, v, at, 0, maxUsers)
			q.limit = int(n)
		case "offset":
			n, err = wire.Int(name, v, at, 0, maxUserOffset)
			q.offset = int(n)
		case "include_deactivated_users":
			q.deactivated, err = wire.Bool(name, v, at)
		case "id_gt", "id_gte":
			q.afterToo = name == "id_gte"
			q.after, err = wire.ID(name, v, at, wire.MaxUserID)
		case "id_lt", "id_lte":
			q.tillToo = name == "id_lte"
			q.before, err = wire.ID(name, v, at, wire.MaxUserID)
		}
		return err
	})
	if f, ok := errors.AsType[*wire.FieldError](err); ok && f.Field == "" {
		f.Field = "payload" // it is no body that is not what it should be
	}
	if err != nil {
		return nil, refuse(err, "")
	}
	return q.sorted(), nil
}

// sorted gives the query the order that it has if it does not say: the newest
// first, or by id away from the id that it begins at.
func (q *userQuery) sorted() *userQuery {
	switch {
	case len(q.sort) > 0:
	case q.after != "":
		q.sort = filter.Sort{{Field: "id"}}
	case q.before != "":
		q.sort = filter.Sort{{Field: "id", Descending: true}}
	default:
		q.sort = filter.Sort{{Field: "created_at", Descending: true}, {Field: "id", Descending: true}}
	}
	return q
}

// consider adds a user to the page if it is meant.
func (q *userQuery) consider(page *filter.Page[[]byte], id string, object []byte) error {
	below := q.after != "" && (id < q.after || id == q.after && !q.afterToo)
	above := q.before != "" && (id > q.before || id == q.before && !q.tillToo)
	if below || above || !q.shows(object) {
		return nil
	}
	get := func(field string) (filter.Value, error) { return userValue(object, field) }
	ok, err := q.filter.Match(get)
	if err != nil || !ok {
		return err
	}
	key, err := q.sort.AppendKey(nil, get)
	if err == nil && page.Wants(key, id) {
		page.Add(key, id, slices.Clone(object))
	}
	return err
}

// shows reports whether a user shows at all.
func (q *userQuery) shows(object []byte) bool {
	deleted, deactivated := false, false
	// The function gives no error.
	_ = wire.Members(object, func(name []byte, _ jsontext.Value) error {
		deleted = deleted || string(name) == "deleted_at"
		deactivated = deactivated || string(name) == "deactivated_at"
		return nil
	})
	return (!deleted || q.filter.Asks("deleted_at")) && (!deactivated || q.deactivated)
}

// userValue is what a field of a stored user holds.
func userValue(object []byte, field string) (v filter.Value, err error) {
	kind, own := userOptions.Fields[field]
	if !own {
		return filter.CustomValue(object, field), nil
	}
	var raw jsontext.Value
	err = wire.Members(object, func(name []byte, value jsontext.Value) error {
		if string(name) != field {
			return nil
		}
		raw = value
		return errEnough
	})
	if err = ended(err); err != nil {
		return v, err
	}
	switch {
	case kind == filter.Bool:
		return filter.BoolValue(string(raw) == "true"), nil
	case raw == nil:
		return v, nil
	case kind == filter.Time:
		var t chat.Time
		t, err = wire.Time(field, raw, 0)
		return filter.TimeValue(t), err
	case kind == filter.Set:
		list, err := wire.StringList(field, raw, 0)
		return filter.SetValue(len(list), func(s string) (bool, error) { return slices.Contains(list, s), nil }), err
	default:
		s, err := wire.String(field, raw, 0)
		return filter.StringValue(s), err
	}
}
