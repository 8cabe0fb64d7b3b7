package live

import (
	"context"
	"errors"
	"net/url"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// channelRequest is the body of a get-or-create.
type channelRequest struct {
	stateQuery
	channel        chat.Channel
	members        memberList
	invites        memberList
	hideForCreator bool
}

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
	return s.getOrCreate(ctx, app, cid, q)
}

// GetOrCreateDistinctChannel is GetOrCreateChannel for the channel of that type
// which its members make: the same for the same members in any order.
func (s *Service) GetOrCreateDistinctChannel(ctx context.Context, app int64, typ string, body []byte) ([]byte, error) {
	if !wire.ValidType(typ) {
		return nil, errType()
	}
	q, err := decodeChannelRequest(body, typ, "")
	if err != nil {
		return nil, err
	}
	if len(q.members) == 0 {
		return nil, wire.BadField("data.members", "is required: a channel without an id is that of its members")
	}
	q.channel.ID = wire.DistinctID(q.members.ids())
	return s.getOrCreate(ctx, app, q.channel.CID(), q)
}

func (s *Service) getOrCreate(ctx context.Context, app int64, cid string, q *channelRequest) ([]byte, error) {
	var out []byte
	answer := func(r store.Reader, row *store.ChannelRow) (err error) {
		out, err = channelState(r, row, &q.stateQuery, s.now())
		return err
	}
	if len(q.members) == 0 && len(q.invites) == 0 {
		// Most of these requests only read, and need not wait for writers.
		err := s.Store.View(ctx, app, func(r store.Reader) error {
			row, err := r.Channel(cid)
			if errors.Is(err, store.ErrNotFound) || err == nil && row.Channel.DeletedAt != 0 {
				return nil
			}
			if err != nil {
				return err
			}
			return answer(r, &row)
		})
		if err != nil || out != nil {
			return out, err
		}
	}
	err := s.Store.Update(ctx, app, func(tx store.Tx) error {
		if err := getOrCreate(tx, cid, q, s.now()); err != nil {
			return err
		}
		row, err := tx.Channel(cid)
		if err != nil {
			return err
		}
		return answer(tx, &row)
	})
	return out, err
}

// GetChannel answers a channel and its state. It creates nothing.
func (s *Service) GetChannel(ctx context.Context, app int64, typ, id string, values url.Values, _ []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	q := newStateQuery()
	q.state = true
	if err := q.decodeQuery(values); err != nil {
		return nil, err
	}
	var out []byte
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		row, err := channel(r, cid)
		if err == nil {
			out, err = channelState(r, &row, &q, s.now())
		}
		return err
	})
	return out, err
}

// channelState is the answer to a get-or-create.
func channelState(r store.Reader, row *store.ChannelRow, q *stateQuery, now chat.Time) ([]byte, error) {
	user, err := viewerKey(r, q.user)
	if err != nil {
		return nil, err
	}
	v, err := newView(r, render.New(r), row, user, now)
	if err != nil {
		return nil, err
	}
	return v.appendState(nil, q)
}

func getOrCreate(tx store.Tx, cid string, q *channelRequest, now chat.Time) error {
	row, err := tx.Channel(cid)
	exists := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if !exists || row.Channel.DeletedAt != 0 {
		if row.Key, err = createChannel(tx, cid, q, &row, exists, now); err != nil {
			return err
		}
	}
	if _, err := join(tx, row.Key, "data.members", q.members, now); err != nil {
		return err
	}
	_, err = join(tx, row.Key, "data.invites", q.invites, now)
	return err
}

// createChannel creates a channel, in the place of old if that exists.
func createChannel(tx store.Tx, cid string, q *channelRequest, old *store.ChannelRow, exists bool, now chat.Time) (int64, error) {
	if q.channel.CreatedBy == "" {
		return 0, wire.Errorf(wire.CodeBadInput,
			"either data.created_by or data.created_by_id must be provided when using server side auth.")
	}
	if err := usersExist(tx, "data.created_by_id", []string{q.channel.CreatedBy}); err != nil {
		return 0, err
	}
	ch := q.channel
	ch.CreatedAt, ch.UpdatedAt = now, now
	if exists {
		// Whatever was said before lies before this instant.
		ch.TruncatedAt = max(now, old.Channel.LastMessageAt+1)
	}
	key, err := tx.PutChannel(&ch)
	if err != nil {
		return 0, err
	}
	if exists {
		if err := tx.DeleteMembers(key); err != nil {
			return 0, err
		}
		for _, kind := range []store.MarkKind{store.Hidden, store.Cleared, store.Muted} {
			if err := tx.DeleteMarksOn(kind, cid); err != nil {
				return 0, err
			}
		}
	}
	if q.hideForCreator {
		creator, err := tx.UserKey(ch.CreatedBy)
		if err != nil {
			return 0, err
		}
		return key, tx.PutMark(&store.Mark{Kind: store.Hidden, User: creator, Subject: cid, At: now})
	}
	return key, nil
}

func decodeChannelRequest(body []byte, typ, id string) (*channelRequest, error) {
	q := &channelRequest{stateQuery: newStateQuery()}
	q.channel.Type, q.channel.ID = typ, id
	var user who
	err := eachField(body, func(name string, v jsontext.Value, at int64) (err error) {
		switch name {
		case "data":
			err = refuse(q.decodeData(v, typ, id), "data")
		case "state":
			q.state, err = wire.Bool(name, v, at)
		case "messages":
			q.messages, err = decodeMessagePage(name, v)
		case "members":
			q.stateQuery.members, err = decodePage(name, v)
		case "hide_for_creator":
			q.hideForCreator, err = wire.Bool(name, v, at)
		default:
			err = user.take(name, v, at)
		}
		return err
	})
	q.user = user.id
	return q, err
}

// decodeData reads what a new channel is to be.
func (q *channelRequest) decodeData(data jsontext.Value, typ, id string) error {
	in, err := wire.DecodeNewChannel(data, nil)
	if err != nil {
		return err
	}
	if len(in.MemberIDs) > 0 {
		return wire.BadField("data.member_ids", "is for imports: name the members in members")
	}
	if id == "" && in.ID != "" {
		return wire.BadField("data.id", "must not be given: the members make the id")
	}
	if err := checkChannelData(&in, typ, id); err != nil {
		return err
	}
	// The rest of what a channel holds is the server's to say.
	q.channel = chat.Channel{
		Type: typ, ID: id, CreatedBy: in.CreatedBy, Frozen: in.Frozen, Disabled: in.Disabled,
		Team: in.Team, Cooldown: in.Cooldown, Custom: in.Custom,
	}
	return wire.Object(data, func(name string, v jsontext.Value, _ int64) (err error) {
		switch name {
		case "config_overrides":
			err = refuseOverrides(v)
		case "members":
			err = q.members.decode("data.members", v, false)
		case "invites":
			err = q.invites.decode("data.invites", v, true)
		}
		return err
	})
}

// refuseOverrides refuses a configuration of one channel, rather than to show it
// and not to act on it.
func refuseOverrides(v jsontext.Value) error {
	if wire.IsNull(v) || string(v) == "{}" {
		return nil
	}
	return wire.BadField("data.config_overrides", "is not available: configure the type of the channel")
}

// checkChannelData holds what a request says of a channel against the path and
// the limits.
func checkChannelData(in *wire.ChannelInput, typ, id string) error {
	switch {
	case in.Type != "" && in.Type != typ:
		return wire.BadField("data.type", "must be the type in the path")
	case in.ID != "" && in.ID != id:
		return wire.BadField("data.id", "must be the id in the path")
	}
	if err := wire.CheckCustom("data", in.Custom); err != nil {
		return err
	}
	return checkTags("data.filter_tags", &in.Custom)
}
