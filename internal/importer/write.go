package importer

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// writer writes batches in the mode of the import.
type writer struct {
	insert bool // leave alone what exists
	merge  bool // keep custom fields that the file does not give

	tx       store.Tx
	counts   Counts
	existing int64
	channels map[string]int64 // keys of channels, by cid
	renderer *render.Renderer // see render
}

// write writes one batch, and leaves the batch as it is: it may be called again
// with another transaction if the first one failed.
func (w *writer) write(tx store.Tx, b *batch) error {
	*w = writer{insert: w.insert, merge: w.merge, tx: tx, channels: map[string]int64{}}
	for i := range b.users {
		if err := w.user(&b.users[i]); err != nil {
			return fmt.Errorf("user %s: %w", b.users[i].user.ID, err)
		}
	}
	for i := range b.channels {
		if err := w.channel(&b.channels[i]); err != nil {
			return fmt.Errorf("channel %s: %w", b.channels[i].channel.CID(), err)
		}
	}
	for i := range b.members {
		if err := w.member(&b.members[i], false); err != nil {
			return fmt.Errorf("member of %s: %w", b.members[i].CID, err)
		}
	}
	if err := w.messages(b.messages, b.reactions); err != nil {
		return err
	}
	// After the messages, one of which may be the last that was read.
	reads, err := w.newReads(b.reads)
	if err != nil {
		return err
	}
	for i := range reads {
		if err := w.read(&reads[i]); err != nil {
			return fmt.Errorf("read state in %s: %w", reads[i].CID, err)
		}
	}
	for i := range b.calls {
		if err := w.call(&b.calls[i]); err != nil {
			return fmt.Errorf("call %s: %w", b.calls[i].CID(), err)
		}
	}
	return nil
}

// count counts what a bulk write took: isNew were not there before.
func (w *writer) count(to *int64, isNew, all int) {
	if w.insert {
		*to += int64(isNew)
		w.existing += int64(all - isNew)
		return
	}
	*to += int64(all)
}

func (w *writer) user(e *userEntry) error {
	u := e.user
	key, err := w.tx.UserKey(u.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return err
	case w.insert && e.embedded:
		return nil
	case w.insert:
		w.existing++
		return nil
	case e.embedded && u.Dangling():
		return nil // says less than what is there
	default:
		same, err := w.overUser(key, &u, e.undated)
		if err != nil {
			return err
		}
		if same && e.embedded {
			return nil // most are: every message brings its author along
		}
		if same {
			w.counts.Users++
			return nil
		}
	}
	if _, err := w.tx.PutUser(&u); err != nil {
		return err
	}
	w.counts.Users++
	return nil
}

// overUser prepares a user to replace the stored one, and reports whether that
// would change nothing.
func (w *writer) overUser(key int64, u *chat.User, undated bool) (same bool, err error) {
	_, object, err := w.tx.UserByKey(key)
	if err != nil {
		return false, err
	}
	if undated || w.merge {
		old, err := wire.DecodeUser(object)
		if err != nil {
			return false, err
		}
		if undated && old.CreatedAt != 0 {
			u.CreatedAt = old.CreatedAt
		}
		if w.merge {
			u.Custom = mergeCustom(old.Custom, u.Custom)
		}
	}
	return bytes.Equal(object, wire.AppendUser(nil, u)), nil
}

// mergeCustom returns the fields of both, over winning.
func mergeCustom(under, over chat.Custom) chat.Custom {
	all := slices.Clone(over)
	byName := func(f chat.CustomField, name string) int { return strings.Compare(f.Name, name) }
	for _, f := range under {
		if _, ok := slices.BinarySearchFunc(over, f.Name, byName); !ok {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b chat.CustomField) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (w *writer) channel(e *channelEntry) error {
	ch := e.channel
	cid := ch.CID()
	row, err := w.tx.Channel(cid)
	exists := err == nil
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return err
	case w.insert:
		w.existing++
	default:
		if e.undated {
			ch.CreatedAt = row.Channel.CreatedAt
		}
		if w.merge {
			ch.Custom = mergeCustom(row.Channel.Custom, ch.Custom)
		}
	}
	key := row.Key
	if !exists || !w.insert {
		if key, err = w.tx.PutChannel(&ch); err != nil {
			return err
		}
		w.counts.Channels++
	}
	w.channels[cid] = key
	for i := range e.members {
		if err := w.member(&e.members[i], true); err != nil {
			return err
		}
	}
	return nil
}

// key is the key of a channel that an earlier record or the store has.
func (w *writer) key(cid string) (int64, error) {
	if key, ok := w.channels[cid]; ok {
		return key, nil
	}
	row, err := w.tx.Channel(cid)
	if err != nil {
		return 0, err
	}
	w.channels[cid] = row.Key
	return row.Key, nil
}

// member writes a member. One that the channel only lists never replaces one
// that is there: its own record says more.
func (w *writer) member(m *wire.MemberInput, listed bool) error {
	channel, err := w.key(m.CID)
	if err != nil {
		return err
	}
	if w.insert || listed {
		user, err := w.tx.UserKey(m.UserID)
		if err != nil {
			return err
		}
		switch _, err := w.tx.Member(channel, user); {
		case err == nil:
			if !listed {
				w.existing++
			}
			return nil
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	member := m.Member
	if w.merge {
		if err := w.mergeMember(channel, &member); err != nil {
			return err
		}
	}
	if err := w.tx.PutMember(channel, &member); err != nil {
		return err
	}
	w.counts.Members++
	if m.LastRead == 0 {
		return nil
	}
	return w.read(&wire.ReadInput{CID: m.CID, Read: chat.Read{UserID: m.UserID, LastRead: m.LastRead, Unread: -1}})
}

// newReads leaves out the read states that mode insert leaves alone.
func (w *writer) newReads(reads []wire.ReadInput) ([]wire.ReadInput, error) {
	if !w.insert || len(reads) == 0 {
		return reads, nil
	}
	given := map[string]map[string]bool{} // cid → user id → is stored
	for i := range reads {
		r := &reads[i]
		if given[r.CID] == nil {
			given[r.CID] = map[string]bool{}
		}
		given[r.CID][r.UserID] = false
	}
	for cid, users := range given {
		channel, err := w.key(cid)
		if err != nil {
			return nil, err
		}
		err = w.tx.Reads(channel, func(row *store.ReadRow) error {
			if _, ok := users[row.UserID]; ok {
				users[row.UserID] = true
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	isNew := slices.DeleteFunc(slices.Clone(reads), func(r wire.ReadInput) bool { return given[r.CID][r.UserID] })
	w.existing += int64(len(reads) - len(isNew))
	return isNew, nil
}

func (w *writer) read(r *wire.ReadInput) error {
	channel, err := w.key(r.CID)
	if err != nil {
		return err
	}
	if err := w.tx.PutRead(channel, &r.Read); err != nil {
		return err
	}
	w.counts.Reads++
	return nil
}

// render returns a Renderer for what is stored. There is one for a batch: it is
// not small, and remembers users. It is for custom fields alone, so it does not
// matter if a user has changed since.
func (w *writer) render() *render.Renderer {
	if w.renderer == nil {
		w.renderer = render.New(w.tx)
	}
	return w.renderer
}

// messages writes messages and reactions.
func (w *writer) messages(ms []chat.Message, rs []chat.Reaction) error {
	if w.merge {
		ms = slices.Clone(ms)
		for i := range ms {
			if err := w.mergeMessage(&ms[i]); err != nil {
				return fmt.Errorf("message %s: %w", ms[i].ID, err)
			}
		}
		rs = slices.Clone(rs)
		if err := w.mergeReactions(rs); err != nil {
			return err
		}
	}
	messages, reactions, err := w.tx.InsertBatch(ms, rs, w.insert)
	if err != nil {
		return err
	}
	w.count(&w.counts.Messages, messages, len(ms))
	w.count(&w.counts.Reactions, reactions, len(rs))
	return nil
}

// mergeMessage gives m the custom fields of the stored message that it lacks.
func (w *writer) mergeMessage(m *chat.Message) error {
	row, err := w.tx.Message(m.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	stored, err := w.render().Message(nil, &row)
	if err != nil {
		return err
	}
	old, err := wire.DecodeMessage(stored, nil)
	if err != nil {
		return err
	}
	m.Custom = mergeCustom(old.Custom, m.Custom)
	return nil
}

// mergeMember gives m the custom fields of the stored member that it lacks.
func (w *writer) mergeMember(channel int64, m *chat.Member) error {
	user, err := w.tx.UserKey(m.UserID)
	if err != nil {
		return err
	}
	row, err := w.tx.Member(channel, user)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	stored, err := w.render().Member(nil, &row, 0)
	if err != nil {
		return err
	}
	old, err := wire.DecodeMember(stored, nil)
	if err != nil {
		return err
	}
	m.Custom = mergeCustom(old.Custom, m.Custom)
	return nil
}

// mergeReactions gives rs the custom fields of the stored reactions that they
// lack. It looks at these alone: a message may have far more reactions.
func (w *writer) mergeReactions(rs []chat.Reaction) error {
	keys := make([]store.ReactionKey, 0, len(rs))
	of := make([]int, 0, len(rs)) // whose each key is
	for i := range rs {
		user, err := w.tx.UserKey(rs[i].UserID)
		if errors.Is(err, store.ErrNotFound) {
			continue // there is no such reaction, nor will there be
		}
		if err != nil {
			return fmt.Errorf("reaction to %s: %w", rs[i].MessageID, err)
		}
		keys, of = append(keys, store.ReactionKey{MessageID: rs[i].MessageID, User: user, Type: rs[i].Type}), append(of, i)
	}
	return w.tx.ReactionsBy(keys, func(i int, row *store.ReactionRow) error {
		r := &rs[of[i]]
		stored, err := w.render().Reaction(nil, row)
		if err != nil {
			return fmt.Errorf("reaction to %s: %w", r.MessageID, err)
		}
		old, err := wire.DecodeReaction(stored, nil)
		if err != nil {
			return fmt.Errorf("reaction to %s: %w", r.MessageID, err)
		}
		r.Custom = mergeCustom(old.Custom, r.Custom)
		return nil
	})
}

// mergeCall gives c the custom fields of the stored call that it lacks.
func (w *writer) mergeCall(c *chat.Call) error {
	row, err := w.tx.Call(c.CID())
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	stored, err := w.render().Call(nil, &row)
	if err != nil {
		return err
	}
	old, err := wire.DecodeCall(stored, nil)
	if err != nil {
		return err
	}
	c.Custom = mergeCustom(old.Custom, c.Custom)
	return nil
}

func (w *writer) call(c *chat.Call) error {
	if w.insert {
		switch _, err := w.tx.Call(c.CID()); {
		case err == nil:
			w.existing++
			return nil
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	call := *c
	if w.merge {
		if err := w.mergeCall(&call); err != nil {
			return err
		}
	}
	if err := w.tx.PutCall(&call); err != nil {
		return err
	}
	w.counts.Calls++
	return nil
}
