package live

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// pinnedUser is a user that a task is about. The key tells whom it was asked for:
// by the time it runs the id may be another user's.
type pinnedUser struct {
	ID  string `json:"id"`
	Key int64  `json:"key"`
}

func pinUsers(users []storedUser) []pinnedUser {
	list := make([]pinnedUser, len(users))
	for i := range users {
		list[i] = pinnedUser{users[i].ID, users[i].key}
	}
	return list
}

// user returns the user as it is now; ok tells whether it still has its id.
func (p pinnedUser) user(r store.Reader) (u storedUser, ok bool, err error) {
	u, err = userByKey(r, p.Key)
	if errors.Is(err, store.ErrNotFound) { // gone with the app
		return u, false, nil
	}
	return u, err == nil && u.ID == p.ID, err
}

// switching is a request to deactivate or reactivate users, and what a task for
// it keeps.
type switching struct {
	Users    []pinnedUser `json:"users"`
	Messages bool         `json:"messages"` // along with them

	ids       []string
	name      string
	createdBy string
}

// decodeSwitching reads a request whose flag about the messages has that name.
func decodeSwitching(body []byte, messages string) (*switching, error) {
	q := &switching{}
	if len(body) == 0 {
		return q, nil
	}
	err := wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
		if wire.IsNull(v) {
			return nil
		}
		switch name {
		case messages:
			q.Messages, err = wire.Bool(name, v, at)
		case "created_by_id":
			q.createdBy, err = wire.ID(name, v, at, wire.MaxUserID)
		case "name":
			q.name, err = wire.String(name, v, at)
		case "user_ids":
			q.ids, err = decodeUserIDs(name, v)
		}
		return err
	})
	return q, refuse(err, "")
}

// users returns those that the request is about. Whoever is deleted, or is not
// as refused says they must be, is named.
func (q *switching) users(r store.Reader, field string, refused func(*storedUser) bool, reason string) ([]storedUser, error) {
	if q.createdBy != "" {
		if err := usersExist(r, "created_by_id", []string{q.createdBy}); err != nil {
			return nil, err
		}
	}
	users, err := knownUsers(r, field, q.ids)
	if err != nil {
		return nil, err
	}
	var wrong []string
	for i := range users {
		if users[i].DeletedAt != 0 {
			return nil, errWasDeleted(field, users[i].ID)
		}
		if refused(&users[i]) {
			wrong = append(wrong, users[i].ID)
		}
	}
	if len(wrong) > 0 {
		return nil, wire.BadField(field, "names who %s: %s", reason, strings.Join(wrong, ", "))
	}
	return users, nil
}

func isDeactivated(u *storedUser) bool  { return u.DeactivatedAt != 0 }
func notDeactivated(u *storedUser) bool { return u.DeactivatedAt == 0 }

const (
	alreadyDeactivated = "is deactivated already"
	alreadyActive      = "is not deactivated"
)

// DeactivateUser keeps a user from writing, with mark_messages_deleted its
// messages from being seen.
func (s *Service) DeactivateUser(ctx context.Context, app int64, id string, _ url.Values, body []byte) ([]byte, error) {
	q, err := decodeSwitching(body, "mark_messages_deleted")
	if err != nil {
		return nil, err
	}
	q.ids = []string{id}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		users, err := q.users(tx, "user", isDeactivated, alreadyDeactivated)
		if err != nil {
			return err
		}
		q.Users = pinUsers(users)
		if err := deactivate(tx, q.Users[0], s.now()); err != nil {
			return err
		}
		out, err = userAnswer(tx, id)
		return err
	})
	if err != nil || !q.Messages {
		return out, err
	}
	err = s.hideMessages(ctx, app, q.Users[0], nil)
	if err != nil && ctx.Err() != nil {
		// There is no more time, and the user cannot be deactivated again to
		// go on: a task does the rest.
		if _, terr := s.enqueueJob(context.WithoutCancel(ctx), app, task.DeactivateUsers, q); terr != nil {
			return nil, terr
		}
	}
	return out, err
}

// userAnswer is the answer that shows one user.
func userAnswer(r store.Reader, id string) ([]byte, error) {
	u, err := userByID(r, id)
	if err != nil {
		return nil, err
	}
	return append(wire.AppendUser([]byte(`{"user":`), &u.User), '}'), nil
}

// deactivate deactivates a user who is neither that nor gone.
func deactivate(tx store.Tx, p pinnedUser, now chat.Time) error {
	u, ok, err := p.user(tx)
	if err != nil || !ok || u.DeletedAt != 0 || u.DeactivatedAt != 0 {
		return err
	}
	u.DeactivatedAt = max(now, u.CreatedAt)
	return u.put(tx, now)
}

// hideMessages soft-deletes the messages of a deactivated user. They get the
// time of the deactivation, by which showMessages knows them.
func (s *Service) hideMessages(ctx context.Context, app int64, p pinnedUser, seen func(int)) error {
	at, err := s.deactivatedAt(ctx, app, p)
	if err != nil || at == 0 {
		return err
	}
	return s.softDeleteMessages(ctx, app, p.Key, at, seen, func(tx store.Tx) error { return stillSince(tx, p, at) })
}

// stillSince ends a walk when the user is no longer deactivated since at.
func stillSince(r store.Reader, p pinnedUser, at chat.Time) error {
	u, ok, err := p.user(r)
	if err == nil && (!ok || u.DeactivatedAt != at) {
		err = errEnough
	}
	return err
}

func (s *Service) deactivatedAt(ctx context.Context, app int64, p pinnedUser) (at chat.Time, err error) {
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		u, ok, err := p.user(r)
		if ok {
			at = u.DeactivatedAt
		}
		return err
	})
	return at, err
}

// ReactivateUser lets a deactivated user write again. With restore_messages,
// the messages that were deleted along with the deactivation come back.
func (s *Service) ReactivateUser(ctx context.Context, app int64, id string, _ url.Values, body []byte) ([]byte, error) {
	q, err := decodeSwitching(body, "restore_messages")
	if err != nil {
		return nil, err
	}
	q.ids = []string{id}
	check := func(r store.Reader) error {
		users, err := q.users(r, "user", notDeactivated, alreadyActive)
		q.Users = pinUsers(users)
		return err
	}
	if q.Messages {
		if err := s.Store.View(ctx, app, check); err != nil {
			return nil, err
		}
		// The user comes last: as long as it is deactivated, it shows which
		// messages were deleted with it, and this can be asked for again.
		if err := s.showMessages(ctx, app, q.Users[0], nil); err != nil {
			return nil, err
		}
	}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		if err := check(tx); err != nil {
			return err
		}
		if err := reactivate(tx, q.Users[0], q.name, s.now()); err != nil {
			return err
		}
		out, err = userAnswer(tx, id)
		return err
	})
	return out, err
}

func reactivate(tx store.Tx, p pinnedUser, name string, now chat.Time) error {
	u, ok, err := p.user(tx)
	if err != nil || !ok || u.DeletedAt != 0 || u.DeactivatedAt == 0 {
		return err
	}
	u.DeactivatedAt = 0
	if name != "" {
		u.Name = name
	}
	return u.put(tx, now)
}

// showMessages brings back what hideMessages deleted.
func (s *Service) showMessages(ctx context.Context, app int64, p pinnedUser, seen func(int)) error {
	at, err := s.deactivatedAt(ctx, app, p)
	if err != nil || at == 0 {
		return err
	}
	return s.walk(ctx, app, &userWalk{
		user: p.Key, seen: seen,
		wants: func(row *store.MessageRow) bool { return row.DeletedAt == max(at, row.CreatedAt) },
		change: func(tx store.Tx, ms []chat.Message) error {
			if err := stillSince(tx, p, at); err != nil {
				return err
			}
			now := s.now()
			for i := range ms {
				m := &ms[i]
				m.DeletedAt, m.UpdatedAt = 0, max(now, m.UpdatedAt)
				if err := tx.PutMessage(m); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// DeactivateUsers enqueues the deactivation of users.
func (s *Service) DeactivateUsers(ctx context.Context, app int64, body []byte) ([]byte, error) {
	q, err := decodeSwitching(body, "mark_messages_deleted")
	if err != nil {
		return nil, err
	}
	return s.switchUsers(ctx, app, task.DeactivateUsers, q, isDeactivated, alreadyDeactivated)
}

// ReactivateUsers enqueues the reactivation of users.
func (s *Service) ReactivateUsers(ctx context.Context, app int64, body []byte) ([]byte, error) {
	q, err := decodeSwitching(body, "restore_messages")
	if err != nil {
		return nil, err
	}
	return s.switchUsers(ctx, app, task.ReactivateUsers, q, notDeactivated, alreadyActive)
}

func (s *Service) switchUsers(ctx context.Context, app int64, kind string, q *switching, refused func(*storedUser) bool, reason string,
) ([]byte, error) {
	if len(q.ids) == 0 {
		return nil, errNoIDs("user_ids")
	}
	err := s.Store.View(ctx, app, func(r store.Reader) error {
		users, err := q.users(r, "user_ids", refused, reason)
		q.Users = pinUsers(users)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.enqueueJob(ctx, app, kind, q)
}

func (s *Service) enqueueJob(ctx context.Context, app int64, kind string, job any) ([]byte, error) {
	request, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	return s.enqueue(ctx, app, kind, request)
}

func (s *Service) runDeactivateUsers(ctx context.Context, a *task.Attempt) ([]byte, error) {
	var q switching
	return s.eachUser(ctx, a, &q, &q.Users, func(p pinnedUser, seen func(int)) error {
		err := s.Store.Update(ctx, a.Task.App, func(tx store.Tx) error { return deactivate(tx, p, s.now()) })
		if err != nil || !q.Messages {
			return err
		}
		return s.hideMessages(ctx, a.Task.App, p, seen)
	})
}

func (s *Service) runReactivateUsers(ctx context.Context, a *task.Attempt) ([]byte, error) {
	var q switching
	return s.eachUser(ctx, a, &q, &q.Users, func(p pinnedUser, seen func(int)) error {
		if q.Messages {
			if err := s.showMessages(ctx, a.Task.App, p, seen); err != nil {
				return err
			}
		}
		return s.Store.Update(ctx, a.Task.App, func(tx store.Tx) error { return reactivate(tx, p, "", s.now()) })
	})
}

// RestoreUsers brings back users that were soft-deleted.
func (s *Service) RestoreUsers(ctx context.Context, app int64, body []byte) ([]byte, error) {
	var ids []string
	err := wire.Object(body, func(name string, v jsontext.Value, _ int64) (err error) {
		if name == "user_ids" && !wire.IsNull(v) {
			ids, err = decodeUserIDs(name, v)
		}
		return err
	})
	if err == nil && len(ids) == 0 {
		err = errNoIDs("user_ids")
	}
	if err != nil {
		return nil, refuse(err, "")
	}
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		users, err := knownUsers(tx, "user_ids", ids)
		if err != nil {
			return err
		}
		var wrong []string
		for i := range users {
			if users[i].DeletedAt == 0 {
				wrong = append(wrong, users[i].ID)
			}
		}
		if len(wrong) > 0 {
			return wire.BadField("user_ids", "names who was not deleted: %s", strings.Join(wrong, ", "))
		}
		now := s.now()
		for i := range users {
			users[i].DeletedAt = 0
			if err := users[i].put(tx, now); err != nil {
				return err
			}
		}
		return nil
	})
	return []byte(`{}`), err
}
