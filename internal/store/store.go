package store

import (
	"context"
	"errors"
	"time"

	"hansard/internal/chat"
)

// Errors that every engine returns, wrapped with context.
var (
	// ErrNotFound: no such app, user, channel, message, task …
	ErrNotFound = errors.New("not found")
	// ErrExists: an app, user, message … with that id is already there.
	ErrExists = errors.New("already exists")
	// ErrLeaseLost: another worker has claimed the task since; whatever this
	// one did for it must not be shown.
	ErrLeaseLost = errors.New("the task's lease was lost")
	// ErrKeyReused: the same idempotency key came with another request.
	ErrKeyReused = errors.New("the idempotency key was used with another request body")
	// ErrUnavailable: the database cannot be reached, or was lost on the way.
	// Whether a write was done that failed like this is not always known.
	ErrUnavailable = errors.New("the database cannot be reached")
	// ErrFull: the database has no room left; nothing was written.
	ErrFull = errors.New("the disk of the database is full")
)

// UnknownUserError says that a write names a user that does not exist.
type UnknownUserError struct{ ID string }

func (e *UnknownUserError) Error() string { return "user " + e.ID + " does not exist" }

// Is makes errors.Is(err, ErrNotFound) true.
func (e *UnknownUserError) Is(target error) bool { return target == ErrNotFound }

// Store is everything that an engine provides.
type Store interface {
	Apps
	Tasks

	// View runs fn on a Reader of that app. The Reader is one snapshot, and
	// dies when fn returns.
	View(ctx context.Context, app int64, fn func(Reader) error) error
	// Update runs fn in a transaction. Writers of one channel, user, call or
	// setting run as if one after the other. When Update returns nil the
	// transaction is durable (later, with a context from Load); when fn or the
	// commit fails nothing of it remains.
	// fn may be run again, after what it did to the store was undone: what it
	// builds must come out the same.
	Update(ctx context.Context, app int64, fn func(Tx) error) error
	// Snapshot opens a Reader of that app that holds its instant until Close.
	Snapshot(ctx context.Context, app int64) (Snapshot, error)

	// Secret returns the random bytes kept under that name, making 32 of them
	// at the first call. All processes on one store see the same bytes.
	Secret(ctx context.Context, name string) ([]byte, error)
	// Ping answers whether the database does.
	Ping(ctx context.Context) error
	Close() error
}

// As finds a T in s, or in what s wraps: an engine, or what a store can do beyond
// Store. Who wraps a store and means to be looked through has a method Unwrap.
func As[T any](s Store) (T, bool) {
	for {
		if t, ok := s.(T); ok {
			return t, true
		}
		w, ok := s.(interface{ Unwrap() Store })
		if !ok {
			var none T
			return none, false
		}
		s = w.Unwrap()
	}
}

// App is a tenant.
type App struct {
	ID        int64
	Name      string
	Key       string // public, [A-Za-z0-9_-]{1,64}, unique
	Secret    string
	CreatedAt chat.Time
}

// Apps keeps tenants.
type Apps interface {
	// CreateApp stores a and sets its ID. ErrExists if the key is taken.
	CreateApp(ctx context.Context, a *App) error
	// AppByKey returns the app with that API key, or ErrNotFound.
	AppByKey(ctx context.Context, key string) (App, error)
	// Apps lists all apps by ID.
	Apps(ctx context.Context) ([]App, error)
	// SetAppSecret replaces the secret of the app with that key, or ErrNotFound.
	SetAppSecret(ctx context.Context, key, secret string) error
	// DeleteApp removes the app with that key and all its data, or ErrNotFound.
	DeleteApp(ctx context.Context, key string) error
}

// Reader reads the data of one app. Byte slices in rows, and rows handed to
// callbacks, are valid only until the callback returns or the next call; an
// error from a callback ends the reading and is returned as it is. A Reader is
// for one goroutine. A callback may call other methods of the same Reader.
type Reader interface {
	// UserKey returns the key of the user with that id, or ErrNotFound.
	UserKey(id string) (int64, error)
	// UserByKey returns a user's id and stored JSON object, or ErrNotFound.
	UserByKey(key int64) (id string, object []byte, err error)
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

// CallRow is a stored call.
type CallRow struct {
	CID       string
	CreatedAt chat.Time
	Body      []byte // the call object
	Details   []byte // the same with what exports leave out; nil if there is no such thing
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

// TaskStatus is where a task stands (contract section 4).
type TaskStatus string

// The states of a task.
const (
	Waiting   TaskStatus = "waiting"   // queued
	Running   TaskStatus = "running"   // claimed by a worker
	Pending   TaskStatus = "pending"   // waits for its next attempt
	Completed TaskStatus = "completed" // final
	Failed    TaskStatus = "failed"    // final
)

// Final reports whether a task with status s will never change again.
func (s TaskStatus) Final() bool { return s == Completed || s == Failed }

// Task is a row of the queue, and what people poll.
type Task struct {
	ID        string // UUID v4
	App       int64
	Kind      string // see package task
	Status    TaskStatus
	Request   []byte // JSON, of the kind
	CreatedAt chat.Time
	UpdatedAt chat.Time
	RunAt     chat.Time // not before this instant
	Attempt   int       // attempts begun
	Epoch     int64     // raised by every claim
	Owner     string    // the instance that holds the lease
	Cancel    bool      // somebody asked to stop it
	Done      int64     // progress
	Total     int64
	// Checkpoint is what a retry goes on from, JSON of the kind.
	Checkpoint []byte
	// Detail is what pollers may see beyond the progress, JSON of the kind.
	Detail []byte
	Result []byte // JSON, once completed
	Error  []byte // JSON {"type","description"}, once failed
}

// Progress is what a heartbeat writes. Nil slices leave what is there.
type Progress struct {
	Done, Total int64
	Checkpoint  []byte
	Detail      []byte
}

// Outcome is how an attempt ended.
type Outcome struct {
	Status TaskStatus // Completed, Failed, Pending (retry) or Waiting (handed back)
	Result []byte
	Error  []byte
	Detail []byte        // nil leaves what is there
	Delay  time.Duration // Pending: how long to wait
	// Refund undoes the counting of this attempt (handed back, not failed).
	Refund bool
	Done   int64 // progress, at the end
	Total  int64
}

// TaskQuery says which tasks to list, newest first.
type TaskQuery struct {
	App    int64 // 0 = all apps (for sweeps only)
	Kind   string
	Status TaskStatus
	Limit  int
	Offset int
	// Before lists only tasks created before it; 0 = all.
	Before chat.Time
}

// Idempotency ties a task to a client's key.
type Idempotency struct {
	Key  string
	Hash []byte        // of kind and request
	Life time.Duration // how long the key is remembered
}

// Backlog is how many unfinished tasks of one app, kind and status there are.
type Backlog struct {
	App    string // API key
	Kind   string
	Status TaskStatus
	Tasks  int
	Oldest time.Duration // since the oldest of them was enqueued
}

// MaxBacklog bounds how many tasks a Backlog counts, so that looking at a queue
// costs little however long it is. Those that are due first are counted.
const MaxBacklog = 50_000

// Tasks is the queue. Its clock is the store's.
type Tasks interface {
	// Enqueue stores t as waiting and sets its times. With idem set, and the
	// key known: the earlier task is returned if the hash is the same,
	// ErrKeyReused otherwise.
	Enqueue(ctx context.Context, t *Task, idem *Idempotency) (*Task, error)
	// Task returns a task of that app, or ErrNotFound.
	Task(ctx context.Context, app int64, id string) (*Task, error)
	// ListTasks lists tasks, newest first.
	ListTasks(ctx context.Context, q TaskQuery) ([]Task, error)
	// Claim hands the oldest task that is due (waiting, pending past its
	// pause, or running with an expired lease) to owner, raises its epoch and
	// counts an attempt. only, if not empty, names the one task to claim.
	// Nil if there is none. The imports of an app are claimed in the order in
	// which they were enqueued, each once the one before is final.
	Claim(ctx context.Context, owner string, lease time.Duration, only string) (*Task, error)
	// Heartbeat extends the lease and writes progress; it answers whether the
	// task is to be canceled. ErrLeaseLost if the epoch is no longer current.
	Heartbeat(ctx context.Context, id string, epoch int64, lease time.Duration, p Progress) (cancel bool, err error)
	// Finish ends an attempt. ErrLeaseLost if the epoch is no longer current.
	Finish(ctx context.Context, id string, epoch int64, o Outcome) error
	// CancelTask asks a running task to stop, and fails a task that is not
	// running at once with errJSON. A final task is left as it is, and so is an
	// import that has a checkpoint: it has begun to write, and half of it must
	// not stay. It returns the task afterwards, or ErrNotFound.
	CancelTask(ctx context.Context, app int64, id string, errJSON []byte) (*Task, error)
	// Backlog counts the unfinished tasks by app, kind and status, in that
	// order. Those of apps that were deleted are left out.
	Backlog(ctx context.Context) ([]Backlog, error)
	// Owners lists the owners of running tasks.
	Owners(ctx context.Context) ([]string, error)
	// ExpireOwner ends the leases of an owner that is known to be dead.
	ExpireOwner(ctx context.Context, owner string) error
	// DeleteTasks removes final tasks by id, and idempotency keys past their
	// life.
	DeleteTasks(ctx context.Context, ids []string) error
	// Now is the store's clock.
	Now(ctx context.Context) (chat.Time, error)
}
