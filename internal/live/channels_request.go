package live

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxMembers is how many members one list of a request may name, and MaxCIDs
// how many channels.
const (
	MaxMembers = 100
	MaxCIDs    = 100
)

func errType() error {
	return wire.BadField("type", "must be 1 to %d characters out of a-z A-Z 0-9 _ -", wire.MaxType)
}

// eachField calls fn with what a body gives; null is "not given", and so is a
// body that is missing.
func eachField(body []byte, fn func(name string, v jsontext.Value, at int64) error) error {
	if len(body) == 0 {
		return nil
	}
	err := wire.Object(body, func(name string, v jsontext.Value, at int64) error {
		if wire.IsNull(v) {
			return nil
		}
		return fn(name, v, at)
	})
	return refuse(err, "")
}

// who is the user for whom a request is made.
type who struct{ id string }

// take reads "user_id" or "user"; it passes over anything else.
func (w *who) take(name string, v jsontext.Value, at int64) error {
	if name != "user_id" && name != "user" {
		return nil
	}
	id, err := wire.UserRef(name, v, at)
	switch {
	case err != nil || id == "":
		return err
	case w.id != "" && w.id != id:
		return wire.BadField(name, "names another user than the other field does")
	}
	w.id = id
	return nil
}

// key finds the user. Somebody must be named.
func (w *who) key(r store.Reader) (int64, error) {
	if w.id == "" {
		return 0, errNoUser()
	}
	return viewerKey(r, w.id)
}

func errNoUser() error { return wire.BadField("user_id", "is required when using server side auth") }

// memberList is a list of members in a request, each user once.
type memberList []chat.Member

func (l memberList) ids() []string {
	ids := make([]string, len(l))
	for i := range l {
		ids[i] = l[i].UserID
	}
	return ids
}

// decode reads a list of user ids and member objects.
func (l *memberList) decode(field string, v jsontext.Value, invited bool) error {
	if wire.IsNull(v) {
		return nil
	}
	err := wire.List(v, func(i int, v jsontext.Value, _ int64) error {
		at := fmt.Sprintf("%s[%d]", field, i)
		in, err := wire.DecodeMember(v, nil)
		if err != nil {
			return refuse(err, at)
		}
		if err := wire.CheckCustom(at, in.Custom); err != nil {
			return err
		}
		if slices.ContainsFunc(*l, func(m chat.Member) bool { return m.UserID == in.UserID }) {
			return nil
		}
		if len(*l) == MaxMembers {
			return wire.BadField(field, "must be at most %d", MaxMembers)
		}
		// Only these are for the client to say.
		m := chat.Member{UserID: in.UserID, ChannelRole: in.ChannelRole, Custom: in.Custom}
		if invited {
			m.Invited, m.Status = true, invitePending
		}
		*l = append(*l, m)
		return nil
	})
	return refuse(err, field)
}

// decodeMemberIDs reads a list of up to MaxMembers users, each once.
func decodeMemberIDs(field string, v jsontext.Value) ([]string, error) {
	var ids []string
	err := wire.List(v, func(i int, v jsontext.Value, at int64) error {
		name := fmt.Sprintf("[%d]", i)
		id, err := wire.UserRef(name, v, at)
		if err == nil && id == "" {
			err = &wire.FieldError{Field: name, Offset: at, Reason: "must be a user id"}
		}
		if err != nil || slices.Contains(ids, id) {
			return err
		}
		if len(ids) == MaxMembers {
			return wire.BadField(field, "must be at most %d", MaxMembers)
		}
		ids = append(ids, id)
		return nil
	})
	return ids, refuse(err, field)
}

// decodeCIDs reads a list of up to MaxCIDs channels, each once.
func decodeCIDs(field string, v jsontext.Value) ([]string, error) {
	var cids []string
	err := wire.List(v, func(i int, v jsontext.Value, at int64) error {
		name := fmt.Sprintf("[%d]", i)
		cid, err := decodeCID(name, v, at)
		if err != nil || slices.Contains(cids, cid) {
			return err
		}
		if len(cids) == MaxCIDs {
			return wire.BadField(field, "must be at most %d", MaxCIDs)
		}
		cids = append(cids, cid)
		return nil
	})
	return cids, refuse(err, field)
}

func decodeCID(field string, v jsontext.Value, at int64) (string, error) {
	cid, err := wire.String(field, v, at)
	if err != nil {
		return "", err
	}
	if _, _, ok := wire.SplitCID(cid); !ok {
		return "", &wire.FieldError{Field: field, Offset: at, Reason: "must be a type and an id joined by a colon, such as messaging:general"}
	}
	return cid, nil
}

// eachChannel calls fn with the channels that have those cids, soft-deleted ones
// too if told so. Those that do not exist are all named in the error.
func eachChannel(r store.Reader, cids []string, deleted bool, fn func(*store.ChannelRow) error) error {
	var missing []string
	for _, cid := range cids {
		row, err := r.Channel(cid)
		if errors.Is(err, store.ErrNotFound) || err == nil && row.Channel.DeletedAt != 0 && !deleted {
			missing = append(missing, cid)
			continue
		}
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			continue
		}
		if err := fn(&row); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	e := wire.Errorf(wire.CodeNotFound, "channels that do not exist: %s", strings.Join(missing, ", "))
	e.Fields = map[string]string{}
	for _, cid := range missing {
		e.Fields[cid] = "does not exist"
	}
	return e
}

// tagsField is the custom field in which a channel's filter tags are kept.
const tagsField = "filter_tags"

const maxTag = 255 // bytes

// checkTags refuses filter tags that are no list of short strings. null is "not
// given".
func checkTags(field string, c *chat.Custom) error {
	for _, f := range *c {
		if f.Name != tagsField {
			continue
		}
		if wire.IsNull(jsontext.Value(f.Value)) {
			*c = wire.UnsetCustom(*c, tagsField)
			return nil
		}
		_, err := decodeTags(field, jsontext.Value(f.Value))
		return err
	}
	return nil
}

func decodeTags(field string, v jsontext.Value) ([]string, error) {
	tags, err := wire.StringList(field, v, 0)
	if err != nil {
		return nil, refuse(err, "")
	}
	for _, tag := range tags {
		if tag == "" || len(tag) > maxTag {
			return nil, wire.BadField(field, "must be strings of 1 to %d bytes", maxTag)
		}
	}
	return tags, nil
}

// tagsOf are the filter tags of a channel. What else an import may have brought
// under their name is none.
func tagsOf(c chat.Custom) []string {
	for _, f := range c {
		if f.Name == tagsField {
			tags, _ := decodeTags(tagsField, jsontext.Value(f.Value))
			return tags
		}
	}
	return nil
}
