package store

import "hansard/internal/chat"

// Tx writes the data of one app. The Put methods take entities whole and
// replace what is there; they keep everything that is derived (counts,
// threads, reaction summaries, last_message_at) in step.
//
// Users are named by id; a user that does not exist is an UnknownUserError.
type Tx interface {
	Reader

	// PutUser inserts or replaces a user and returns its key.
	PutUser(u *chat.User) (int64, error)
	// RenameUser gives a user another id wherever one refers to it (ErrNotFound,
	// ErrExists). The sessions of calls keep the ids they came with.
	RenameUser(old, id string) error
	// PutChannel inserts or replaces a channel and returns its key.
	PutChannel(c *chat.Channel) (int64, error)
	// DeleteChannel removes a channel with all that belongs to it. Its messages
	// should be gone already, see PurgeMessages: what is left of them goes in
	// this transaction.
	DeleteChannel(channel int64) error
	// PutMember inserts or replaces a member of a channel.
	PutMember(channel int64, m *chat.Member) error
	// DeleteMember removes a member and their read state, or ErrNotFound.
	DeleteMember(channel int64, user string) error
	// DeleteMembers removes all members and read states of a channel, which is
	// being created anew.
	DeleteMembers(channel int64) error
	// PutRead inserts or replaces a read state of a channel.
	PutRead(channel int64, r *chat.Read) error
	// PutMessage inserts or replaces the message with that id. m.CID names
	// its channel (ErrNotFound if there is none). Unread counts follow: a new
	// message, unless it is silent, raises those of all others, and one that
	// is deleted or comes back lowers or raises those who had not read it.
	PutMessage(m *chat.Message) error
	// DeleteMessage removes a message with its reactions and its history, or
	// ErrNotFound. Replies to it stay.
	DeleteMessage(id string) error
	// PurgeMessages is DeleteMessage for the oldest messages of a channel that
	// were created before an instant (0 = all), limit of them at most. It
	// returns how many went.
	PurgeMessages(channel int64, before chat.Time, limit int) (int, error)
	// InsertMessages inserts messages in one go, the way of bulk loads. A
	// message whose id exists is replaced, or kept as it is with keep set.
	// It returns how many were new.
	InsertMessages(ms []chat.Message, keep bool) (int, error)
	// InsertBatch is InsertMessages and then InsertReactions. A message that comes
	// with the reactions and the replies to it is written once, and not once more
	// for what it shows of them.
	InsertBatch(ms []chat.Message, rs []chat.Reaction, keep bool) (messages, reactions int, err error)
	// PutReaction inserts or replaces a reaction.
	PutReaction(r *chat.Reaction) error
	// InsertReactions is PutReaction for many; with keep set an existing one
	// stays as it is.
	InsertReactions(rs []chat.Reaction, keep bool) (int, error)
	// DeleteReaction removes a reaction, or ErrNotFound.
	DeleteReaction(message, user, typ string) error
	// DeleteReactions removes all reactions to a message.
	DeleteReactions(message string) error
	// PutCall inserts or replaces a call.
	PutCall(c *chat.Call) error
	// DeleteCall removes a call, or ErrNotFound.
	DeleteCall(cid string) error
	// CountUnread counts the unread messages of every read state of the
	// channel that was put with Unread -1.
	CountUnread(channel int64) error
	// RecountUnread counts the unread messages of every read state of the
	// channel anew.
	RecountUnread(channel int64) error

	// PutHistory notes what a message was before an update. One entry per
	// message and instant: a second one replaces the first.
	PutHistory(h *HistoryRow) error
	// DeleteHistory removes all entries of a message.
	DeleteHistory(message string) error
	// PutPending inserts or replaces a pending message.
	PutPending(p *PendingRow) error
	// DeletePending removes a pending message, or ErrNotFound.
	DeletePending(id string) error
	// DeletePendingIn removes the pending messages of a channel that were sent
	// before an instant.
	DeletePendingIn(channel int64, before chat.Time) error
	// DeletePendingOf removes all pending messages of a user.
	DeletePendingOf(user int64) error

	// PutMark inserts or replaces a mark.
	PutMark(m *Mark) error
	// DeleteMark removes a mark if it is there.
	DeleteMark(kind MarkKind, user int64, subject string) error
	// DeleteMarksOn removes the marks of one kind that anybody has made about
	// a subject.
	DeleteMarksOn(kind MarkKind, subject string) error

	// PutSetting keeps a value under a name; nil removes what is there.
	PutSetting(name string, value []byte) error
}
