package store

import (
	"context"
	"time"

	"hansard/internal/chat"
)

// SpansOf names the attempt of a task whose work is divided into spans.
type SpansOf struct {
	App   int64
	Task  string // id
	Epoch int64
}

// Span is a piece of an attempt's work, which any worker may do.
type Span struct {
	SpansOf
	Number  int    // from 0, without gaps
	Request []byte // what is to be done
	// Claim is raised each time when somebody claims the span: whoever names an
	// older one has lost it.
	Claim int64
	// Try is from 1 to MaxSpanTries: which claim this is, without those that
	// were handed back.
	Try int
}

// MaxSpanTries is how often a span is tried.
const MaxSpanTries = 4

// SpanResult is what came of a span.
type SpanResult struct {
	Number int
	Result []byte
}

// SpanStatus is how far an attempt's spans are.
type SpanStatus struct {
	Open    int          // not done yet
	Waiting int          // of these, claimed by nobody so far
	Stuck   bool         // one has been tried as often as may be, in vain
	Done    []SpanResult // by number
}

// Spans keeps the spans of running tasks. Its clock is the store's. Spans are
// there for as long as the attempt is; whoever works on one that is gone gets
// ErrLeaseLost.
type Spans interface {
	// AddSpans adds spans to those of a running attempt, numbered from first
	// on. Adding them again changes nothing. ErrLeaseLost if the attempt is no
	// longer current.
	AddSpans(ctx context.Context, of SpansOf, first int, requests [][]byte) error
	// FindSpan looks for a span that can be claimed, of the oldest task that
	// has one; nil if there is none. It is not claimed.
	FindSpan(ctx context.Context) (*Span, error)
	// ClaimSpan hands the first span that can be claimed to owner: one that
	// nobody has claimed, or whose lease has run out, of an attempt that is
	// running and not canceled. below, unless it is negative, leaves out spans
	// from that number on. Nil if there is none.
	ClaimSpan(ctx context.Context, of SpansOf, owner string, lease time.Duration, below int) (*Span, error)
	// BeatSpans extends the leases of spans. Those that were lost are reported
	// by their index.
	BeatSpans(ctx context.Context, spans []Span, lease time.Duration) (lost []int, err error)
	// FinishSpan stores what came of a span, and the state of the checksum
	// after it.
	FinishSpan(ctx context.Context, s *Span, result, state []byte) error
	// ReleaseSpan ends the lease of a span that is not done. refund undoes the
	// counting of this try. A span that was lost is left as it is.
	ReleaseSpan(ctx context.Context, s *Span, refund bool) error
	// SpanState returns the state of the checksum after a span; nil if it is
	// not done yet.
	SpanState(ctx context.Context, of SpansOf, number int) ([]byte, error)
	// SpanStatus tells how far the spans are, with the results of those that
	// are done, from that number on.
	SpanStatus(ctx context.Context, of SpansOf, from int) (SpanStatus, error)
	// DropSpans removes the spans of an attempt and of all before it.
	DropSpans(ctx context.Context, of SpansOf) error
}

// MessageKey is where a message stands in its channel.
type MessageKey struct {
	CreatedAt chat.Time `json:"created_at"`
	ID        string    `json:"id"`
}

// SharedSnapshot is a Snapshot that other processes can join while it is open.
type SharedSnapshot interface {
	Snapshot
	// ID names it.
	ID() string
	// Stride walks n messages along a range. It returns how many there were, at
	// most n, where the last one of them stands, and where the one after it
	// does; next is zero if there is none.
	Stride(r MessageRange, n int) (walked int, last, next MessageKey, err error)
}

// Sharer is a Store on which several processes can read one snapshot and work
// on one task.
type Sharer interface {
	Store
	Spans
	// Shares reports whether this database can do it.
	Shares() bool
	// ShareSnapshot is Snapshot for one that others join.
	ShareSnapshot(ctx context.Context, app int64) (SharedSnapshot, error)
	// JoinSnapshot opens the snapshot of that name once more. ErrLeaseLost if
	// the one that was shared is no longer open.
	JoinSnapshot(ctx context.Context, app int64, id string) (Snapshot, error)
}
