package live

import (
	"cmp"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// messagePage says which messages of a channel to show: limit of them between
// two bounds, or around a place. Without bounds, and with an upper one, these
// are the newest; with only a lower one the oldest.
type messagePage struct {
	limit, offset int
	from, until   []bound
	around        *bound
}

// bound is a place among messages as a request names it.
type bound struct {
	field string
	id    string    // a message's place; "" = at
	at    chat.Time // an instant
	past  bool      // the place right behind it
}

// place is a place among the messages of a channel: before all those that come
// at or after it.
type place struct {
	at   chat.Time
	id   string
	past bool // right behind the message with that id
}

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.id, b.id), cmp.Compare(btoi(a.past), btoi(b.past)))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// before reports whether the place comes before a message.
func (p *place) before(m *store.MessageRow) bool {
	if m.CreatedAt != p.at {
		return m.CreatedAt > p.at
	}
	c := strings.Compare(string(m.ID), p.id)
	return c > 0 || c == 0 && !p.past
}

// bounds are the ways of saying where a page begins or ends.
var bounds = strings.Fields(`id_gt id_gte id_lt id_lte id_around created_at_after created_at_after_or_equal created_at_before
	created_at_before_or_equal created_at_around`)

// set reads one member of the request's object; field is how errors name it.
func (p *messagePage) set(name, field string, v jsontext.Value, at int64) (err error) {
	var n int64
	b := bound{field: field}
	switch {
	case name == "limit":
		n, err = wire.Int(field, v, at, 0, maxMessages)
		p.limit = int(n)
		return err
	case name == "offset":
		n, err = wire.Int(field, v, at, 0, maxOffset)
		p.offset = int(n)
		return err
	case strings.HasPrefix(name, "id_"):
		b.id, err = wire.ID(field, v, at, wire.MaxMessageID)
	case strings.HasPrefix(name, "created_at_"):
		b.at, err = wire.Time(field, v, at)
	}
	known := slices.Contains(bounds, name)
	if err != nil || known && b.id == "" && b.at == 0 {
		return err // "" is "not given"
	}
	switch name {
	case "id_gt", "created_at_after":
		b.past = true
		p.from = append(p.from, b)
	case "id_gte", "created_at_after_or_equal":
		p.from = append(p.from, b)
	case "id_lt", "created_at_before":
		p.until = append(p.until, b)
	case "id_lte", "created_at_before_or_equal":
		b.past = true
		p.until = append(p.until, b)
	case "id_around", "created_at_around":
		if p.around != nil {
			return wire.BadField(field, "cannot be given with %s", p.around.field)
		}
		p.around = &b
	default:
		return wire.BadField(field, "is not available here")
	}
	return nil
}

// check refuses what cannot be had together.
func (p *messagePage) check() error {
	switch {
	case p.around == nil:
	case len(p.from) > 0:
		return wire.BadField(p.from[0].field, "cannot be given with %s", p.around.field)
	case len(p.until) > 0:
		return wire.BadField(p.until[0].field, "cannot be given with %s", p.around.field)
	case p.offset > 0:
		return wire.BadField(p.around.field, "cannot be given with an offset")
	}
	return nil
}

func decodeMessagePage(field string, v jsontext.Value) (messagePage, error) {
	p := messagePage{limit: defaultMessages}
	err := wire.Object(v, func(name string, v jsontext.Value, at int64) error {
		if wire.IsNull(v) {
			return nil
		}
		return refuse(p.set(name, field+"."+name, v, at), "")
	})
	if err == nil {
		err = p.check()
	}
	return p, refuse(err, field)
}

// set reads one member of the request's object. Other ways of paging are
// refused: an answer from another place than was asked for would go unnoticed.
func (p *page) set(name, field string, v jsontext.Value, at int64) error {
	var n int64
	var err error
	switch name {
	case "limit":
		n, err = wire.Int(field, v, at, 0, maxPage)
		p.limit = int(n)
	case "offset":
		n, err = wire.Int(field, v, at, 0, 1<<31)
		p.offset = int(n)
	default:
		err = wire.BadField(field, "is not available here: page with limit and offset")
	}
	return err
}

func decodePage(field string, v jsontext.Value) (page, error) {
	p := page{limit: maxPage}
	err := wire.Object(v, func(name string, v jsontext.Value, at int64) error {
		if wire.IsNull(v) {
			return nil
		}
		return refuse(p.set(name, field+"."+name, v, at), "")
	})
	return p, refuse(err, field)
}

// decodeQuery reads from the query of a GET what a body says elsewhere.
func (q *stateQuery) decodeQuery(values url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := queryValue(name, values.Get(name))
		if len(v) == 0 {
			continue
		}
		var err error
		if of, ok := strings.CutPrefix(name, "messages_"); ok {
			err = q.messages.set(of, name, v, 0)
		} else if of, ok := strings.CutPrefix(name, "members_"); ok {
			err = q.members.set(of, name, v, 0)
		} else if name == "state" {
			q.state, err = queryBool(values, name)
		} else if name == "user_id" {
			q.user, err = wire.ID(name, v, 0, wire.MaxUserID)
		}
		if err != nil {
			return refuse(err, "")
		}
	}
	return q.messages.check()
}

// queryValue is a value of a query as JSON; nil for an empty one.
func queryValue(name, s string) jsontext.Value {
	if s == "" {
		return nil
	}
	_, err := strconv.ParseInt(s, 10, 64)
	id := strings.Contains(name, "id_") || strings.HasSuffix(name, "_id")
	if !id && (err == nil || s == "true" || s == "false") {
		return jsontext.Value(s)
	}
	return wire.AppendString(nil, s)
}

// queryBool reads a boolean out of the query of a request. A query has no
// types: clients send what their language makes of one, such as True or 1.
func queryBool(values url.Values, name string) (bool, error) {
	v := values.Get(name)
	if v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, wire.BadField(name, "must be true or false")
	}
	return b, nil
}

// find finds the place that a bound means.
func (v *view) find(b *bound) (place, error) {
	if b.id == "" {
		if b.past {
			return place{at: b.at + 1}, nil
		}
		return place{at: b.at}, nil
	}
	m, err := v.r.Message(b.id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (m.Channel != v.row.Key || m.CreatedAt < v.oldest()) {
		return place{}, wire.BadField(b.field, "names a message that is not in the channel: %s", b.id)
	}
	return place{m.CreatedAt, b.id, b.past}, err
}

// messages renders a page of messages, in the order in which they were sent.
// Replies that stay in their thread are left out.
func (v *view) messages(p *messagePage) ([][]byte, error) {
	if p.limit == 0 {
		return nil, nil
	}
	from := place{at: v.oldest()}
	if p.around != nil {
		return v.messagesAround(p, from)
	}
	var until place
	for i := range p.from {
		at, err := v.find(&p.from[i])
		if err != nil {
			return nil, err
		}
		if comparePlaces(at, from) > 0 {
			from = at
		}
	}
	for i := range p.until {
		at, err := v.find(&p.until[i])
		if err != nil {
			return nil, err
		}
		if i == 0 || comparePlaces(at, until) < 0 {
			until = at
		}
	}
	newest := len(p.until) > 0 || len(p.from) == 0
	list, err := v.between(from, until, newest, p.offset, p.limit)
	if newest {
		slices.Reverse(list)
	}
	return list, err
}

// messagesAround renders half of a page before a place and half after it; what
// one side lacks the other side has more.
func (v *view) messagesAround(p *messagePage, from place) ([][]byte, error) {
	middle, err := v.find(p.around)
	if err != nil {
		return nil, err
	}
	if comparePlaces(middle, from) < 0 {
		middle = from
	}
	before, err := v.between(from, middle, true, 0, p.limit)
	if err != nil {
		return nil, err
	}
	after, err := v.between(middle, place{}, false, 0, p.limit)
	if err != nil {
		return nil, err
	}
	before = before[:min(len(before), max(p.limit/2, p.limit-len(after)))]
	after = after[:min(len(after), p.limit-len(before))]
	slices.Reverse(before)
	return append(before, after...), nil
}

func errTooLong() error {
	return wire.Errorf(wire.CodeBadInput, "the answer would be longer than %d MiB: ask for fewer messages", maxAnswer>>20)
}

// between renders messages between two places, limit of them at most, the
// newest first or the oldest. An until without an instant is the end.
func (v *view) between(from, until place, newest bool, offset, limit int) (list [][]byte, err error) {
	q := store.MessageRange{Channel: v.row.Key, Since: from.at, Newest: newest}
	if q.Until = until.at; until.id != "" {
		q.Until++ // some of that instant may come before it
	}
	err = v.r.Messages(q, func(m *store.MessageRow) error {
		if m.InThread || !from.before(m) || until.at != 0 && until.before(m) {
			return nil
		}
		shown, err := v.shows(m)
		if err != nil || !shown {
			return err
		}
		if offset > 0 {
			offset--
			return nil
		}
		object, err := v.rr.Message(nil, m)
		if err != nil {
			return err
		}
		if v.size += len(object); v.size > maxAnswer {
			return errTooLong()
		}
		if list = append(list, object); len(list) == limit {
			return errEnough
		}
		return nil
	})
	return list, ended(err)
}
