package store

import "hansard/internal/chat"

// ChannelTypePrefix begins the names of the settings that hold the
// configuration of a type of channels, a JSON object in the classic dialect.
const ChannelTypePrefix = "channel_type/"

// ChannelRow is a stored channel.
type ChannelRow struct {
	Key           int64
	Channel       chat.Channel
	CreatedBy     int64 // user keys; 0 = none
	TruncatedBy   int64
	MemberCount   int
	MessageCount  int // messages neither deleted nor truncated
	TotalMessages int // all stored messages, for planning
}

// MemberRow is a stored member.
type MemberRow struct {
	User int64
	Body []byte // the member object; "role" is in it
}

// ReadRow is a stored read state.
type ReadRow struct {
	User int64
	chat.Read
}

// MessageRow is a stored message.
type MessageRow struct {
	Channel   int64 // channel key
	CreatedAt chat.Time
	ID        []byte
	User      int64  // author's key
	Type      string // chat.Regular, chat.Reply or chat.System, also when deleted
	Silent    bool
	InThread  bool // a reply that is not shown in the channel
	DeletedAt chat.Time
	QuotedID  []byte // the quoted message's id, empty if none
	Body      []byte // the message object, with slots
	Reactions []byte // body.Reactions; nil if none
	Thread    []byte // body of the Thread slot; nil if it has no replies
	Pin       []byte // body of the Pin slot; nil if not pinned
}

// ReactionRow is a stored reaction.
type ReactionRow struct {
	MessageID string
	User      int64
	CreatedAt chat.Time
	Type      string
	Body      []byte // the reaction object
}

// ReactionKey names a reaction.
type ReactionKey struct {
	MessageID string
	User      int64
	Type      string
}

// CallRow is a stored call.
type CallRow struct {
	CID       string
	CreatedAt chat.Time
	Body      []byte // the call object
	Details   []byte // the same with what exports leave out; nil if there is no such thing
}

// HistoryRow is what a message was before one update.
type HistoryRow struct {
	Message   string // id
	UpdatedAt chat.Time
	UpdatedBy int64 // user key
	// Object is JSON of the writer's choosing: what the message was.
	Object []byte
}

// PendingRow is a message that has been sent but is not to be seen yet. It is
// no message until it is committed: no export has it.
type PendingRow struct {
	ID        string
	Channel   int64 // channel key
	User      int64 // author's key
	CreatedAt chat.Time
	Message   []byte // JSON, as it was sent
	Metadata  []byte // JSON object, or nil
}

// MarkKind says what a user has noted about something.
type MarkKind int

// The kinds of marks.
const (
	// Hidden: the channel (subject: cid) is not in the user's list.
	Hidden MarkKind = iota + 1
	// Cleared: the user does not see the channel's (subject: cid) messages
	// from before At.
	Cleared
	// Muted: the user muted the channel (subject: cid) at At, until Until.
	Muted
	// Blocked: the user blocked another user (subject: user id) at At.
	Blocked
	// DeletedForMe: the user does not see the message (subject: message id).
	DeletedForMe
)

// Mark is a note that a user has made about a channel, a message or another
// user. No export shows marks.
type Mark struct {
	Kind    MarkKind
	User    int64 // user key
	Subject string
	At      chat.Time
	Until   chat.Time // 0 = for ever
}
