package live

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"hansard/internal/filter"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// repliesQuery says which replies to show.
type repliesQuery struct {
	messagePage
	sorted bool // an order is asked for
	newest bool // the newest come first
}

// GetReplies answers replies to a message, the oldest first: the last ones there
// are, those right after a lower bound, or those right before an upper one.
func (s *Service) GetReplies(ctx context.Context, app int64, id string, values url.Values, _ []byte) ([]byte, error) {
	q, err := decodeReplies(values)
	if err != nil {
		return nil, err
	}
	out := []byte(`{"messages":[`)
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		f, err := mustFind(r, id)
		if err != nil {
			return err
		}
		rr := render.New(r)
		rr.HideBefore(f.channel.Key, f.channel.Channel.TruncatedAt)
		t := &thread{r: r, rr: rr, parent: f}
		list, err := t.page(q)
		if err != nil {
			return err
		}
		if q.newest {
			slices.Reverse(list)
		}
		for _, m := range list {
			out = append(comma(out), m...)
		}
		return nil
	})
	return append(out, `]}`...), err
}

func decodeReplies(values url.Values) (*repliesQuery, error) {
	q := &repliesQuery{messagePage: messagePage{limit: defaultMessages}}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch {
		case name == "sort":
			sort, err := filter.ParseSort([]byte(values.Get(name)), filter.Options{
				Fields: map[string]filter.Kind{"created_at": filter.Time},
			})
			if err != nil {
				return nil, wire.BadField(name, "%s", err)
			}
			q.sorted, q.newest = len(sort) > 0, len(sort) > 0 && sort[0].Descending
		case name == "limit", name == "offset", strings.HasPrefix(name, "id_"), strings.HasPrefix(name, "created_at_"):
			v := queryValue(name, values.Get(name))
			if len(v) == 0 {
				continue
			}
			if err := q.set(name, name, v, 0); err != nil {
				return nil, refuse(err, "")
			}
		}
	}
	return q, q.check()
}

// thread reads the replies to a message.
type thread struct {
	r      store.Reader
	rr     *render.Renderer
	parent *found
	size   int // bytes so far
}

// page renders the replies that are asked for, in the order in which they were
// sent.
func (t *thread) page(q *repliesQuery) ([][]byte, error) {
	if q.limit == 0 {
		return nil, nil
	}
	if q.around != nil {
		return t.around(q)
	}
	var from, until place
	for i := range q.from {
		at, err := t.place(&q.from[i])
		if err != nil {
			return nil, err
		}
		if comparePlaces(at, from) > 0 {
			from = at
		}
	}
	for i := range q.until {
		at, err := t.place(&q.until[i])
		if err != nil {
			return nil, err
		}
		if i == 0 || comparePlaces(at, until) < 0 {
			until = at
		}
	}
	lower, upper := len(q.from) > 0, len(q.until) > 0
	// Clients go back from the newest replies, unless they ask for an order.
	backwards := upper && !lower || upper == lower && (q.newest || !q.sorted && !lower)
	list, err := t.between(from, until, backwards, q.offset, q.limit)
	if backwards {
		slices.Reverse(list)
	}
	return list, err
}

// around renders half of a page before a place and half after it; what one side
// lacks the other side has more.
func (t *thread) around(q *repliesQuery) ([][]byte, error) {
	middle, err := t.place(q.messagePage.around)
	if err != nil {
		return nil, err
	}
	before, err := t.between(place{}, middle, true, 0, q.limit)
	if err != nil {
		return nil, err
	}
	after, err := t.between(middle, place{}, false, 0, q.limit)
	if err != nil {
		return nil, err
	}
	before = before[:min(len(before), max(q.limit/2, q.limit-len(after)))]
	after = after[:min(len(after), q.limit-len(before))]
	slices.Reverse(before)
	return append(before, after...), nil
}

// place finds the place that a bound means.
func (t *thread) place(b *bound) (place, error) {
	if b.id == "" {
		if b.past {
			return place{at: b.at + 1}, nil
		}
		return place{at: b.at}, nil
	}
	m, err := t.r.Message(b.id)
	if errors.Is(err, store.ErrNotFound) || err == nil && m.Channel != t.parent.channel.Key {
		return place{}, wire.BadField(b.field, "names a message that is not in the channel: %s", b.id)
	}
	return place{m.CreatedAt, b.id, b.past}, err
}

// between renders replies between two places, limit of them at most, the newest
// first or the oldest. An until without an instant is the end.
func (t *thread) between(from, until place, newest bool, offset, limit int) (list [][]byte, err error) {
	q := store.MessageRange{Since: max(from.at, t.parent.channel.Channel.TruncatedAt), Newest: newest}
	if q.Until = until.at; until.id != "" {
		q.Until++ // some of that instant may come before it
	}
	err = t.r.Replies(string(t.parent.row.ID), q, func(m *store.MessageRow) error {
		if !from.before(m) || until.at != 0 && until.before(m) {
			return nil
		}
		if offset > 0 {
			offset--
			return nil
		}
		object, err := t.rr.Message(nil, m)
		if err != nil {
			return err
		}
		if t.size += len(object); t.size > maxAnswer {
			return errTooLong()
		}
		if list = append(list, object); len(list) == limit {
			return errEnough
		}
		return nil
	})
	return list, ended(err)
}
