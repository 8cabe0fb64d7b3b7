package task

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"syscall"
	"time"

	"hansard/internal/blob"
	"hansard/internal/store"
)

// outcome says what becomes of a task whose attempt ended with result or err,
// where cause is why its context ended, if it did.
func (r *Runner) outcome(t *store.Task, result []byte, err, cause error) store.Outcome {
	var failure *Failure
	switch {
	case err == nil:
		return store.Outcome{Status: store.Completed, Result: result}
	case errors.Is(cause, ErrCanceled) && !committed(t):
		return failed(Canceled())
	case errors.As(err, &failure):
		return failed(failure)
	case errors.Is(cause, ErrShutdown), errors.Is(err, ErrShutdown):
		return store.Outcome{Status: store.Waiting, Refund: true}
	case errors.Is(err, store.ErrUnavailable) && t.Epoch < int64(r.begun()):
		// That the database was away is not the task's fault, unless it is so
		// each time.
		return store.Outcome{Status: store.Pending, Delay: r.pause(t.Attempt), Refund: true}
	case t.Attempt < r.attempts(), committed(t) && t.Attempt < committedAttempts:
		return store.Outcome{Status: store.Pending, Delay: r.pause(t.Attempt)}
	default:
		return failed(explain(t, err))
	}
}

// committed reports whether a task has begun to change chat data: it must be
// gone through with, since half of an import is worse than none or all of it.
// An import's first checkpoint is written before its first change; the store
// refuses to cancel it from then on.
func committed(t *store.Task) bool { return t.Kind == Import && len(t.Checkpoint) > 0 }

// committedAttempts is how often a committed task is tried: with the pauses
// between, for longer than a full disk or a lost network should last.
const committedAttempts = 500

func failed(f *Failure) store.Outcome {
	return store.Outcome{Status: store.Failed, Error: f.JSON()}
}

// pause is how long to wait after the attempt with that number. It is spread a
// little so that tasks that failed together do not return together.
func (r *Runner) pause(attempt int) time.Duration {
	pauses := r.Pauses
	if len(pauses) == 0 {
		pauses = defaultPauses
	}
	d := pauses[min(max(attempt, 1), len(pauses))-1]
	return d + time.Duration(rand.Float64()*0.2*float64(d))
}

// explain puts the last error of a task into words for those who poll it. What
// is not recognised stays in the log: an error's text may speak of internals.
func explain(t *store.Task, err error) *Failure {
	if committed(t) {
		return Failf("InternalError", "The import could not be finished in %d attempts, and part of it is loaded. The server's log has the reason under task %s. Importing the same file again completes it.", t.Attempt, t.ID)
	}
	switch {
	case errors.Is(err, store.ErrFull):
		return Failf("DatabaseFull", "There is no space left for the server's database (%d attempts). Make room and start the task again.", t.Attempt)
	case errors.Is(err, store.ErrUnavailable):
		return Failf("DatabaseUnavailable", "The server's database could not be reached, or was lost again and again.")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return Failf("StorageFull", "There is no space left where the server keeps its files (%d attempts). Make room and start the task again.", t.Attempt)
	case errors.Is(err, blob.ErrUnavailable):
		return Failf("StorageUnavailable", "The object store or folder that keeps the server's files could not be reached, or refused to serve it (%d attempts).", t.Attempt)
	case errors.Is(err, fs.ErrPermission):
		return Failf("StorageUnavailable", "The server may not write where it keeps its files (%d attempts).", t.Attempt)
	case errors.Is(err, context.DeadlineExceeded):
		return Failf("Timeout", "The database or the file storage did not answer in time (%d attempts).", t.Attempt)
	default:
		return Failf("InternalError", "The task failed %d times for a reason of the server's own. The server's log has it under task %s.", t.Attempt, t.ID)
	}
}
