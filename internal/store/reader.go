package store

import (
	"context"
	"errors"

	"hansard/internal/chat"
)

// Reader reads the data of one app. Byte slices in rows, and rows handed to
// callbacks, are valid only until the callback returns or the next call; an
// error from a callback ends the reading and is returned as it is. A Reader is
// for one goroutine. A callback may call other methods of the same Reader.
type Reader interface {
	// UserKey returns the key of the user with that id, or ErrNotFound.
	UserKey(id string) (int64, error)
	// UserByKey returns a user's id and stored JSON object, or ErrNotFound.
	UserByKey(key int64) (id string, object []byte, err error)
	// UserInto is UserByKey for those who ask often: it appends the object to
	// buf, and returns buf.
	UserInto(buf []byte, key int64) (id string, grown []byte, err error)
	// Users calls fn with every user of the app in order of id.
	Users(fn func(key int64, id string, object []byte) error) error

	// Channel returns the channel with that cid, soft-deleted or not, or
	// ErrNotFound.
	Channel(cid string) (ChannelRow, error)
	// Channels calls fn with every channel, soft-deleted ones too, whose cid
	// comes after the given one, by cid.
	Channels(after string, fn func(*ChannelRow) error) error
	// ChannelsOf calls fn with every channel that a user is a member of,
	// soft-deleted ones too, by cid.
	ChannelsOf(user int64, fn func(*ChannelRow) error) error
	// Members calls fn with the members of a channel by created_at, user id.
	Members(channel int64, fn func(*MemberRow) error) error
	// Member returns one member, or ErrNotFound.
	Member(channel, user int64) (MemberRow, error)
	// Reads calls fn with the read states of a channel by user id. Unread is
	// always counted.
	Reads(channel int64, fn func(*ReadRow) error) error
	// Read returns the read state of one user, or ErrNotFound.
	Read(channel, user int64) (ReadRow, error)

	// Message returns the message with that id, or ErrNotFound.
	Message(id string) (MessageRow, error)
	// MessageInto is Message for those who ask often: it reads into row, whose
	// bytes it appends to buf, and returns buf. found is false where Message
	// answers ErrNotFound.
	MessageInto(row *MessageRow, buf, id []byte) (grown []byte, found bool, err error)
	// Messages calls fn with the messages of a channel by created_at, id.
	Messages(r MessageRange, fn func(*MessageRow) error) error
	// Replies calls fn with the replies to a message, deleted ones too, by
	// created_at, id. The range's Channel is not looked at.
	Replies(parent string, r MessageRange, fn func(*MessageRow) error) error
	// Threads reports whether any message of the app is a reply.
	Threads() (bool, error)
	// Answered calls fn with those of the ids, none of which is empty, that some
	// message names as its parent, deleted or not, in no order. There need not be a
	// message with that id.
	Answered(ids []string, fn func(id string)) error
	// Pinned calls fn with the pinned messages of a channel, newest first by
	// created_at, id.
	Pinned(channel int64, fn func(*MessageRow) error) error
	// UserMessages calls fn with all messages of a user by created_at, id.
	UserMessages(user int64, fn func(*MessageRow) error) error
	// UserMessagesIn is UserMessages for a range of them. The range's Channel
	// is not looked at.
	UserMessagesIn(user int64, r MessageRange, fn func(*MessageRow) error) error
	// CountUserMessages counts what UserMessages yields.
	CountUserMessages(user int64) (int, error)

	// Reactions calls fn with the reactions to a message, newest first, then
	// by user id, then by type.
	Reactions(message string, fn func(*ReactionRow) error) error
	// ReactionsBy calls fn with those reactions that there are of the ones that keys
	// name, and with the place in keys of the name of each, in no order.
	ReactionsBy(keys []ReactionKey, fn func(i int, row *ReactionRow) error) error
	// UserReactions calls fn with all reactions of a user by created_at,
	// message id, type.
	UserReactions(user int64, fn func(*ReactionRow) error) error

	// Call returns the call with that cid, or ErrNotFound.
	Call(cid string) (CallRow, error)
	// UserCalls calls fn with the calls that a user created, was a member of
	// or took part in, by created_at, cid.
	UserCalls(user int64, fn func(*CallRow) error) error
	// Calls calls fn with every call by cid.
	Calls(fn func(*CallRow) error) error

	// History calls fn with what messages were before their updates, newest
	// first, then by message id.
	History(q HistoryQuery, fn func(*HistoryRow) error) error
	// Pending returns the pending message with that id, or ErrNotFound.
	Pending(id string) (PendingRow, error)

	// Mark returns one mark, or ErrNotFound.
	Mark(kind MarkKind, user int64, subject string) (Mark, error)
	// Marks calls fn with the marks of one kind that a user has made, by
	// subject.
	Marks(kind MarkKind, user int64, fn func(*Mark) error) error

	// Setting returns what is kept under that name for the app, or
	// ErrNotFound.
	Setting(name string) ([]byte, error)
	// Settings calls fn with every setting whose name begins with prefix, by
	// name.
	Settings(prefix string, fn func(name string, value []byte) error) error
}

// Snapshot is a Reader that holds one instant.
type Snapshot interface {
	Reader
	// AsOf is the instant, by the store's clock.
	AsOf() chat.Time
	// MessagesOf calls fn with all messages of several users, and with the place
	// in users of whose each one is. Those of one user come by created_at, id;
	// how users alternate is up to the engine.
	MessagesOf(users []int64, fn func(i int, row *MessageRow) error) error
	// Twin opens another Reader of the same instant, for another goroutine. It
	// is nil where there is none to be had: now, because others write, or ever.
	Twin(ctx context.Context) (Snapshot, error)
	// Interrupt makes a running read fail soon. It may be called from another
	// goroutine.
	Interrupt()
	Close() error
}

// Snapshots opens up to n Readers of one instant, at least one.
func Snapshots(ctx context.Context, s Store, app int64, n int) (snaps []Snapshot, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(snaps))
			snaps = nil
		}
	}()
	// While others write all the time, an instant may pass before its twin is
	// there.
	const tries = 8
	for try := range tries {
		first, err := s.Snapshot(ctx, app)
		if err != nil {
			return snaps, err
		}
		snaps = append(snaps, first)
		for len(snaps) < n {
			twin, err := first.Twin(ctx)
			if err != nil {
				return snaps, err
			}
			if twin == nil {
				break
			}
			snaps = append(snaps, twin)
		}
		if len(snaps) > 1 || n < 2 || try == tries-1 {
			break
		}
		if err := first.Close(); err != nil {
			return nil, err
		}
		snaps = nil
	}
	return snaps, nil
}

func closeAll(snaps []Snapshot) error {
	var errs []error
	for _, s := range snaps {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// MessageRange says which messages of a channel to read.
type MessageRange struct {
	Channel int64     // channel key
	Since   chat.Time // created_at >= Since; 0 = from the start
	Until   chat.Time // created_at < Until; 0 = to the end
	// AfterTime and AfterID leave out everything up to and including that
	// message; zero and empty = from Since.
	AfterTime chat.Time
	AfterID   string
	// BeforeTime and BeforeID leave out everything from that message on; zero
	// and empty = to Until.
	BeforeTime chat.Time
	BeforeID   string
	// Newest turns the order around.
	Newest bool
}

// HistoryQuery says which entries of the history of messages to read. Message
// or User must be given.
type HistoryQuery struct {
	Message string    // id; "" = of all messages
	User    int64     // key of who made the update; 0 = of all users
	Since   chat.Time // UpdatedAt >= Since; 0 = from the start
	Until   chat.Time // UpdatedAt < Until; 0 = to the end
	// BeforeTime and BeforeMessage leave out everything up to and including
	// that entry, in the order of History; 0 and "" = from the newest.
	BeforeTime    chat.Time
	BeforeMessage string
}
