package live

import (
	"cmp"
	"context"
	"errors"
	"net/url"

	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// messageDeletion says how a message is to be deleted.
type messageDeletion struct {
	hard  bool
	forMe bool
	by    string // "" = it is not said
}

// DeleteMessage deletes a message: softly, so that it can come back; hard, with
// its replies, so that nothing is left; or for one user, who does not see it
// any more. A pending message is gone at once.
func (s *Service) DeleteMessage(ctx context.Context, app int64, id string, q url.Values, _ []byte) ([]byte, error) {
	d, err := decodeMessageDeletion(q)
	if err != nil {
		return nil, err
	}
	for more := d.hard; more; {
		if more, err = s.thinThread(ctx, app, id, &d); err != nil {
			return nil, err
		}
	}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		f, ok, err := d.find(tx, id)
		if err != nil {
			return err
		}
		out = []byte(`{"message":`)
		switch {
		case !ok && d.forMe:
			return errNoMessage()
		case !ok:
			out, err = dropPending(out, tx, id)
		case d.forMe:
			out, err = s.deleteForMe(out, tx, f, d.by)
		case d.hard:
			out = append(out, f.object...)
			err = hardDeleteMessage(tx, id)
		default:
			out, err = s.hideMessage(out, tx, f, d.by)
		}
		return err
	})
	return append(out, '}'), err
}

func decodeMessageDeletion(q url.Values) (d messageDeletion, err error) {
	if d.hard, err = queryBool(q, "hard"); err != nil {
		return d, err
	}
	if d.forMe, err = queryBool(q, "delete_for_me"); err != nil {
		return d, err
	}
	d.by = cmp.Or(q.Get("deleted_by"), q.Get("user_id"))
	switch {
	case d.by != "" && !wire.ValidID(d.by, wire.MaxUserID):
		return d, wire.BadField("deleted_by", "must be a user id")
	case d.hard && d.forMe:
		return d, wire.BadField("delete_for_me", "cannot be given with hard")
	case d.forMe && d.by == "":
		return d, wire.BadField("deleted_by", "is required with delete_for_me: for whom is the message to be deleted")
	}
	return d, nil
}

// find finds the message that is to be deleted.
func (d *messageDeletion) find(r store.Reader, id string) (*found, bool, error) {
	if d.by != "" {
		if err := usersExist(r, "deleted_by", []string{d.by}); err != nil {
			return nil, false, err
		}
	}
	return findMessage(r, id)
}

// thinThread removes some replies to a message that is to be removed, and
// reports whether there may be too many still for one last step: other writers
// wait for that long.
func (s *Service) thinThread(ctx context.Context, app int64, id string, d *messageDeletion) (more bool, err error) {
	var replies []string
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		_, ok, err := d.find(r, id)
		if err != nil || !ok {
			return err
		}
		return ended(r.Replies(id, store.MessageRange{}, func(m *store.MessageRow) error {
			if replies = append(replies, string(m.ID)); len(replies) == purgeStep {
				return errEnough
			}
			return nil
		}))
	})
	if err != nil || len(replies) < purgeStep {
		return false, err
	}
	return true, s.Store.Update(ctx, app, func(tx store.Tx) error {
		for _, reply := range replies {
			if err := tx.DeleteMessage(reply); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	})
}

// dropPending removes a pending message and appends it as it was.
func dropPending(out []byte, tx store.Tx, id string) ([]byte, error) {
	f, metadata, err := findPending(tx, id)
	if err != nil {
		return out, err
	}
	return appendMetadata(append(out, f.object...), metadata), tx.DeletePending(id)
}

// deleteForMe notes that a user does not want to see a message any more.
// Everybody else does, and so do exports.
func (s *Service) deleteForMe(out []byte, tx store.Tx, f *found, by string) ([]byte, error) {
	user, err := tx.UserKey(by)
	if err != nil {
		return out, err
	}
	out = append(out, f.object[:len(f.object)-1]...)
	out = append(out, `,"deleted_for_me":true}`...)
	return out, tx.PutMark(&store.Mark{Kind: store.DeletedForMe, User: user, Subject: string(f.row.ID), At: s.now()})
}

// hideMessage marks a message as deleted. One that is stays as it is: the
// client may not have heard of the first time.
func (s *Service) hideMessage(out []byte, tx store.Tx, f *found, by string) ([]byte, error) {
	if f.row.DeletedAt != 0 {
		return append(out, f.object...), nil
	}
	m, err := f.message()
	if err != nil {
		return out, err
	}
	now := later(&m, s.now())
	if err := noteHistory(tx, &m, cmp.Or(by, m.UserID), now); err != nil {
		return out, err
	}
	if err := softDeleteMessage(tx, &m, now); err != nil {
		return out, err
	}
	return appendMessage(out, tx, &f.channel, m.ID)
}

// UndeleteMessage brings a soft-deleted message back.
func (s *Service) UndeleteMessage(ctx context.Context, app int64, id string, _ url.Values, body []byte) ([]byte, error) {
	var by string
	err := eachField(body, func(name string, v jsontext.Value, at int64) (err error) {
		if name == "undeleted_by" {
			by, err = wire.ID(name, v, at, wire.MaxUserID)
		}
		return err
	})
	if err == nil && by == "" {
		err = wire.BadField("undeleted_by", "is required")
	}
	if err != nil {
		return nil, err
	}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		f, err := mustFind(tx, id)
		if err != nil {
			return err
		}
		if f.row.DeletedAt == 0 {
			return wire.Errorf(wire.CodeBadInput, "the message is not deleted")
		}
		if err := usersExist(tx, "undeleted_by", []string{by}); err != nil {
			return err
		}
		m, err := f.message()
		if err != nil {
			return err
		}
		now := later(&m, s.now())
		if err := noteHistory(tx, &m, by, now); err != nil {
			return err
		}
		m.DeletedAt, m.UpdatedAt = 0, now
		if err := tx.PutMessage(&m); err != nil {
			return err
		}
		out, err = appendMessage([]byte(`{"message":`), tx, &f.channel, id)
		return err
	})
	return append(out, '}'), err
}
