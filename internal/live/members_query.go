package live

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/filter"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// memberFields are the built-in fields that a query of members may ask for; all
// others are custom fields, and those of the user behind "user.".
var memberFields = map[string]filter.Kind{
	"id": filter.String, "user_id": filter.String, "name": filter.String, "channel_role": filter.String, "role": filter.String, "invite": filter.String,
	"created_at": filter.Time, "updated_at": filter.Time, "last_active": filter.Time, "pinned_at": filter.Time,
	"banned": filter.Bool, "shadow_banned": filter.Bool, "joined": filter.Bool, "pinned": filter.Bool, "archived": filter.Bool,
	"is_moderator": filter.Bool, "notifications_muted": filter.Bool,
}

// memberQuery is the body of a query of members.
type memberQuery struct {
	typ, id string
	members memberList // instead of id
	filter  *filter.Filter
	sort    filter.Sort
	page    page
}

// QueryMembers answers the members of a channel that a filter means.
func (s *Service) QueryMembers(ctx context.Context, app int64, body []byte) ([]byte, error) {
	q, err := decodeMemberQuery(body)
	if err != nil {
		return nil, err
	}
	cid, err := cidOf(q.typ, q.id)
	if err != nil {
		return nil, err
	}
	out := []byte(`{"members":[`)
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		row, err := channel(r, cid)
		if err != nil {
			return err
		}
		rr := render.New(r)
		rows, err := q.find(r, rr, &row)
		if err != nil {
			return err
		}
		for i := range rows {
			if out, err = rr.Member(comma(out), &rows[i], row.CreatedBy); err != nil {
				return err
			}
		}
		return nil
	})
	return append(out, `]}`...), err
}

func decodeMemberQuery(body []byte) (*memberQuery, error) {
	q := &memberQuery{page: page{limit: maxPage}}
	var conditions, sort jsontext.Value
	err := eachField(body, func(name string, v jsontext.Value, at int64) (err error) {
		var n int64
		switch name {
		case "type":
			q.typ, err = wire.String(name, v, at)
		case "id":
			q.id, err = wire.String(name, v, at)
		case "members":
			err = q.members.decode(name, v, false)
		case "filter_conditions":
			conditions = v
		case "sort":
			sort = v
		case "limit":
			n, err = wire.Int(name, v, at, 0, maxPage)
			q.page.limit = int(n)
		case "offset":
			n, err = wire.Int(name, v, at, 0, maxOffset)
			q.page.offset = int(n)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case q.typ == "":
		return nil, wire.BadField("type", "is required")
	case q.id == "" && len(q.members) == 0:
		return nil, wire.BadField("id", "is required, or members for the channel that they make")
	case q.id == "":
		q.id = wire.DistinctID(q.members.ids())
	}
	options := filter.Options{Fields: memberFields, Custom: true, Reserved: isReserved(wire.KindMember)}
	if q.filter, err = filter.ParseWith(conditions, options); err != nil {
		return nil, wire.BadField("filter_conditions", "%s", err)
	}
	if q.sort, err = filter.ParseSort(sort, options); err != nil {
		return nil, wire.BadField("sort", "%s", err)
	}
	if len(q.sort) == 0 {
		q.sort = filter.Sort{{Field: "created_at"}}
	}
	if q.filter.Asks("cid") {
		return nil, wire.BadField("filter_conditions", "cannot ask for cid: members are those of one channel")
	}
	return q, nil
}

func (q *memberQuery) find(r store.Reader, rr *render.Renderer, row *store.ChannelRow) ([]store.MemberRow, error) {
	found := filter.NewPage[store.MemberRow](q.sort, q.page.offset, q.page.limit)
	var key []filter.Value
	err := r.Members(row.Key, func(stored *store.MemberRow) error {
		v := memberValues{}
		object, err := rr.Member(nil, stored, row.CreatedBy)
		if err != nil {
			return err
		}
		var emb wire.Embedded
		m, err := wire.DecodeMember(object, &emb)
		if err != nil {
			return fmt.Errorf("stored member: %w", err)
		}
		v.Member, v.object = &m.Member, object
		if len(emb.Users) > 0 {
			v.user = emb.Users[0]
		}
		ok, err := q.filter.Match(v.get)
		if err != nil || !ok {
			return err
		}
		if key, err = q.sort.AppendKey(key[:0], v.get); err != nil {
			return err
		}
		if found.Wants(key, m.UserID) {
			found.Add(key, m.UserID, store.MemberRow{User: stored.User, Body: bytes.Clone(stored.Body)})
		}
		return nil
	})
	return found.Items(), err
}

// memberValues gives the fields of a member for a filter.
type memberValues struct {
	*chat.Member
	object []byte // the member object
	user   []byte // the user object
	custom []byte
}

func (v *memberValues) get(field string) (filter.Value, error) {
	switch field {
	case "id", "user_id":
		return filter.StringValue(v.UserID), nil
	case "name":
		return filter.CustomValue(v.user, "name"), nil
	case "last_active":
		return v.lastActive()
	case "channel_role":
		return filter.StringValue(v.ChannelRole), nil
	case "created_at":
		return filter.TimeValue(v.CreatedAt), nil
	case "updated_at":
		return filter.TimeValue(v.UpdatedAt), nil
	case "banned":
		return filter.BoolValue(v.Banned), nil
	case "shadow_banned":
		return filter.BoolValue(v.ShadowBanned), nil
	case "role":
		return filter.CustomValue(v.object, "role"), nil
	case "is_moderator":
		return filter.BoolValue(v.ChannelRole == roleModerator), nil
	case "notifications_muted":
		return filter.BoolValue(v.NotificationsMuted), nil
	case "invite", "joined", "pinned", "pinned_at", "archived":
		return membershipValue(v.Member, field), nil
	}
	if of, ok := strings.CutPrefix(field, "user."); ok {
		return filter.CustomValue(v.user, of), nil
	}
	if v.custom == nil {
		v.custom = wire.AppendCustomObject(nil, v.Custom)
	}
	return filter.CustomValue(v.custom, field), nil
}

func (v *memberValues) lastActive() (filter.Value, error) {
	u, err := wire.DecodeUser(v.user)
	return filter.TimeValue(u.LastActive), err
}
