package store

import (
	"context"
	"time"

	"hansard/internal/chat"
)

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
