package importer

import (
	"errors"

	"hansard/internal/chat"
	"hansard/internal/importer/refs"
	"hansard/internal/importer/scan"
	"hansard/internal/store"
)

// A file may change a message to which the store has replies, or bring the parent
// that they lack. The thread must hold together all the same: a reply is in the
// channel of its parent, which is no reply. threads asks the store for the replies
// to the messages of a file, and notes each one that would be left behind as a
// reference to itself: it is all right if the file gives it, too, since the two are
// then held against each other.
type threads struct {
	insert bool // what is stored is left alone
	none   bool // the store has no replies
	asked  []askedMessage
	text   []byte // of their records
	ids    []string

	cid     string // channel that was looked up last, and its key
	channel int64
}

// askedMessage is a message of the file, and its record for the places of fields.
type askedMessage struct {
	rec     scan.Record
	id, cid string
	reply   bool
}

// The store is asked for so many messages at a time, or bytes of their records.
const (
	threadsAtOnce = 512
	threadsBytes  = 1 << 20
)

// ask asks for the replies to m, soon.
func (c *checker) ask(m *chat.Message) error {
	t := &c.threads
	if t.none {
		return nil
	}
	from := len(t.text)
	t.text = append(t.text, c.rec.Raw...)
	a := askedMessage{rec: *c.rec, id: m.ID, cid: m.CID, reply: m.ParentID != ""}
	a.rec.Raw = t.text[from:len(t.text):len(t.text)] // stays there should the text have to move
	t.asked = append(t.asked, a)
	if len(t.asked) < threadsAtOnce && len(t.text) < threadsBytes {
		return nil
	}
	return c.answer()
}

// answer notes the replies to the messages that were asked for.
func (c *checker) answer() error {
	t := &c.threads
	if len(t.asked) == 0 {
		return nil
	}
	t.ids = t.ids[:0]
	for i := range t.asked {
		t.ids = append(t.ids, t.asked[i].id)
	}
	err := c.view(func(r store.Reader) error {
		answered := map[string]bool{}
		if err := r.Answered(t.ids, func(id string) { answered[id] = true }); err != nil {
			return err
		}
		for i := range t.asked {
			if a := &t.asked[i]; answered[a.id] {
				if err := c.leftBehind(r, a); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if cap(t.text) > 2*threadsBytes {
		t.text = nil // one was big, and its room is not kept
	}
	t.asked, t.text = t.asked[:0], t.text[:0]
	return err
}

// leftBehind notes the stored replies that a message does not go together with.
func (c *checker) leftBehind(r store.Reader, a *askedMessage) error {
	row, err := r.Message(a.id)
	found := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if found && c.threads.insert {
		return nil
	}
	channel, err := c.threads.key(r, a.cid)
	if err != nil || found && !a.reply && row.Channel == channel {
		return err // most messages stay what they are
	}
	n := refs.Note{Kind: idMessage, Flags: flagStored, Field: atChannel}
	if a.reply {
		n.Field = atParent
	}
	c.rec = &a.rec
	return r.Replies(a.id, store.MessageRange{}, func(reply *store.MessageRow) error {
		if !a.reply && reply.Channel == channel {
			return nil
		}
		id := string(reply.ID)
		return c.refer(id, n, id)
	})
}

// key is the key of a channel, 0 if the store does not have it.
func (t *threads) key(r store.Reader, cid string) (int64, error) {
	if cid != t.cid {
		row, err := r.Channel(cid)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return 0, err
		}
		t.cid, t.channel = cid, row.Key
	}
	return t.channel, nil
}

// stored checks a reply that the store has to a message of the file.
func (r *resolver) stored(n *refs.Note) {
	switch {
	case r.defined && !r.c.threads.insert:
		// The file says where it belongs.
	case n.Field&(1<<fieldBits-1) == atParent:
		r.problem(n, "parent_id", "makes a reply of a message that has replies in the store")
	case int(n.Field>>fieldBits) == len(fields[atChannel]):
		r.problem(n, "", "the message is in another channel than the replies to it in the store")
	default:
		r.problem(n, fieldOf(n), "is another channel than that of the replies to this message in the store")
	}
}

// storedReply reports whether a stored message is a reply.
func (r *resolver) storedReply(m *store.MessageRow) (bool, error) {
	if m.Type != chat.System {
		return m.Type == chat.Reply, nil
	}
	// What it is in other respects hides it.
	object, err := r.render.Message(nil, m)
	return err == nil && has(object, "parent_id"), err
}
