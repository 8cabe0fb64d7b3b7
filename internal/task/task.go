package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// The kinds of tasks.
const (
	ExportChannels = "export.channels"
	ExportUsers    = "export.users"
	Import         = "import"

	DeleteUsers     = "users.delete"
	DeactivateUsers = "users.deactivate"
	ReactivateUsers = "users.reactivate"
	DeleteChannels  = "channels.delete"
	DeleteCalls     = "calls.delete"
)

// Kinds lists all of them.
func Kinds() []string {
	return []string{ExportChannels, ExportUsers, Import, DeleteUsers, DeactivateUsers, ReactivateUsers, DeleteChannels, DeleteCalls}
}

// Why the context of an attempt ended; ask context.Cause.
var (
	// ErrCanceled: somebody asked for the task to be stopped.
	ErrCanceled = errors.New("the task was canceled")
	// ErrShutdown: the worker is shutting down; another one goes on.
	ErrShutdown = errors.New("the worker is shutting down")
	// ErrUnreachable: the lease could not be extended in time, so that another
	// worker may be about to claim the task.
	ErrUnreachable = errors.New("the task's lease could not be extended in time")
)

// Handler runs one attempt of a task and returns the task's result, as JSON.
//
// It must end soon after ctx does, leaving nothing behind; context.Cause(ctx)
// tells why. A [Failure] fails the task for good, any other error is tried
// again. Neither may carry secrets or message text: errors are logged.
type Handler func(ctx context.Context, a *Attempt) (result []byte, err error)

// Failure is a failure that would only repeat itself. Both fields are shown to
// those who poll the task, in plain words.
type Failure struct {
	Type        string `json:"type"` // such as "TooManyMessages"
	Description string `json:"description"`
}

// Failf makes a Failure.
func Failf(typ, format string, args ...any) *Failure {
	return &Failure{Type: typ, Description: fmt.Sprintf(format, args...)}
}

func (f *Failure) Error() string { return f.Type + ": " + f.Description }

// JSON is how a failure is kept in store.Task.Error.
func (f *Failure) JSON() []byte {
	b, err := json.Marshal(f)
	if err != nil { // two strings always marshal
		return []byte(`{"type":"InternalError","description":""}`)
	}
	return b
}

// Canceled is the failure of a task that somebody asked to stop.
func Canceled() *Failure {
	return Failf("Canceled", "The task was canceled on request.")
}
