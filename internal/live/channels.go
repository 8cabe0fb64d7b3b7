package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"

	"hansard/internal/chat"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxMembers is how many members one request may add.
const MaxMembers = 100

// channelRequest is the body of a get-or-create.
type channelRequest struct {
	channel chat.Channel
	members []chat.Member
	state   bool
	// What of the channel's state to answer.
	messages int
	member   page
}

// page is a part of a list.
type page struct{ limit, offset int }

// GetOrCreateChannel answers a channel and its state, after creating it if it
// does not exist. Members that are named and missing are added to a channel
// that does exist; nothing else of it changes.
//
// A channel that was soft-deleted starts anew: without members, and with its
// earlier messages truncated.
func (s *Service) GetOrCreateChannel(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	q, err := decodeChannelRequest(body, typ, id)
	if err != nil {
		return nil, err
	}
	var out []byte
	if len(q.members) == 0 {
		// Most of these requests only read, and need not wait for writers.
		err := s.Store.View(ctx, app, func(r store.Reader) error {
			row, err := r.Channel(cid)
			if errors.Is(err, store.ErrNotFound) || err == nil && row.Channel.DeletedAt != 0 {
				return nil
			}
			if err == nil {
				out, err = channelState(r, &row, q)
			}
			return err
		})
		if err != nil || out != nil {
			return out, err
		}
	}
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		if err := getOrCreate(tx, cid, q, s.now()); err != nil {
			return err
		}
		row, err := tx.Channel(cid)
		if err == nil {
			out, err = channelState(tx, &row, q)
		}
		return err
	})
	return out, err
}

func getOrCreate(tx store.Tx, cid string, q *channelRequest, now chat.Time) error {
	row, err := tx.Channel(cid)
	exists := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	key := row.Key
	if !exists || row.Channel.DeletedAt != 0 {
		if q.channel.CreatedBy == "" {
			return wire.Errorf(wire.CodeBadInput,
				"either data.created_by or data.created_by_id must be provided when using server side auth.")
		}
		if err := usersExist(tx, "data.created_by_id", []string{q.channel.CreatedBy}); err != nil {
			return err
		}
		ch := q.channel
		ch.CreatedAt, ch.UpdatedAt = now, now
		if exists {
			// Whatever was said before lies before this instant.
			ch.TruncatedAt = max(now, row.Channel.LastMessageAt+1)
		}
		if key, err = tx.PutChannel(&ch); err != nil {
			return err
		}
		if exists {
			if err := tx.DeleteMembers(key); err != nil {
				return err
			}
		}
	}
	return addMembers(tx, key, q.members, now)
}

func addMembers(tx store.Tx, channel int64, members []chat.Member, now chat.Time) error {
	ids := make([]string, len(members))
	for i := range members {
		ids[i] = members[i].UserID
	}
	if err := usersExist(tx, "data.members", ids); err != nil {
		return err
	}
	for i := range members {
		m := members[i]
		key, err := tx.UserKey(m.UserID)
		if err != nil {
			return err
		}
		if _, err = tx.Member(channel, key); err == nil {
			continue
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		// Only these are for the client to say.
		m = chat.Member{
			UserID: m.UserID, ChannelRole: cmp.Or(m.ChannelRole, "channel_member"),
			Invited: m.Invited, Status: m.Status, Custom: m.Custom,
			CreatedAt: now, UpdatedAt: now,
		}
		if err := tx.PutMember(channel, &m); err != nil {
			return err
		}
	}
	return nil
}

func decodeChannelRequest(body []byte, typ, id string) (*channelRequest, error) {
	q := &channelRequest{messages: defaultMessages, member: page{limit: maxPage}}
	q.channel.Type, q.channel.ID = typ, id
	if len(body) == 0 {
		return q, nil
	}
	err := wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
		if wire.IsNull(v) {
			return nil
		}
		switch name {
		case "data":
			err = refuse(q.decodeData(v, typ, id), "data")
		case "state":
			q.state, err = wire.Bool(name, v, at)
		case "messages":
			var p page
			p, err = decodePage(name, v, page{limit: defaultMessages}, maxMessages)
			if err == nil && p.offset != 0 {
				err = wire.BadField("messages.offset", "is not available here")
			}
			q.messages = p.limit
		case "members":
			q.member, err = decodePage(name, v, q.member, maxPage)
		}
		return err
	})
	return q, refuse(err, "")
}

// decodeData reads what a new channel is to be.
func (q *channelRequest) decodeData(data jsontext.Value, typ, id string) error {
	in, err := wire.DecodeNewChannel(data, nil)
	if err != nil {
		return err
	}
	switch {
	case len(in.MemberIDs) > 0:
		return wire.BadField("data.member_ids", "is for imports: name the members in members")
	case in.Type != "" && in.Type != typ:
		return wire.BadField("data.type", "must be the type in the path")
	case in.ID != "" && in.ID != id:
		return wire.BadField("data.id", "must be the id in the path")
	}
	// The rest of what a channel holds is the server's to say.
	q.channel = chat.Channel{
		Type: typ, ID: id, CreatedBy: in.CreatedBy, Frozen: in.Frozen, Disabled: in.Disabled,
		Team: in.Team, Cooldown: in.Cooldown, Custom: in.Custom,
	}
	if err := wire.CheckCustom("data", in.Custom); err != nil {
		return err
	}
	for i, raw := range in.Members {
		if err := q.addMember(fmt.Sprintf("data.members[%d]", i), raw, false); err != nil {
			return err
		}
	}
	return wire.Object(data, func(name string, v jsontext.Value, _ int64) error {
		if name != "invites" || wire.IsNull(v) {
			return nil
		}
		return wire.Within(wire.List(v, func(i int, v jsontext.Value, _ int64) error {
			return q.addMember(fmt.Sprintf("data.invites[%d]", i), v, true)
		}), "invites", 0)
	})
}

func (q *channelRequest) addMember(field string, raw jsontext.Value, invited bool) error {
	m, err := wire.DecodeMember(raw, nil)
	if err != nil {
		return refuse(err, field)
	}
	if err := wire.CheckCustom(field, m.Custom); err != nil {
		return err
	}
	for i := range q.members {
		if q.members[i].UserID == m.UserID {
			return nil
		}
	}
	if len(q.members) == MaxMembers {
		return wire.BadField("data.members", "must be at most %d", MaxMembers)
	}
	m.Invited = invited
	q.members = append(q.members, m.Member)
	return nil
}

// How much of a channel's state is answered.
const (
	defaultMessages = 25
	maxMessages     = 300
	maxPage         = 100
)

// decodePage reads limit and offset. Other ways of paging are refused: an
// answer from another place than was asked for would go unnoticed.
func decodePage(field string, v jsontext.Value, p page, most int64) (page, error) {
	err := wire.Object(v, func(name string, v jsontext.Value, at int64) error {
		if wire.IsNull(v) {
			return nil
		}
		var n int64
		var err error
		switch name {
		case "limit":
			n, err = wire.Int(name, v, at, 0, most)
			p.limit = int(n)
		case "offset":
			n, err = wire.Int(name, v, at, 0, 1<<31)
			p.offset = int(n)
		default:
			err = wire.BadField(field+"."+name, "is not available here: page with limit")
		}
		return err
	})
	return p, refuse(err, field)
}
