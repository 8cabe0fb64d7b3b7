package task

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"hansard/internal/clock"
	"hansard/internal/store"

	"github.com/google/uuid"
)

var defaultPauses = []time.Duration{time.Second, 10 * time.Second, 30 * time.Second}

// Runner claims tasks and runs them. The fields must not change once it runs;
// those that are zero take the defaults.
type Runner struct {
	Store    store.Tasks
	Handlers map[string]Handler // by kind

	// Owner names this process in the leases; a random name by default. With
	// Instances set it is theirs.
	Owner string
	// Instances tells which other owners are dead; nil waits for every lease
	// to run out.
	Instances *Instances

	Concurrency int           // attempts at once; 1 by default
	Lease       time.Duration // 15 s by default
	Beat        time.Duration // between heartbeats, 500 ms by default; well below Lease
	Poll        time.Duration // between looks at an idle queue, 100 ms by default
	Watch       time.Duration // between looks for dead owners, 1 s by default
	Grace       time.Duration // for handlers to end at shutdown, 5 s by default

	// Attempts is how often a task is tried before it fails; 3 by default.
	Attempts int
	// Begun is how many attempts may be begun if workers die over them; 10 by
	// default. A task that brings down its worker must end some day too.
	Begun int
	// Pauses come after the first, second … failed attempt, the last for all
	// further ones; 1 s and 10 s by default.
	Pauses []time.Duration

	// Finished, if set, is called after the end of an attempt was stored. Its
	// context outlives the worker's: bound what is done.
	Finished func(ctx context.Context, t *store.Task, o store.Outcome)
	// Idle, if set, is called in slots that find no task: there may be something
	// else to do. It returns when there is nothing more, when ctx ends, or soon
	// after enough reports that the slot is wanted for a task, and says whether
	// it has done anything.
	Idle     func(ctx context.Context, enough func() bool) (worked bool)
	Observer Observer     // nil = nobody
	Logger   *slog.Logger // slog.Default() by default

	once  sync.Once
	wakes chan struct{}
}

// Observer is told what becomes of attempts, for metrics. Each that was started
// either ended or is lost. The methods must not block.
type Observer interface {
	Started(t *store.Task)
	// Ended: the store has how the attempt ended.
	Ended(t *store.Task, o store.Outcome, took time.Duration)
	// Lost: another worker may have claimed the task, or will.
	Lost(t *store.Task)
}

func (r *Runner) lease() time.Duration { return cmp.Or(r.Lease, 15*time.Second) }
func (r *Runner) beat() time.Duration  { return cmp.Or(r.Beat, 500*time.Millisecond) }
func (r *Runner) poll() time.Duration  { return cmp.Or(r.Poll, 100*time.Millisecond) }
func (r *Runner) watch() time.Duration { return cmp.Or(r.Watch, time.Second) }
func (r *Runner) grace() time.Duration { return cmp.Or(r.Grace, 5*time.Second) }
func (r *Runner) attempts() int        { return cmp.Or(r.Attempts, 3) }
func (r *Runner) begun() int           { return cmp.Or(r.Begun, 10) }

func (r *Runner) init() {
	r.once.Do(func() {
		r.wakes = make(chan struct{}, 1)
		if r.Instances != nil {
			r.Owner = r.Instances.Owner()
		}
		if r.Owner == "" {
			r.Owner = uuid.NewString()
		}
		if r.Logger == nil {
			r.Logger = slog.Default()
		}
	})
}

// Wake tells the runner that something was enqueued, so that it need not wait
// for its next look at the queue. It never blocks.
func (r *Runner) Wake() {
	r.init()
	select {
	case r.wakes <- struct{}{}:
	default:
	}
}

// Run runs tasks until ctx ends, hands back those that are not done, and
// returns. That takes no longer than Grace and a few seconds.
func (r *Runner) Run(ctx context.Context) {
	r.init()
	var running sync.WaitGroup
	defer running.Wait()
	if r.Instances != nil {
		r.reap(ctx)
		running.Go(func() { r.watchOwners(ctx) })
	}
	slots := make(chan struct{}, max(r.Concurrency, 1))
	idlers := &idlers{runner: r}
	defer idlers.wait()
	down := false
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		claimed := time.Now()
		t, err := r.claim(ctx, "")
		if t != nil && err == nil {
			idlers.leave(cap(slots) - len(slots))
			running.Go(func() {
				defer func() { <-slots }()
				r.attempt(ctx, t, claimed)
			})
			continue
		}
		<-slots
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			idlers.join(ctx, cap(slots)-len(slots))
		}
		wait := r.poll()
		if err != nil {
			wait = max(10*wait, time.Second)
		}
		if (err != nil) != down {
			down = err != nil
			if down {
				r.Logger.Warn("the queue does not answer, trying on", "error", err)
			} else {
				r.Logger.Info("the queue answers again")
			}
		}
		if !r.idle(ctx, wait) {
			return
		}
	}
}

// lingerFor is how long the answer to a claim is waited for at shutdown.
const lingerFor = 2 * time.Second

// claim takes the task to work on next, or that one; nil means that there is none.
func (r *Runner) claim(ctx context.Context, only string) (*store.Task, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	ctx, done := clock.Linger(ctx, lingerFor)
	defer done()
	return r.Store.Claim(ctx, r.Owner, r.lease(), only)
}

// idle waits for a wake-up, or for about d; false means that ctx has ended.
// Processes must not look all at the same moment, so d varies.
func (r *Runner) idle(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d*9/10 + time.Duration(rand.Int64N(int64(d/5)+1)))
	defer timer.Stop()
	select {
	case <-r.wakes:
		return true
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// RunOne runs the task with that id in this goroutine until it is final, and
// returns it. While another worker runs it, or it pauses between attempts,
// RunOne waits. When ctx ends first the task is handed back, and the error is
// ctx's.
func (r *Runner) RunOne(ctx context.Context, app int64, id string) (*store.Task, error) {
	r.init()
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, done := context.WithCancel(ctx)
	defer done()
	if r.Instances != nil {
		r.reap(ctx)
		watching.Go(func() { r.watchOwners(ctx) })
	}
	for {
		claimed := time.Now()
		t, err := r.claim(ctx, id)
		if err != nil {
			return nil, err
		}
		if t != nil {
			r.attempt(ctx, t, claimed)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if t, err = r.Store.Task(ctx, app, id); err != nil {
			return nil, err
		}
		if t.Status.Final() {
			return t, nil
		}
		if !r.idle(ctx, r.poll()) {
			return nil, ctx.Err()
		}
	}
}
