package live

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/filter"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// How many entries a page of a query with cursors has.
const (
	defaultEntries = 25
	maxEntries     = 100
)

// noteHistory keeps what a message is before it is changed.
func noteHistory(tx store.Tx, m *chat.Message, by string, at chat.Time) error {
	user, err := tx.UserKey(by)
	if err != nil {
		return err
	}
	object := wire.AppendString([]byte(`{"text":`), m.Text)
	object = append(object, `,"attachments":`...)
	if m.Attachments == nil {
		object = append(object, `[]`...)
	} else {
		object = append(object, m.Attachments...)
	}
	object = strconv.AppendBool(append(object, `,"is_deleted":`...), m.DeletedAt != 0)
	object = wire.AppendCustomObject(append(object, `,"custom":`...), m.Custom)
	return tx.PutHistory(&store.HistoryRow{Message: m.ID, UpdatedAt: at, UpdatedBy: user, Object: append(object, '}')})
}

// historyFields are what the history of messages can be asked for by.
var historyFields = filter.Options{Fields: map[string]filter.Kind{
	"message_id": filter.String, "message_updated_by_id": filter.String, "message_updated_at": filter.Time,
}}

// historyQuery is a request for what messages were.
type historyQuery struct {
	cursors
	filter       *filter.Filter
	since, until chat.Time // all entries that are meant lie between them
	oldest       bool      // the oldest come first
	messages     []string  // what to look at: these, or if it is nil,
	users        []string  // what these have done
}

// QueryMessageHistory answers what messages were before they were changed.
func (s *Service) QueryMessageHistory(ctx context.Context, app int64, body []byte) ([]byte, error) {
	q, err := decodeHistoryQuery(body)
	if err != nil {
		return nil, err
	}
	var out []byte
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		list, err := q.read(r)
		if err != nil {
			return err
		}
		list, more := cut(list, q.limit)
		if q.back() {
			slices.Reverse(list)
		}
		out = []byte(`{"message_history":[`)
		for i := range list {
			out = append(comma(out), list[i].object...)
			if len(out) > maxAnswer {
				return errTooLong()
			}
		}
		out = append(out, ']')
		if n := len(list); n > 0 {
			out = q.appendCursors(out, list[0].place(), list[n-1].place(), more)
		}
		return nil
	})
	return append(out, '}'), err
}

func decodeHistoryQuery(body []byte) (*historyQuery, error) {
	q := &historyQuery{cursors: cursors{limit: defaultEntries}, filter: &filter.Filter{}}
	err := eachField(body, func(name string, v jsontext.Value, at int64) (err error) {
		switch name {
		case "filter":
			if q.filter, err = filter.ParseWith(v, historyFields); err != nil {
				return wire.BadField(name, "%s", err)
			}
			q.since, q.until = timeBounds(v, "message_updated_at")
		case "sort":
			sort, err := filter.ParseSort(v, filter.Options{Fields: map[string]filter.Kind{"message_updated_at": filter.Time}})
			if err != nil {
				return wire.BadField(name, "%s", err)
			}
			q.oldest = len(sort) > 0 && !sort[0].Descending
		default:
			err = q.take(name, v, at)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	messages, byMessage := q.filter.Equals("message_id")
	users, byUser := q.filter.Equals("message_updated_by_id")
	switch {
	case byMessage:
		q.messages = append([]string{}, messages...)
	case byUser:
		q.users = users
	default:
		return nil, wire.BadField("filter", "must say which message_id or message_updated_by_id is meant")
	}
	if slices.Contains(q.messages, "") || slices.Contains(q.users, "") {
		return nil, wire.BadField("filter", "must name messages and users by ids that are not empty")
	}
	if len(messages) > maxEntries || len(users) > maxEntries {
		return nil, wire.BadField("filter", "must name at most %d messages or users", maxEntries)
	}
	return q, q.check(2)
}

// timeBounds finds the least and the latest instant that a filter lets through,
// as far as that is plain to see; until is the first one past it, 0 the end.
func timeBounds(raw []byte, field string) (since, until chat.Time) {
	narrow := func(op string, t chat.Time) {
		switch op {
		case "$gt", "$gte":
			since = max(since, t)
		case "$lt", "$lte":
			if until == 0 || t < until {
				until = t + 1
			}
		case "$eq":
			since, until = t, t+1
		}
	}
	// The filter was parsed already; what is odd about it does not narrow it.
	_ = wire.Object(raw, func(name string, v jsontext.Value, _ int64) error {
		if name != field || v.Kind() != '{' {
			return nil
		}
		return wire.Object(v, func(op string, v jsontext.Value, at int64) error {
			t, err := wire.Time(op, v, at)
			if err == nil && t != 0 {
				narrow(op, t)
			}
			return nil
		})
	})
	return since, until
}

// historyEntry is an entry as it is answered.
type historyEntry struct {
	at      chat.Time
	message string
	object  []byte
}

func (e *historyEntry) place() []string {
	return []string{strconv.FormatInt(int64(e.at), 10), e.message}
}

// newerFirst is the order in which the store yields entries.
func newerFirst(a, b *historyEntry) int {
	return cmp.Or(cmp.Compare(b.at, a.at), strings.Compare(a.message, b.message))
}

// read finds the entries that follow the cursor, in the order of the query or
// against it, and one more than the page takes.
func (q *historyQuery) read(r store.Reader) ([]historyEntry, error) {
	older := q.oldest == q.back() // in which direction to go
	rd := &historyReader{historyQuery: q, r: r, older: older, seen: map[string]bool{}, names: map[int64]string{}}
	if q.cursor != nil {
		at, err := strconv.ParseInt(q.cursor[0], 10, 64)
		if err != nil || !wire.ValidID(q.cursor[1], wire.MaxMessageID) {
			return nil, q.errCursor()
		}
		rd.from = &historyEntry{at: chat.Time(at), message: q.cursor[1]}
	}
	var all []historyEntry
	add := func(h store.HistoryQuery) error {
		list, err := rd.some(h)
		if err != nil {
			return err
		}
		all = append(all, list...)
		slices.SortFunc(all, func(a, b historyEntry) int {
			if !older {
				return newerFirst(&b, &a)
			}
			return newerFirst(&a, &b)
		})
		all = all[:min(len(all), q.limit+1)]
		return nil
	}
	for _, id := range q.messages {
		if err := add(store.HistoryQuery{Message: id}); err != nil {
			return nil, err
		}
	}
	for _, id := range q.users {
		key, err := r.UserKey(id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := add(store.HistoryQuery{User: key}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// historyReader reads entries for one query.
type historyReader struct {
	*historyQuery
	r     store.Reader
	older bool
	from  *historyEntry    // the cursor
	seen  map[string]bool  // which messages can be seen
	names map[int64]string // of users
}

// some reads up to limit+1 of the entries that h means, those next to the
// cursor.
func (rd *historyReader) some(h store.HistoryQuery) ([]historyEntry, error) {
	most := rd.limit + 1
	h.Since, h.Until = rd.since, rd.until
	if rd.from != nil && rd.older {
		h.BeforeTime, h.BeforeMessage = rd.from.at, rd.from.message
	} else if rd.from != nil {
		h.Since = max(h.Since, rd.from.at)
	}
	var list []historyEntry
	err := rd.r.History(h, func(row *store.HistoryRow) error {
		e := historyEntry{at: row.UpdatedAt, message: row.Message}
		if rd.from != nil && !rd.older && newerFirst(&e, rd.from) >= 0 {
			return errEnough // from here on all are older
		}
		by, err := rd.meant(row)
		if err != nil || by == nil {
			return err
		}
		e.object = appendHistory(nil, row, *by)
		list = append(list, e)
		switch {
		case len(list) < most:
		case rd.older:
			return errEnough
		case len(list) == 2*most: // the store goes from the newest on, those wanted come last
			list = slices.Delete(list, 0, most)
		}
		return nil
	})
	if !rd.older {
		list = list[max(len(list)-most, 0):]
	}
	return list, ended(err)
}

// meant returns the id of who made a change if the query means it. Messages
// that are out of reach have no history either.
func (rd *historyReader) meant(row *store.HistoryRow) (*string, error) {
	by, ok := rd.names[row.UpdatedBy]
	if !ok {
		var err error
		by, _, err = rd.r.UserByKey(row.UpdatedBy)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		rd.names[row.UpdatedBy] = by
	}
	is, err := rd.filter.Match(func(field string) (filter.Value, error) {
		switch field {
		case "message_id":
			return filter.StringValue(row.Message), nil
		case "message_updated_by_id":
			return filter.StringValue(by), nil
		default:
			return filter.TimeValue(row.UpdatedAt), nil
		}
	})
	if err != nil || !is {
		return nil, err
	}
	seen, ok := rd.seen[row.Message]
	if !ok {
		if _, seen, err = findMessage(rd.r, row.Message); err != nil {
			return nil, err
		}
		rd.seen[row.Message] = seen
	}
	if !seen {
		return nil, nil
	}
	return &by, nil
}

func appendHistory(out []byte, row *store.HistoryRow, by string) []byte {
	out = wire.AppendString(append(out, `{"message_id":`...), row.Message)
	out = wire.AppendString(append(out, `,"message_updated_by_id":`...), by)
	out = row.UpdatedAt.AppendJSON(append(out, `,"message_updated_at":`...))
	return append(append(out, ','), row.Object[1:]...)
}

// cursors is how long lists are read page by page: each answer tells where the
// next page begins, and the one before it. A cursor is the place of an entry in
// the order of the query.
type cursors struct {
	limit      int
	next, prev string
	cursor     []string // the one that was given
}

// take reads one member of a request; it passes over what is none of its own.
func (c *cursors) take(name string, v jsontext.Value, at int64) (err error) {
	switch name {
	case "limit":
		var n int64
		n, err = wire.Int(name, v, at, 1, maxEntries)
		c.limit = int(n)
	case "next":
		c.next, err = wire.String(name, v, at)
	case "prev":
		c.prev, err = wire.String(name, v, at)
	}
	return err
}

// check reads the cursor, which has so many parts.
func (c *cursors) check(parts int) error {
	if c.next == "" && c.prev == "" {
		return nil
	}
	if c.next != "" && c.prev != "" {
		return wire.BadField("prev", "cannot be given with next")
	}
	raw, err := base64.RawURLEncoding.DecodeString(c.next + c.prev)
	c.cursor = strings.Split(string(raw), "\n")
	if err != nil || len(c.cursor) != parts {
		return c.errCursor()
	}
	return nil
}

func (c *cursors) errCursor() error {
	name := "next"
	if c.prev != "" {
		name = "prev"
	}
	return wire.BadField(name, "must come from an answer to the same query")
}

// back reports whether the page before the cursor is wanted.
func (c *cursors) back() bool { return c.prev != "" }

// appendCursors appends where the pages around this one begin, given the places
// of its first and its last entry, which hold no line breaks. more tells
// whether there are further entries in the direction that was read.
func (c *cursors) appendCursors(out []byte, first, last []string, more bool) []byte {
	if more || c.back() {
		out = appendCursor(append(out, `,"next":`...), last)
	}
	if c.back() && more || c.next != "" {
		out = appendCursor(append(out, `,"prev":`...), first)
	}
	return out
}

func appendCursor(out []byte, place []string) []byte {
	return wire.AppendString(out, base64.RawURLEncoding.EncodeToString([]byte(strings.Join(place, "\n"))))
}

// cut cuts a list down to limit, and reports whether that took something away.
func cut[T any](list []T, limit int) ([]T, bool) {
	if len(list) > limit {
		return list[:limit], true
	}
	return list, false
}
