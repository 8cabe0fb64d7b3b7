package live

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/filter"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// callFields are what calls can be asked for, beside their custom fields.
var callFields = filter.Options{
	Fields: map[string]filter.Kind{
		"id": filter.String, "cid": filter.String, "type": filter.String, callTeam: filter.String,
		"created_by_user_id": filter.String, "members": filter.Set, "backstage": filter.Bool, "ongoing": filter.Bool,
		"created_at": filter.Time, "updated_at": filter.Time, "starts_at": filter.Time, "ended_at": filter.Time,
	},
	Custom: true, Reserved: isReserved(wire.KindCall),
}

const (
	defaultCalls = 25
	maxCalls     = 100
)

// callQuery is the body of a query for calls.
type callQuery struct {
	filter *filter.Filter
	sort   filter.Sort
	limit  int
	hash   string // of filter and sort: a cursor belongs to one query
	place  *chat.Call
	back   bool // the page is the one before place, not the one after it
}

// QueryCalls answers the calls that a filter selects, page by page, newest
// first unless the request sorts them. A cursor holds what its place is sorted
// by, so that pages do not shift when calls come and go.
func (s *Service) QueryCalls(ctx context.Context, app int64, body []byte) ([]byte, error) {
	q, err := decodeCallQuery(body)
	if err != nil {
		return nil, err
	}
	var out []byte
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		rr := render.NewBulk(r)
		defer rr.Close()
		page := callPage{query: q}
		err := eachCall(ctx, r, q.filter, func(row *store.CallRow) error { return page.add(rr, row) })
		if err != nil {
			return err
		}
		out, err = page.answer(r, rr)
		return err
	})
	return out, err
}

func decodeCallQuery(body []byte) (*callQuery, error) {
	q := &callQuery{limit: defaultCalls}
	var conditions, sort, next, prev []byte
	if len(body) > 0 {
		err := wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
			if wire.IsNull(v) {
				return nil
			}
			switch name {
			case "filter_conditions":
				conditions = v
			case "sort":
				sort = v
			case "limit":
				var n int64
				n, err = wire.Int(name, v, at, 0, maxCalls)
				q.limit = int(n)
			case "next", "prev":
				var text string
				text, err = wire.String(name, v, at)
				if name == "next" {
					next = []byte(text)
				} else {
					prev = []byte(text)
				}
			}
			return err
		})
		if err != nil {
			return nil, refuse(err, "")
		}
	}
	var err error
	if q.filter, err = filter.ParseWith(conditions, callFields); err != nil {
		return nil, wire.BadField("filter_conditions", "%s", err)
	}
	if q.sort, err = filter.ParseSort(sort, callFields); err != nil {
		return nil, wire.BadField("sort", "%s", err)
	}
	if len(q.sort) == 0 {
		q.sort = filter.Sort{{Field: "created_at", Descending: true}}
	}
	for _, by := range q.sort {
		if by.Field == "ongoing" || by.Field == "backstage" {
			return nil, wire.BadField("sort", "%s: cannot be sorted by", by.Field)
		}
	}
	sum := sha256.Sum256(slices.Concat(conditions, []byte{0}, sort))
	q.hash = base64.RawURLEncoding.EncodeToString(sum[:9])
	switch {
	case len(next) > 0 && len(prev) > 0:
		return nil, wire.BadField("prev", "cannot be given together with next")
	case len(next) > 0:
		q.place, err = q.parseCursor("next", string(next))
	case len(prev) > 0:
		q.place, err = q.parseCursor("prev", string(prev))
		q.back = true
	}
	return q, err
}

// cursor names the place of a call in the order of the query: what a call can be
// sorted by, as an object that reads as a call.
func (q *callQuery) cursor(c *chat.Call) string {
	object := wire.AppendString([]byte(`{"cid":`), c.CID())
	object = wire.AppendString(append(object, `,"created_by_id":`...), c.CreatedBy)
	for _, t := range []struct {
		name string
		at   chat.Time
	}{{"created_at", c.CreatedAt}, {"updated_at", c.UpdatedAt}, {"starts_at", c.StartsAt}, {"ended_at", c.EndedAt}} {
		if t.at != 0 {
			object = t.at.AppendJSON(append(wire.AppendString(append(object, ','), t.name), ':'))
		}
	}
	if slices.ContainsFunc(q.sort, func(by filter.Order) bool { return isCallCustom(by.Field) }) {
		object = wire.AppendCustomObject(append(object, `,"custom":`...), c.Custom)
	}
	return q.hash + "." + base64.RawURLEncoding.EncodeToString(append(object, '}'))
}

func isCallCustom(field string) bool {
	_, known := callFields.Fields[field]
	return !known || field == callTeam
}

func (q *callQuery) parseCursor(field, text string) (*chat.Call, error) {
	hash, place, _ := strings.Cut(text, ".")
	if hash != q.hash {
		return nil, wire.BadField(field, "belongs to another query: begin without it")
	}
	object, err := base64.RawURLEncoding.DecodeString(place)
	if err != nil {
		return nil, wire.BadField(field, "is malformed")
	}
	c, err := wire.DecodeCall(object, nil)
	if err != nil {
		return nil, wire.BadField(field, "is malformed")
	}
	return &c, nil
}

// eachCall calls fn with the calls that may match, each of them once. A filter
// that names calls, or users, saves looking at all.
func eachCall(ctx context.Context, r store.Reader, f *filter.Filter, fn func(*store.CallRow) error) error {
	visit := func(row *store.CallRow) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return fn(row)
	}
	if cids, ok := f.Equals("cid"); ok {
		for _, cid := range cids {
			row, err := r.Call(cid)
			if err == nil {
				err = visit(&row)
			}
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	}
	for _, field := range []string{"created_by_user_id", "members"} {
		ids, ok := f.Equals(field)
		if !ok || len(ids) > 1 {
			continue
		}
		if len(ids) == 0 {
			return nil
		}
		key, err := r.UserKey(ids[0])
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return r.UserCalls(key, visit)
	}
	return r.Calls(visit)
}

// callPage collects the calls of one page: those nearest to the place where it
// begins.
type callPage struct {
	query *callQuery
	kept  []callEntry
	place []filter.Value // what the place is sorted by
	key   []filter.Value
	json  []byte
}

type callEntry struct {
	key    []filter.Value
	call   chat.Call
	object []byte
}

// add looks at a call and keeps it if it belongs on the page as far as is known.
func (p *callPage) add(rr *render.Renderer, row *store.CallRow) error {
	var err error
	if p.json, err = rr.CallDetails(p.json[:0], row); err != nil {
		return err
	}
	c, err := wire.DecodeCall(p.json, nil)
	if err != nil || c.DeletedAt != 0 {
		return err
	}
	get := callGetter(&c)
	if ok, err := p.query.filter.Match(get); err != nil || !ok {
		return err
	}
	if p.key, err = p.query.sort.AppendKey(p.key[:0], get); err != nil {
		return err
	}
	e := callEntry{key: p.key, call: c}
	if p.query.place != nil {
		if p.place == nil {
			if p.place, err = p.query.sort.AppendKey(nil, callGetter(p.query.place)); err != nil {
				return err
			}
		}
		if p.compare(&e, &callEntry{key: p.place, call: *p.query.place}) <= 0 {
			return nil
		}
	}
	e.key, e.object = slices.Clone(p.key), slices.Clone(p.json)
	p.kept = append(p.kept, e)
	if len(p.kept) > 2*(p.query.limit+1) {
		p.cut()
	}
	return nil
}

// compare orders calls by how far they are from the beginning of the page.
func (p *callPage) compare(a, b *callEntry) int {
	order := p.query.sort.Compare(a.key, b.key)
	if order == 0 {
		order = strings.Compare(a.call.CID(), b.call.CID())
	}
	if p.query.back {
		return -order
	}
	return order
}

// cut sorts what is kept, and keeps one more than the page needs, which tells
// that there are more.
func (p *callPage) cut() {
	slices.SortFunc(p.kept, func(a, b callEntry) int { return p.compare(&a, &b) })
	if most := p.query.limit + 1; len(p.kept) > most {
		clear(p.kept[most:])
		p.kept = p.kept[:most]
	}
}

func (p *callPage) answer(r store.Reader, rr *render.Renderer) ([]byte, error) {
	p.cut()
	q := p.query
	more := len(p.kept) > q.limit
	calls := p.kept[:min(q.limit, len(p.kept))]
	before, after := q.place != nil, more
	if q.back {
		slices.Reverse(calls)
		before, after = more, true
	}
	out := []byte(`{"calls":[`)
	var err error
	for i := range calls {
		if out, err = appendCallState(comma(out), r, rr, calls[i].object, &calls[i].call, "", shownInCall); err != nil {
			return nil, err
		}
	}
	out = append(out, ']')
	if len(calls) > 0 && after {
		out = wire.AppendString(append(out, `,"next":`...), q.cursor(&calls[len(calls)-1].call))
	}
	if len(calls) > 0 && before {
		out = wire.AppendString(append(out, `,"prev":`...), q.cursor(&calls[0].call))
	}
	return append(out, '}'), nil
}

// callGetter gives the fields of a call.
func callGetter(c *chat.Call) func(string) (filter.Value, error) {
	return func(field string) (filter.Value, error) {
		switch field {
		case "id":
			return filter.StringValue(c.ID), nil
		case "cid":
			return filter.StringValue(c.CID()), nil
		case "type":
			return filter.StringValue(c.Type), nil
		case "created_by_user_id":
			return filter.StringValue(c.CreatedBy), nil
		case "members":
			return filter.SetValue(len(c.Members), func(id string) (bool, error) {
				return slices.ContainsFunc(c.Members, func(m chat.CallMember) bool { return m.UserID == id }), nil
			}), nil
		case "backstage":
			return filter.BoolValue(false), nil
		case "ongoing":
			return filter.BoolValue(callOngoing(c)), nil
		case "created_at":
			return filter.TimeValue(c.CreatedAt), nil
		case "updated_at":
			return filter.TimeValue(c.UpdatedAt), nil
		case "starts_at":
			return filter.TimeValue(c.StartsAt), nil
		case "ended_at":
			return filter.TimeValue(c.EndedAt), nil
		}
		return filter.CustomValue(wire.AppendCustomObject(nil, c.Custom), field), nil
	}
}

// callOngoing reports whether a call has a session that has not ended.
func callOngoing(c *chat.Call) bool {
	if c.EndedAt != 0 || c.Session == nil {
		return false
	}
	ended := false
	// What was stored gives no error.
	_ = wire.Members(c.Session, func(name []byte, v jsontext.Value) error {
		ended = ended || string(name) == "ended_at" && !wire.IsNull(v)
		return nil
	})
	return !ended
}
