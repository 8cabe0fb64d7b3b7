package live

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// How something of a user is deleted; "" = not at all.
const (
	soft    = "soft"    // marked as deleted, and kept
	pruning = "pruning" // marked as deleted, and emptied
	hard    = "hard"    // gone
)

// userDeletion is a request to delete users, and what a task for it keeps.
type userDeletion struct {
	Users         []pinnedUser `json:"users"`
	User          string       `json:"user"`
	Messages      string       `json:"messages,omitempty"`
	Conversations string       `json:"conversations,omitempty"`
	Calls         string       `json:"calls,omitempty"`
	NewOwner      string       `json:"new_channel_owner_id,omitempty"`

	ids []string
}

// DeleteUsers enqueues the deletion of users. From now on they are deleted for
// everybody; what else is asked for is done by the task.
func (s *Service) DeleteUsers(ctx context.Context, app int64, body []byte) ([]byte, error) {
	d, err := decodeUserDeletion(body)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		users, err := knownUsers(tx, "user_ids", d.ids)
		if err != nil {
			return err
		}
		if d.NewOwner != "" {
			if err := canWrite(tx, "new_channel_owner_id", d.NewOwner); err != nil {
				return err
			}
		}
		d.Users = pinUsers(users)
		now := s.now()
		for i := range users {
			if err := markDeleted(tx, &users[i], now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.enqueueJob(ctx, app, task.DeleteUsers, d)
}

func decodeUserDeletion(body []byte) (*userDeletion, error) {
	d := &userDeletion{User: soft}
	err := wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
		if wire.IsNull(v) {
			return nil
		}
		switch name {
		case "user_ids":
			d.ids, err = decodeUserIDs(name, v)
		case "user":
			var how string
			how, err = decodeHow(name, v, at, soft, pruning, hard)
			if how != "" {
				d.User = how
			}
		case "messages":
			d.Messages, err = decodeHow(name, v, at, soft, pruning, hard)
		case "conversations":
			d.Conversations, err = decodeHow(name, v, at, soft, hard)
		case "calls":
			d.Calls, err = decodeHow(name, v, at, soft, hard)
		case "new_channel_owner_id":
			d.NewOwner, err = wire.ID(name, v, at, wire.MaxUserID)
		case "files":
			_, err = wire.Bool(name, v, at) // no files of users are kept here
		}
		return err
	})
	switch {
	case err != nil:
	case len(d.ids) == 0:
		err = errNoIDs("user_ids")
	case slices.Contains(d.ids, d.NewOwner):
		err = wire.BadField("new_channel_owner_id", "names a user that is to be deleted: %s", d.NewOwner)
	}
	return d, refuse(err, "")
}

func decodeHow(field string, v jsontext.Value, at int64, known ...string) (string, error) {
	how, err := wire.String(field, v, at)
	if err == nil && how != "" && !slices.Contains(known, how) {
		err = wire.BadField(field, "must be one of %s", strings.Join(known, ", "))
	}
	return how, err
}

// DeleteUser deletes a user. With hard_delete all that is left is an id that is
// made up; mark_messages_deleted and delete_conversation_channels delete
// messages and channels in the same way.
func (s *Service) DeleteUser(ctx context.Context, app int64, id string, query url.Values, _ []byte) ([]byte, error) {
	flags := map[string]bool{}
	for _, name := range []string{"hard_delete", "mark_messages_deleted", "delete_conversation_channels"} {
		on, err := queryBool(query, name)
		if err != nil {
			return nil, err
		}
		flags[name] = on
	}
	how := soft
	if flags["hard_delete"] {
		how = hard
	}
	d := userDeletion{User: how}
	if flags["mark_messages_deleted"] {
		d.Messages = how
	}
	if flags["delete_conversation_channels"] {
		d.Conversations = how
	}
	var out []byte
	err := s.Store.Update(ctx, app, func(tx store.Tx) error {
		users, err := knownUsers(tx, "user", []string{id})
		if err != nil {
			return err
		}
		d.Users = pinUsers(users)
		if err := markDeleted(tx, &users[0], s.now()); err != nil {
			return err
		}
		out = append(wire.AppendUser([]byte(`{"user":`), &users[0].User), '}')
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, s.deleteUser(ctx, app, &d, d.Users[0], nil)
}

func markDeleted(tx store.Tx, u *storedUser, now chat.Time) error {
	if u.DeletedAt != 0 {
		return nil
	}
	u.DeletedAt = max(now, u.CreatedAt)
	return u.put(tx, now)
}

func (s *Service) runDeleteUsers(ctx context.Context, a *task.Attempt) ([]byte, error) {
	var d userDeletion
	if _, err := readJob(a, &d); err != nil {
		return nil, err
	}
	if d.NewOwner != "" {
		if err := s.passOn(ctx, a.Task.App, &d); err != nil {
			return nil, err
		}
	}
	return s.eachUser(ctx, a, &d, &d.Users, func(p pinnedUser, seen func(int)) error { return s.deleteUser(ctx, a.Task.App, &d, p, seen) })
}

// deleteUser does all that is asked for to one user. All steps but the last go
// by the user's key, and each may be repeated: when it is done again after it
// was cut short, it goes on.
func (s *Service) deleteUser(ctx context.Context, app int64, d *userDeletion, p pinnedUser, seen func(int)) error {
	err := s.Store.Update(ctx, app, func(tx store.Tx) error {
		u, ok, err := p.user(tx)
		if err != nil || !ok {
			return err
		}
		now := s.now()
		if err := markDeleted(tx, &u, now); err != nil || d.User != pruning {
			return err
		}
		u.User = chat.User{
			ID: u.ID, Role: u.Role, Banned: u.Banned,
			CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt, DeactivatedAt: u.DeactivatedAt, DeletedAt: u.DeletedAt,
		}
		return errors.Join(u.put(tx, now), tx.DeletePendingOf(u.key))
	})
	if err == nil && d.Conversations != "" {
		err = s.deleteConversations(ctx, app, p.Key, d.Conversations)
	}
	if err == nil {
		err = s.deleteUserMessages(ctx, app, p.Key, d.Messages, seen)
	}
	if err == nil && d.Calls != "" {
		err = s.deleteUserCalls(ctx, app, p.Key, d.Calls)
	}
	switch {
	case err != nil:
	case d.User == hard:
		err = s.eraseUser(ctx, app, p)
	case d.User == pruning:
		err = s.renameInCalls(ctx, app, p, p.ID) // without what else they say
	}
	return err
}

func (s *Service) deleteUserMessages(ctx context.Context, app, user int64, how string, seen func(int)) error {
	switch how {
	case soft:
		return s.softDeleteMessages(ctx, app, user, s.now(), seen, nil)
	case pruning:
		return s.pruneMessages(ctx, app, user, seen)
	case hard:
		if err := s.removeMessages(ctx, app, user, seen); err != nil {
			return err
		}
		return s.removeReactions(ctx, app, user)
	}
	return nil
}

// maxConversation is how many members a channel, or a call, has that goes with
// one of them.
const maxConversation = 2

// deleteConversations deletes the channels that a user has to itself, or with
// one other.
func (s *Service) deleteConversations(ctx context.Context, app, user int64, how string) error {
	for after := ""; ; {
		var cids []string
		err := s.Store.View(ctx, app, func(r store.Reader) error {
			return r.ChannelsOf(user, func(row *store.ChannelRow) error {
				cid := row.Channel.CID()
				if cid <= after || row.MemberCount > maxConversation || how == soft && row.Channel.DeletedAt != 0 {
					return nil
				}
				cids = append(cids, cid)
				if len(cids) == userStep {
					return errEnough
				}
				return nil
			})
		})
		if err = ended(err); err != nil || len(cids) == 0 {
			return err
		}
		after = cids[len(cids)-1]
		if how == soft {
			err = s.softDeleteChannels(ctx, app, cids)
		} else {
			err = s.removeChannels(ctx, app, cids)
		}
		if err != nil {
			return err
		}
	}
}

func (s *Service) removeChannels(ctx context.Context, app int64, cids []string) error {
	for _, cid := range cids {
		if err := s.removeChannel(ctx, app, cid); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) softDeleteChannels(ctx context.Context, app int64, cids []string) error {
	return s.Store.Update(ctx, app, func(tx store.Tx) error {
		now := s.now()
		for _, cid := range cids {
			row, err := tx.Channel(cid)
			if errors.Is(err, store.ErrNotFound) || err == nil && row.Channel.DeletedAt != 0 {
				continue
			}
			if err != nil {
				return err
			}
			if err := softDeleteChannel(tx, &row, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// passOn gives the channels that the users have created to another one.
func (s *Service) passOn(ctx context.Context, app int64, d *userDeletion) error {
	owners := map[int64]bool{}
	for _, p := range d.Users {
		owners[p.Key] = true
	}
	for after := ""; ; {
		var cids []string
		err := s.Store.View(ctx, app, func(r store.Reader) error {
			return r.Channels(after, func(row *store.ChannelRow) error {
				if !owners[row.CreatedBy] {
					return nil
				}
				cids = append(cids, row.Channel.CID())
				if len(cids) == userStep {
					return errEnough
				}
				return nil
			})
		})
		if err = ended(err); err != nil || len(cids) == 0 {
			return err
		}
		after = cids[len(cids)-1]
		err = s.Store.Update(ctx, app, func(tx store.Tx) error { return passOn(tx, cids, owners, d.NewOwner, s.now()) })
		if _, unknown := errors.AsType[*store.UnknownUserError](err); unknown {
			return task.Failf("NotFound", "The user %s, who was to own the channels, does not exist any more.", d.NewOwner)
		}
		if err != nil {
			return err
		}
	}
}

func passOn(tx store.Tx, cids []string, owners map[int64]bool, to string, now chat.Time) error {
	for _, cid := range cids {
		row, err := tx.Channel(cid)
		if errors.Is(err, store.ErrNotFound) || err == nil && !owners[row.CreatedBy] {
			continue
		}
		if err != nil {
			return err
		}
		row.Channel.CreatedBy, row.Channel.UpdatedAt = to, max(now, row.Channel.UpdatedAt)
		if _, err := tx.PutChannel(&row.Channel); err != nil {
			return err
		}
	}
	return nil
}

// deleteUserCalls deletes the calls that a user had alone, or with one other.
func (s *Service) deleteUserCalls(ctx context.Context, app, user int64, how string) error {
	wants := func(c *chat.Call) bool { return involved(c) <= maxConversation && (how == hard || c.DeletedAt == 0) }
	return s.changeCalls(ctx, app, user, wants, func(tx store.Tx, c *chat.Call) error {
		if how == hard {
			return tx.DeleteCall(c.CID())
		}
		now := s.now()
		c.DeletedAt, c.UpdatedAt = max(now, c.CreatedAt), max(now, c.UpdatedAt)
		return tx.PutCall(c)
	})
}

// involved counts who created a call, is a member of it or took part in it.
func involved(c *chat.Call) int {
	ids := map[string]struct{}{}
	if c.CreatedBy != "" {
		ids[c.CreatedBy] = struct{}{}
	}
	for i := range c.Members {
		ids[c.Members[i].UserID] = struct{}{}
	}
	for _, id := range wire.Participants(c.Session) {
		ids[id] = struct{}{}
	}
	return len(ids)
}

// changeCalls changes the calls of a user that are wanted; those that were
// changed must not be wanted any more.
func (s *Service) changeCalls(ctx context.Context, app, user int64, wants func(*chat.Call) bool,
	change func(store.Tx, *chat.Call) error,
) error {
	for {
		var cids []string
		err := s.Store.View(ctx, app, func(r store.Reader) (err error) {
			cids, err = userCalls(r, user, wants)
			return err
		})
		if err != nil || len(cids) == 0 {
			return err
		}
		err = s.Store.Update(ctx, app, func(tx store.Tx) error {
			for _, cid := range cids {
				c, err := storedCall(tx, cid)
				if errors.Is(err, store.ErrNotFound) || err == nil && !wants(&c) {
					continue
				}
				if err != nil {
					return err
				}
				if err := change(tx, &c); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// userCalls lists calls of a user, userStep of them at most.
func userCalls(r store.Reader, user int64, wants func(*chat.Call) bool) ([]string, error) {
	rr := render.New(r)
	var cids []string
	var object []byte
	err := r.UserCalls(user, func(row *store.CallRow) (err error) {
		if object, err = rr.CallDetails(object[:0], row); err != nil {
			return err
		}
		c, err := wire.DecodeCall(object, nil)
		if err != nil || !wants(&c) {
			return err
		}
		cids = append(cids, row.CID)
		if len(cids) == userStep {
			return errEnough
		}
		return nil
	})
	return cids, ended(err)
}

// eraseUser gives a user an id that is made up, wherever there was the old one,
// and takes away all that was known of it.
func (s *Service) eraseUser(ctx context.Context, app int64, p pinnedUser) error {
	for _, kind := range []store.MarkKind{store.Hidden, store.Cleared, store.Muted, store.Blocked, store.DeletedForMe} {
		if err := s.repeat(ctx, app, nil, func(tx store.Tx) (int, error) { return removeMarks(tx, kind, p.Key) }); err != nil {
			return err
		}
	}
	if err := s.repeat(ctx, app, nil, func(tx store.Tx) (int, error) { return forgetMemberships(tx, p.Key) }); err != nil {
		return err
	}
	id := ""
	err := s.Store.Update(ctx, app, func(tx store.Tx) error {
		u, ok, err := p.user(tx)
		if ok {
			err = erase(tx, &u)
		}
		id = u.ID
		return err
	})
	if err != nil || id == "" {
		return err
	}
	return s.renameInCalls(ctx, app, p, id)
}

// renameInCalls replaces what the sessions of calls, which are kept as they
// came, say of a user.
func (s *Service) renameInCalls(ctx context.Context, app int64, p pinnedUser, id string) error {
	renamed := func(c *chat.Call) chat.Raw { return wire.RenameParticipant(c.Session, p.ID, id) }
	return s.changeCalls(ctx, app, p.Key, func(c *chat.Call) bool { return !bytes.Equal(renamed(c), c.Session) },
		func(tx store.Tx, c *chat.Call) error {
			c.Session = renamed(c)
			return tx.PutCall(c)
		})
}

func removeMarks(tx store.Tx, kind store.MarkKind, user int64) (int, error) {
	var subjects []string
	err := tx.Marks(kind, user, func(m *store.Mark) error {
		subjects = append(subjects, m.Subject)
		if len(subjects) == userStep {
			return errEnough
		}
		return nil
	})
	if err = ended(err); err != nil {
		return 0, err
	}
	for _, subject := range subjects {
		if err := tx.DeleteMark(kind, user, subject); err != nil {
			return 0, err
		}
	}
	return len(subjects), nil
}

// forgetMemberships takes away what was said of a user as a member of channels.
// That it was a member stays.
func forgetMemberships(tx store.Tx, user int64) (int, error) {
	var cids []string
	err := tx.ChannelsOf(user, func(row *store.ChannelRow) error {
		m, err := memberByKey(tx, row, user)
		if err != nil || len(m.Custom) == 0 {
			return err
		}
		cids = append(cids, row.Channel.CID())
		if len(cids) == userStep {
			return errEnough
		}
		return nil
	})
	if err = ended(err); err != nil {
		return 0, err
	}
	for _, cid := range cids {
		// From here on nobody else changes what is in the channel.
		row, err := tx.Channel(cid)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		m, err := memberByKey(tx, &row, user)
		if err != nil {
			return 0, err
		}
		if len(m.Custom) == 0 {
			continue
		}
		m.Custom = nil
		if err := tx.PutMember(row.Key, m); err != nil {
			return 0, err
		}
	}
	return len(cids), nil
}

// erase makes u a trace of a user.
func erase(tx store.Tx, u *storedUser) error {
	if err := errors.Join(tx.DeletePendingOf(u.key), tx.DeleteMarksOn(store.Blocked, u.ID)); err != nil {
		return err
	}
	id := "deleted-user-" + uuid.NewString()
	if err := tx.RenameUser(u.ID, id); err != nil {
		return err
	}
	u.User = chat.User{ID: id, DeletedAt: u.DeletedAt}
	_, err := tx.PutUser(&u.User)
	return err
}
