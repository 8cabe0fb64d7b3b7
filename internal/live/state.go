package live

import (
	"bytes"
	"errors"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// How much of a channel's state is answered.
const (
	defaultMessages = 25
	maxMessages     = 300
	maxPage         = 100
	maxPinned       = 10
	maxOffset       = 1000
	// maxAnswer bounds an answer that shows many messages, in bytes.
	maxAnswer = 64 << 20
)

// errEnough ends a listing that has yielded what was wanted.
var errEnough = errors.New("enough")

// stateQuery says how much of a channel to answer, and for whom.
type stateQuery struct {
	state    bool // the messages too
	messages messagePage
	members  page
	user     string // whose view of it; "" = the application's
}

func newStateQuery() stateQuery {
	return stateQuery{messages: messagePage{limit: defaultMessages}, members: page{limit: maxPage}}
}

// page is a part of a list.
type page struct{ limit, offset int }

// view is a channel as one user sees it, or the application, which sees
// everything that is not truncated.
type view struct {
	r   store.Reader
	rr  *render.Renderer
	row *store.ChannelRow
	now chat.Time

	user      int64 // key of the user; 0 = the application
	hidden    bool
	cleared   chat.Time // the user's history begins here
	muted     bool
	muteUntil chat.Time

	size int // bytes of messages so far
}

// viewerKey is the key of the user for whom something is answered; 0 if none is
// named.
func viewerKey(r store.Reader, id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	key, err := r.UserKey(id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, wire.BadField("user_id", "names a user that does not exist: %s", id)
	}
	return key, err
}

func newView(r store.Reader, rr *render.Renderer, row *store.ChannelRow, user int64, now chat.Time) (*view, error) {
	v := &view{r: r, rr: rr, row: row, now: now, user: user}
	if user == 0 {
		rr.HideBefore(row.Key, v.oldest())
		return v, nil
	}
	cid := row.Channel.CID()
	_, hidden, err := mark(r, store.Hidden, user, cid)
	if err != nil {
		return nil, err
	}
	cleared, _, err := mark(r, store.Cleared, user, cid)
	if err != nil {
		return nil, err
	}
	muted, is, err := mark(r, store.Muted, user, cid)
	if err != nil {
		return nil, err
	}
	v.hidden, v.cleared = hidden, cleared.At
	if is && !over(&muted, now) {
		v.muted, v.muteUntil = true, muted.Until
	}
	rr.HideBefore(row.Key, v.oldest())
	return v, nil
}

// mark returns a mark that may not be there.
func mark(r store.Reader, kind store.MarkKind, user int64, subject string) (store.Mark, bool, error) {
	m, err := r.Mark(kind, user, subject)
	if errors.Is(err, store.ErrNotFound) {
		return store.Mark{}, false, nil
	}
	return m, err == nil, err
}

// over reports whether a mark has run out.
func over(m *store.Mark, now chat.Time) bool { return m.Until != 0 && m.Until <= now }

// oldest is the instant from which on messages are shown.
func (v *view) oldest() chat.Time { return max(v.row.Channel.TruncatedAt, v.cleared) }

// shows reports whether a message that is recent enough is shown.
func (v *view) shows(m *store.MessageRow) (bool, error) {
	if v.user == 0 {
		return true, nil
	}
	_, deleted, err := mark(v.r, store.DeletedForMe, v.user, string(m.ID))
	if err != nil || deleted {
		return false, err
	}
	return v.mayRead(m)
}

// restricted begins, in a stored body, the list of those who may see a message.
// Strings cannot hold it: there its quotes would be escaped.
var restricted = []byte(`,"restricted_visibility":[`)

// mayRead reports whether a message is not for others alone.
func (v *view) mayRead(m *store.MessageRow) (bool, error) {
	if m.User == v.user || !bytes.Contains(m.Body, restricted) {
		return true, nil
	}
	object, err := v.rr.Message(nil, m)
	if err != nil {
		return false, err
	}
	message, err := decodeStored(object, m)
	if err != nil || len(message.RestrictedVisibility) == 0 {
		return err == nil, err
	}
	id, _, err := v.r.UserByKey(v.user)
	return slices.Contains(message.RestrictedVisibility, id), err
}

// appendState appends the answer to a get-or-create.
func (v *view) appendState(out []byte, q *stateQuery) ([]byte, error) {
	out, err := v.appendChannel(append(out, `{"channel":`...), nil)
	if err != nil {
		return out, err
	}
	out = append(out, `,"messages":[`...)
	if q.state {
		if out, err = v.appendMessages(out, &q.messages); err != nil {
			return out, err
		}
	}
	out = append(out, `],"members":[`...)
	if out, err = v.appendMembers(out, q.members); err != nil {
		return out, err
	}
	out = append(out, `],"read":[`...)
	if out, err = v.appendReads(out); err != nil {
		return out, err
	}
	out = append(out, `],"pinned_messages":[`...)
	if q.state {
		if out, err = v.appendPinned(out); err != nil {
			return out, err
		}
	}
	out = append(out, `],"threads":[],"watcher_count":0,"membership":`...)
	if out, err = v.appendMembership(out); err != nil {
		return out, err
	}
	out = v.appendHidden(out)
	return append(out, '}'), nil
}

// appendChannel appends the channel; members, if it is not nil, is the list
// that goes into it.
func (v *view) appendChannel(out, members []byte) ([]byte, error) {
	out, err := v.rr.Channel(out, v.row)
	if err != nil {
		return out, err
	}
	out = v.appendHidden(out[:len(out)-1])
	if v.muted {
		out = append(out, `,"muted":true`...)
		if v.muteUntil != 0 {
			out = v.muteUntil.AppendJSON(append(out, `,"mute_expires_at":`...))
		}
	}
	if members != nil {
		out = append(append(out, `,"members":`...), members...)
	}
	return append(out, '}'), nil
}

func (v *view) appendHidden(out []byte) []byte {
	if v.hidden {
		out = append(out, `,"hidden":true`...)
	}
	if v.cleared != 0 {
		out = v.cleared.AppendJSON(append(out, `,"hide_messages_before":`...))
	}
	return out
}

func (v *view) appendMessages(out []byte, p *messagePage) ([]byte, error) {
	list, err := v.messages(p)
	if err != nil {
		return out, err
	}
	for _, m := range list {
		out = append(comma(out), m...)
	}
	return out, nil
}

func (v *view) appendMembers(out []byte, p page) ([]byte, error) {
	if p.limit == 0 {
		return out, nil
	}
	n := 0
	err := v.r.Members(v.row.Key, func(m *store.MemberRow) (err error) {
		if n++; n <= p.offset {
			return nil
		}
		if n > p.offset+p.limit {
			return errEnough
		}
		out, err = v.rr.Member(comma(out), m, v.row.CreatedBy)
		return err
	})
	return out, ended(err)
}

// memberList is the list of the first members, as JSON.
func (v *view) memberList() ([]byte, error) {
	out, err := v.appendMembers([]byte{'['}, page{limit: maxPage})
	return append(out, ']'), err
}

// appendReads appends the first read states, and the user's own in any case.
func (v *view) appendReads(out []byte) ([]byte, error) {
	n := 0
	own := v.user == 0
	err := v.r.Reads(v.row.Key, func(read *store.ReadRow) (err error) {
		if n++; n > maxPage {
			return errEnough
		}
		own = own || read.User == v.user
		out, err = v.rr.Read(comma(out), read)
		return err
	})
	if err = ended(err); err != nil || own || n <= maxPage {
		return out, err
	}
	read, err := v.r.Read(v.row.Key, v.user)
	if errors.Is(err, store.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	return v.rr.Read(comma(out), &read)
}

// appendPinned appends the newest messages that are pinned now.
func (v *view) appendPinned(out []byte) ([]byte, error) {
	n := 0
	err := v.r.Pinned(v.row.Key, func(m *store.MessageRow) error {
		if m.CreatedAt < v.oldest() {
			return errEnough // those that follow are older still
		}
		if m.DeletedAt != 0 {
			return nil
		}
		shown, err := v.shows(m)
		if err != nil || !shown {
			return err
		}
		object, err := v.rr.Message(nil, m)
		if err != nil {
			return err
		}
		decoded, err := wire.DecodeMessage(object, nil)
		if err != nil {
			return err
		}
		if decoded.PinExpires != 0 && decoded.PinExpires <= v.now {
			return nil
		}
		out = append(comma(out), object...)
		if n++; n == maxPinned {
			return errEnough
		}
		return nil
	})
	return out, ended(err)
}

func (v *view) appendMembership(out []byte) ([]byte, error) {
	if v.user == 0 {
		return append(out, `null`...), nil
	}
	m, err := v.r.Member(v.row.Key, v.user)
	if errors.Is(err, store.ErrNotFound) {
		return append(out, `null`...), nil
	}
	if err != nil {
		return out, err
	}
	return v.rr.Member(out, &m, v.row.CreatedBy)
}

func comma(dst []byte) []byte {
	if dst[len(dst)-1] == '[' {
		return dst
	}
	return append(dst, ',')
}

// ended makes the end of a listing that was cut short no error.
func ended(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
