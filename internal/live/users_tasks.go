package live

import (
	"context"
	"encoding/json"
	"fmt"

	"hansard/internal/store"
	"hansard/internal/task"
)

// usersDone is the checkpoint of a task about users: so many of them are done.
type usersDone struct {
	Done int `json:"done"`
}

// eachUser runs a task that does the same to each of its users. It reads the
// task's request into job, of which users are a part, and skips the users that
// an earlier attempt was done with. Progress is counted in messages.
func (s *Service) eachUser(ctx context.Context, a *task.Attempt, job any, users *[]pinnedUser, do func(p pinnedUser, seen func(int)) error) ([]byte, error) {
	done, err := readJob(a, job)
	if err != nil {
		return nil, err
	}
	total, counts := int64(0), make([]int64, len(*users))
	err = s.Store.View(ctx, a.Task.App, func(r store.Reader) error {
		for i, p := range *users {
			n, err := r.CountUserMessages(p.Key)
			if err != nil {
				return err
			}
			counts[i] = int64(n)
			total += int64(n)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(*users))
	passed := int64(0)
	for i, p := range *users {
		ids[i] = p.ID
		at := passed
		passed += counts[i]
		if i < done {
			continue
		}
		err := do(p, func(n int) {
			at += int64(n)
			a.Progress(min(at, total), total)
		})
		if err != nil {
			return nil, err
		}
		a.Progress(passed, total)
		if err := s.note(ctx, a, i+1); err != nil {
			return nil, err
		}
	}
	return allOK(ids), nil
}

func readJob(a *task.Attempt, job any) (done int, err error) {
	if err := json.Unmarshal(a.Task.Request, job); err != nil {
		return 0, fmt.Errorf("stored request: %w", err)
	}
	var at usersDone
	if len(a.Task.Checkpoint) > 0 {
		if err := json.Unmarshal(a.Task.Checkpoint, &at); err != nil {
			return 0, fmt.Errorf("stored checkpoint: %w", err)
		}
	}
	return at.Done, nil
}

// note writes down how many users are done. What is done to a user once must
// not be done again by a later attempt: somebody may have undone it since.
func (s *Service) note(ctx context.Context, a *task.Attempt, done int) error {
	checkpoint, err := json.Marshal(usersDone{done})
	if err != nil {
		return err
	}
	a.Checkpoint(checkpoint)
	return a.Flush(ctx)
}
