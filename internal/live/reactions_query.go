package live

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"

	"hansard/internal/chat"
	"hansard/internal/filter"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// How many reactions a list shows.
const (
	defaultReactions = 100
	maxReactions     = 300
)

// GetReactions answers reactions to a message, the newest first.
func (s *Service) GetReactions(ctx context.Context, app int64, id string, values url.Values, _ []byte) ([]byte, error) {
	p := page{limit: defaultReactions}
	for name, to := range map[string]*int{"limit": &p.limit, "offset": &p.offset} {
		v := queryValue(name, values.Get(name))
		if len(v) == 0 {
			continue
		}
		most := int64(maxReactions)
		if name == "offset" {
			most = 1 << 31
		}
		n, err := wire.Int(name, v, 0, 0, most)
		if err != nil {
			return nil, refuse(err, "")
		}
		*to = int(n)
	}
	out := []byte(`{"reactions":[`)
	err := s.Store.View(ctx, app, func(r store.Reader) error {
		if _, err := mustFind(r, id); err != nil {
			return err
		}
		if p.limit == 0 {
			return nil
		}
		rr := render.New(r)
		n := 0
		return ended(r.Reactions(id, func(row *store.ReactionRow) (err error) {
			if n++; n <= p.offset {
				return nil
			}
			if out, err = rr.Reaction(comma(out), row); err == nil && n == p.offset+p.limit {
				err = errEnough
			}
			return err
		}))
	})
	return append(out, `]}`...), err
}

// reactionFields are the built-in fields of reactions.
var reactionFields = map[string]filter.Kind{
	"type": filter.String, "user_id": filter.String, "score": filter.Int, "created_at": filter.Time, "updated_at": filter.Time,
}

// reactionsQuery is a request for some of the reactions to a message.
type reactionsQuery struct {
	cursors
	filter *filter.Filter
	sort   filter.Sort // leaves no two reactions equal
}

// QueryReactions answers those reactions to a message that a filter means.
func (s *Service) QueryReactions(ctx context.Context, app int64, id string, _ url.Values, body []byte) ([]byte, error) {
	q, err := decodeReactionsQuery(body)
	if err != nil {
		return nil, err
	}
	var out []byte
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		if _, err := mustFind(r, id); err != nil {
			return err
		}
		list, err := q.read(r, id)
		if err != nil {
			return err
		}
		list, more := cut(list, q.limit)
		if q.back() {
			slices.Reverse(list)
		}
		out = []byte(`{"reactions":[`)
		for i := range list {
			out = append(comma(out), list[i].object...)
		}
		out = append(out, ']')
		if n := len(list); n > 0 {
			out = q.appendCursors(out, list[0].place, list[n-1].place, more)
		}
		return nil
	})
	return append(out, '}'), err
}

func decodeReactionsQuery(body []byte) (*reactionsQuery, error) {
	q := &reactionsQuery{cursors: cursors{limit: defaultEntries}, filter: &filter.Filter{}}
	err := eachField(body, func(name string, v jsontext.Value, at int64) (err error) {
		switch name {
		case "filter":
			if q.filter, err = filter.ParseWith(v, filter.Options{Fields: reactionFields, Custom: true, Reserved: isReserved(wire.KindReaction)}); err != nil {
				err = wire.BadField(name, "%s", err)
			}
		case "sort":
			if q.sort, err = filter.ParseSort(v, filter.Options{Fields: reactionFields}); err != nil {
				err = wire.BadField(name, "%s", err)
			}
		default:
			err = q.take(name, v, at)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(q.sort) == 0 {
		q.sort = filter.Sort{{Field: "created_at", Descending: true}}
	}
	for _, field := range []string{"user_id", "type"} {
		if !slices.ContainsFunc(q.sort, func(by filter.Order) bool { return by.Field == field }) {
			q.sort = append(q.sort, filter.Order{Field: field})
		}
	}
	return q, q.check(len(q.sort))
}

// reactionEntry is a reaction as it is answered.
type reactionEntry struct {
	object []byte
	place  []string // what it is sorted by
}

// read finds the reactions that follow the cursor, in the order of the query or
// against it, and one more than the page takes.
func (q *reactionsQuery) read(r store.Reader, message string) ([]reactionEntry, error) {
	sort := q.sort
	if q.back() {
		sort = slices.Clone(sort)
		for i := range sort {
			sort[i].Descending = !sort[i].Descending
		}
	}
	cursor, err := q.place()
	if err != nil {
		return nil, err
	}
	page := filter.NewPage[reactionEntry](sort, 0, q.limit+1)
	rr := render.New(r)
	var object []byte
	var key []filter.Value
	err = r.Reactions(message, func(row *store.ReactionRow) error {
		if object, err = rr.Reaction(object[:0], row); err != nil {
			return err
		}
		re, err := wire.DecodeReaction(object, nil)
		if err != nil {
			return err
		}
		get := func(field string) (filter.Value, error) { return reactionValue(&re, object, field), nil }
		is, err := q.filter.Match(get)
		if err != nil || !is {
			return err
		}
		if key, err = sort.AppendKey(key[:0], get); err != nil {
			return err
		}
		if cursor != nil && sort.Compare(key, cursor) <= 0 || !page.Wants(key, "") {
			return nil
		}
		page.Add(key, "", reactionEntry{object: slices.Clone(object), place: q.placeOf(&re)})
		return nil
	})
	return page.Items(), err
}

func reactionValue(re *chat.Reaction, object []byte, field string) filter.Value {
	switch field {
	case "type":
		return filter.StringValue(re.Type)
	case "user_id":
		return filter.StringValue(re.UserID)
	case "score":
		return filter.IntValue(int64(re.Score))
	case "created_at":
		return filter.TimeValue(re.CreatedAt)
	case "updated_at":
		return filter.TimeValue(re.UpdatedAt)
	default:
		return filter.CustomValue(object, field)
	}
}

// placeOf is the cursor of a reaction.
func (q *reactionsQuery) placeOf(re *chat.Reaction) []string {
	place := make([]string, len(q.sort))
	for i, by := range q.sort {
		switch by.Field {
		case "type":
			place[i] = re.Type
		case "user_id":
			place[i] = re.UserID
		case "score":
			place[i] = strconv.Itoa(re.Score)
		case "created_at":
			place[i] = strconv.FormatInt(int64(re.CreatedAt), 10)
		case "updated_at":
			place[i] = strconv.FormatInt(int64(re.UpdatedAt), 10)
		}
	}
	return place
}

// place reads the cursor, nil if none was given.
func (q *reactionsQuery) place() ([]filter.Value, error) {
	if q.cursor == nil {
		return nil, nil
	}
	key := make([]filter.Value, len(q.sort))
	var all error
	for i, by := range q.sort {
		n, err := strconv.ParseInt(q.cursor[i], 10, 64)
		switch reactionFields[by.Field] {
		case filter.String:
			key[i], err = filter.StringValue(q.cursor[i]), nil
		case filter.Int:
			key[i] = filter.IntValue(n)
		default:
			key[i] = filter.TimeValue(chat.Time(n))
		}
		all = errors.Join(all, err)
	}
	if all != nil {
		return nil, q.errCursor()
	}
	return key, nil
}
