package sqlstore

import (
	"bytes"
	"cmp"
	"container/heap"
	"errors"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/store"
)

// MessageCursors is a Conn that reads several statements for messages side by
// side.
type MessageCursors interface {
	// OpenMessages begins a statement that yields what ScanMessage reads.
	OpenMessages(sql string, args []any) (MessageCursor, error)
}

// MessageCursor is one of several statements that are being read.
type MessageCursor interface {
	// Next reads the next row, whose bytes stay until Next is called again; false
	// means that there is none.
	Next(row *store.MessageRow) (bool, error)
	Close()
}

// MessagesOf reads the messages of several users, each of which is somewhere
// else. Where an engine can, it reads all users abreast, in the order of time: who
// writes in the same channels at the same time has messages on the same pages,
// which are then fetched once.
func (r *reader) MessagesOf(users []int64, fn func(i int, row *store.MessageRow) error) error {
	c, ok := r.conn.(MessageCursors)
	if !ok || !r.dialect.Runs {
		for i, user := range users {
			if err := r.UserMessages(user, func(row *store.MessageRow) error { return fn(i, row) }); err != nil {
				return err
			}
		}
		return nil
	}
	runs, err := r.runsOf(runMessages)
	if err != nil {
		return err
	}
	a := &abreast{reader: r, conn: c}
	defer a.close()
	for i, user := range users {
		for _, run := range runs {
			if err := a.add(i, user, run); err != nil {
				return err
			}
		}
	}
	heap.Init(a)
	for len(a.strands) > 0 {
		s := a.strands[0]
		if err := a.open(s); err != nil {
			return err
		}
		if err := fn(s.i, &s.row); err != nil {
			return err
		}
		more, err := s.cursor.Next(&s.row)
		switch {
		case err != nil:
			return err
		case more:
			s.at, s.id = s.row.CreatedAt, s.row.ID
			heap.Fix(a, 0)
		default:
			heap.Pop(a)
			a.shut(s)
		}
	}
	return nil
}

// abreast is a heap of strands by their next rows.
type abreast struct {
	reader  *reader
	conn    MessageCursors
	strands []*strand
	opened  []*strand // those with a cursor
}

// strand is what a user has in one run.
type strand struct {
	i         int // of the user
	user, run int64
	at        chat.Time // of its next row
	id        []byte
	cursor    MessageCursor // nil while it is not its turn
	row       store.MessageRow
}

// maxOpened bounds the statements that are read side by side: each keeps the
// pages that it stands on in memory.
const maxOpened = 32

func (a *abreast) Len() int { return len(a.strands) }
func (a *abreast) Less(i, j int) bool {
	x, y := a.strands[i], a.strands[j]
	return cmp.Or(cmp.Compare(x.at, y.at), bytes.Compare(x.id, y.id)) < 0
}
func (a *abreast) Swap(i, j int) { a.strands[i], a.strands[j] = a.strands[j], a.strands[i] }
func (a *abreast) Push(x any)    { a.strands = append(a.strands, x.(*strand)) } //nolint:errcheck // nothing else is pushed
func (a *abreast) Pop() any {
	last := a.strands[len(a.strands)-1]
	a.strands = a.strands[:len(a.strands)-1]
	return last
}

// add adds a strand if it has any rows. Those of a load follow one another in
// time as a rule, so that most of them are not read before others are done.
func (a *abreast) add(i int, user, run int64) error {
	s := &strand{i: i, user: user, run: run}
	found, err := a.reader.conn.One(`SELECT m.created_at, m.id FROM messages m`+a.reader.by("messages_by_user")+`
		WHERE m.app = $1 AND m."user" = $2 AND m.run = $3 ORDER BY m.created_at, m.id LIMIT 1`,
		[]any{a.reader.app, user, run}, func(r Row) { s.at, s.id = r.Time(0), r.Copy(1) })
	if found {
		a.strands = append(a.strands, s)
	}
	return err
}

var errStrand = errors.New("a message that was there is not found again")

// open makes a strand stand on its next row.
func (a *abreast) open(s *strand) error {
	if s.cursor != nil {
		return nil
	}
	if len(a.opened) == maxOpened {
		a.rest()
	}
	var err error
	s.cursor, err = a.conn.OpenMessages(`SELECT `+messageColumns+` FROM messages m`+a.reader.by("messages_by_user")+`
		WHERE m.app = $1 AND m."user" = $2 AND m.run = $3 AND (m.created_at, m.id) >= ($4, $5) ORDER BY m.created_at, m.id`,
		[]any{a.reader.app, s.user, s.run, s.at, string(s.id)})
	if err != nil {
		return err
	}
	a.opened = append(a.opened, s)
	found, err := s.cursor.Next(&s.row)
	if err == nil && !found {
		err = errStrand
	}
	return err
}

// rest closes the cursor that will not be needed for the longest time.
func (a *abreast) rest() {
	last := a.opened[0]
	for _, s := range a.opened {
		if s.at > last.at {
			last = s
		}
	}
	last.id = bytes.Clone(last.id)
	a.shut(last)
}

func (a *abreast) shut(s *strand) {
	s.cursor.Close()
	s.cursor = nil
	a.opened = slices.DeleteFunc(a.opened, func(o *strand) bool { return o == s })
}

func (a *abreast) close() {
	for _, s := range a.opened {
		s.cursor.Close()
	}
}
