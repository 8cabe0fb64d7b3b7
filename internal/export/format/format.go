package format

import (
	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
)

// Section is a run of the file. The file is all sections in this order, each
// with what the channels added to it in the order of the request.
type Section int

// The sections. A format that goes channel by channel has only Messages.
const (
	Users Section = iota
	Channels
	Members
	Reads
	Messages
	Reactions
	Sections int = iota
)

// Buffer collects the bytes of a section.
type Buffer struct {
	// B is appended to.
	B []byte
	// Sink takes the bytes when there are enough of them; they are its only
	// until it returns.
	Sink func([]byte) error
	// Swap, if set, is there instead of Sink: it keeps the bytes and gives
	// another buffer to go on with.
	Swap func([]byte) (next []byte, err error)
}

// flushAt is how many bytes a Buffer hands over at once: large enough that the
// system call is nothing, small enough to stay in the cache (see perf.md's
// 256 KiB). Half of it makes plain exports 7 to 8 % slower.
const flushAt = 256 << 10

// Flush hands over what has been collected once it is enough.
func (b *Buffer) Flush() error {
	if len(b.B) < flushAt {
		return nil
	}
	return b.FlushAll()
}

// FlushAll hands over what has been collected.
func (b *Buffer) FlushAll() error {
	if len(b.B) == 0 {
		return nil
	}
	if b.Swap != nil {
		next, err := b.Swap(b.B)
		b.B = next[:0]
		return err
	}
	err := b.Sink(b.B)
	b.B = b.B[:0]
	return err
}

// Out gives the buffers of the sections. Where a file is written straight
// through, all but Reactions are one and the same.
type Out interface {
	To(s Section) *Buffer
}

// Counts is what a file holds.
type Counts struct {
	Channels  int64 `json:"channels"`
	Members   int64 `json:"members"`
	Messages  int64 `json:"messages"`
	Reactions int64 `json:"reactions"`
	Users     int64 `json:"users"`
	Calls     int64 `json:"calls,omitempty"`
}

// Add adds what another part of the file holds.
func (c *Counts) Add(d *Counts) {
	c.Channels += d.Channels
	c.Members += d.Members
	c.Messages += d.Messages
	c.Reactions += d.Reactions
	c.Users += d.Users
	c.Calls += d.Calls
}

// Source is one channel, or one user, as of one snapshot.
type Source struct {
	Reader store.Reader
	Render *render.Renderer
	Row    store.ChannelRow
	Since  chat.Time // messages to export: Since <= created_at < Until
	Until  chat.Time
	// After and Before narrow that down to the messages between two; zero is no
	// bound.
	After, Before store.MessageKey
	// Hide is from when on quoted messages are shown: truncated ones are not,
	// unless they are exported themselves.
	Hide     chat.Time
	Counts   *Counts
	Progress func() error // after each message; its error ends the export
}

// Range is which messages to export.
func (s *Source) Range() store.MessageRange {
	return store.MessageRange{
		Channel: s.Row.Key, Since: s.Since, Until: s.Until,
		AfterTime: s.After.CreatedAt, AfterID: s.After.ID, BeforeTime: s.Before.CreatedAt, BeforeID: s.Before.ID,
	}
}

// Messages calls fn with the messages to export.
func (s *Source) Messages(fn func(*store.MessageRow) error) error {
	s.Render.HideBefore(s.Row.Key, s.Hide)
	return s.Reader.Messages(s.Range(), func(row *store.MessageRow) error {
		if err := fn(row); err != nil {
			return err
		}
		s.Counts.Messages++
		return s.Progress()
	})
}

// Step is a part of what a format adds for a channel.
type Step func(src *Source, out Out) error

// Format lays out a channels export.
type Format interface {
	// Begin starts the file.
	Begin(out Out) error
	// Steps are done for every channel, in this order. Doing the first step
	// for all channels, then the second for all and so on, gives the file in
	// its order, Reactions aside.
	Steps() []Step
	// End ends the file after its last channel.
	End(out Out) error
	// Resumable reports whether a new Format can go on after any channel,
	// without Begin.
	Resumable() bool
}

// Pieces is a Format whose file can be made in pieces, by several who do not
// know of each other: Begin and the steps of Head for every channel, then the
// pieces of every channel, then End.
type Pieces interface {
	Format
	// Head are the steps that come before all messages.
	Head() []Step
	// Piece adds a stretch of a channel's messages, with what stands before its
	// first and after its last message if it has these.
	Piece(src *Source, out Out, first, last bool) error
}
