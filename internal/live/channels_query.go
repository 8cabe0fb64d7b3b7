package live

import (
	"context"
	"errors"
	"maps"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/filter"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// How many channels a query answers.
const (
	defaultChannels = 10
	maxChannels     = 30
)

// channelFields are the built-in fields that a query of channels may ask for;
// all others are custom fields.
var channelFields = map[string]filter.Kind{
	"cid": filter.String, "id": filter.String, "type": filter.String, "team": filter.String, "created_by_id": filter.String,
	"created_at": filter.Time, "updated_at": filter.Time, "last_message_at": filter.Time, "last_updated": filter.Time,
	"truncated_at": filter.Time,
	"member_count": filter.Int, "message_count": filter.Int, "cooldown": filter.Int,
	"frozen": filter.Bool, "disabled": filter.Bool, "members": filter.Set, tagsField: filter.Set,

	"hidden": filter.Bool, "muted": filter.Bool, "pinned": filter.Bool, "archived": filter.Bool, "joined": filter.Bool,
	"has_unread": filter.Bool, "unread_count": filter.Int, "invite": filter.String, "pinned_at": filter.Time,
}

// ownFields are those that depend on who asks.
var ownFields = map[string]bool{
	"hidden": true, "muted": true, "pinned": true, "archived": true, "joined": true,
	"has_unread": true, "unread_count": true, "invite": true, "pinned_at": true,
}

// channelQuery is the body of a query of channels.
type channelQuery struct {
	stateQuery
	filter *filter.Filter
	sort   filter.Sort
	limit  int
	offset int
	hidden bool // the filter speaks of hidden channels
}

// QueryChannels answers the channels that a filter means, with their state.
// Deleted ones are never among them, and hidden ones only if the filter says so.
func (s *Service) QueryChannels(ctx context.Context, app int64, body []byte) ([]byte, error) {
	q, err := decodeChannelQuery(body)
	if err != nil {
		return nil, err
	}
	now := s.now()
	out := []byte(`{"channels":[`)
	err = s.Store.View(ctx, app, func(r store.Reader) error {
		user, err := viewerKey(r, q.user)
		if err != nil {
			return err
		}
		cids, err := q.find(r, user, now)
		if err != nil {
			return err
		}
		rr := render.New(r)
		size := 0
		for _, cid := range cids {
			row, err := r.Channel(cid)
			if err != nil {
				return err
			}
			v, err := newView(r, rr, &row, user, now)
			if err != nil {
				return err
			}
			v.size = size
			if out, err = v.appendState(comma(out), &q.stateQuery); err != nil {
				return err
			}
			size = v.size
		}
		return nil
	})
	return append(out, `]}`...), err
}

func decodeChannelQuery(body []byte) (*channelQuery, error) {
	q := &channelQuery{stateQuery: newStateQuery(), limit: defaultChannels}
	q.state = true
	var conditions, sort jsontext.Value
	var user who
	err := eachField(body, func(name string, v jsontext.Value, at int64) (err error) {
		var n int64
		switch name {
		case "filter_conditions":
			conditions = v
		case "sort":
			sort = v
		case "limit":
			n, err = wire.Int(name, v, at, 0, maxChannels)
			q.limit = int(n)
		case "offset":
			n, err = wire.Int(name, v, at, 0, maxOffset)
			q.offset = int(n)
		case "message_limit":
			n, err = wire.Int(name, v, at, 0, maxMessages)
			q.messages.limit = int(n)
		case "member_limit":
			n, err = wire.Int(name, v, at, 0, maxPage)
			q.members.limit = int(n)
		case "state":
			q.state, err = wire.Bool(name, v, at)
		default:
			err = user.take(name, v, at)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	q.user = user.id
	return q, q.parse(conditions, sort)
}

func (q *channelQuery) parse(conditions, sort jsontext.Value) (err error) {
	options := filter.Options{Fields: channelFields, Custom: true, Reserved: isReserved(wire.KindChannel)}
	if q.filter, err = filter.ParseWith(conditions, options); err != nil {
		return wire.BadField("filter_conditions", "%s", err)
	}
	if q.sort, err = filter.ParseSort(sort, options); err != nil {
		return wire.BadField("sort", "%s", err)
	}
	q.hidden = q.filter.Asks("hidden")
	if q.filter.Asks("member.user.name") {
		return wire.BadField("filter_conditions", "cannot ask for member.user.name: query the members of a channel instead")
	}
	for _, field := range slices.Sorted(maps.Keys(ownFields)) {
		if q.user == "" && q.filter.Asks(field) {
			return wire.BadField("user_id", "is required with a filter on %s", field)
		}
	}
	for _, by := range q.sort {
		if ownFields[by.Field] && q.user == "" {
			return wire.BadField("user_id", "is required when sorting by %s", by.Field)
		}
	}
	if len(q.sort) == 0 {
		q.sort = filter.Sort{{Field: "last_updated", Descending: true}}
	}
	return nil
}

// find finds the channels that are meant, in order. Whatever the app has, it
// remembers no more of them than limit and offset say.
func (q *channelQuery) find(r store.Reader, user int64, now chat.Time) ([]string, error) {
	page := filter.NewPage[string](q.sort, q.offset, q.limit)
	var key []filter.Value
	err := q.candidates(r, user, func(row *store.ChannelRow) error {
		if row.Channel.DeletedAt != 0 {
			return nil
		}
		c := &channelValues{r: r, row: row, user: user, now: now}
		ok, err := q.filter.Match(c.get)
		if err != nil || !ok {
			return err
		}
		if user != 0 && !q.hidden {
			if hidden, err := c.marked(store.Hidden); err != nil || hidden {
				return err
			}
		}
		if key, err = q.sort.AppendKey(key[:0], c.get); err != nil {
			return err
		}
		cid := row.Channel.CID()
		page.Add(key, cid, cid)
		return nil
	})
	return page.Items(), err
}

// candidates calls fn with channels among which are all that are meant. It takes
// the shortest way to them that the filter shows.
func (q *channelQuery) candidates(r store.Reader, user int64, fn func(*store.ChannelRow) error) error {
	if cids, ok := q.cids(); ok {
		for _, cid := range cids {
			row, err := r.Channel(cid)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err == nil {
				err = fn(&row)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if members, ok := q.filter.Equals("members"); ok {
		return channelsOf(r, members, fn)
	}
	if _, ok := q.filter.Equals("invite"); ok {
		return r.ChannelsOf(user, fn)
	}
	return r.Channels("", fn)
}

// maxLookUps bounds how many channels are looked up one by one.
const maxLookUps = 1000

// cids are the channels that the filter names, by cid, or by type and id.
func (q *channelQuery) cids() ([]string, bool) {
	if cids, ok := q.filter.Equals("cid"); ok {
		return cids, true
	}
	types, ok := q.filter.Equals("type")
	if !ok {
		return nil, false
	}
	ids, ok := q.filter.Equals("id")
	if !ok || len(types)*len(ids) > maxLookUps {
		return nil, false
	}
	var cids []string
	for _, typ := range types {
		for _, id := range ids {
			cids = append(cids, typ+":"+id)
		}
	}
	return cids, true
}

// channelsOf calls fn with every channel that has one of the members, once.
func channelsOf(r store.Reader, members []string, fn func(*store.ChannelRow) error) error {
	var earlier []int64
	for _, id := range members {
		key, err := r.UserKey(id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		err = r.ChannelsOf(key, func(row *store.ChannelRow) error {
			for _, other := range earlier {
				if _, err := r.Member(row.Key, other); err == nil {
					return nil // it was among theirs
				} else if !errors.Is(err, store.ErrNotFound) {
					return err
				}
			}
			return fn(row)
		})
		if err != nil {
			return err
		}
		earlier = append(earlier, key)
	}
	return nil
}

// channelValues gives the fields of a channel for a filter, and looks up only
// what is asked for.
type channelValues struct {
	r    store.Reader
	row  *store.ChannelRow
	user int64 // who asks
	now  chat.Time

	custom []byte
	member *chat.Member // of who asks; UserID is empty if there is none
}

func (c *channelValues) get(field string) (filter.Value, error) {
	ch := &c.row.Channel
	switch field {
	case "cid":
		return filter.StringValue(ch.CID()), nil
	case "id":
		return filter.StringValue(ch.ID), nil
	case "type":
		return filter.StringValue(ch.Type), nil
	case "team":
		return filter.StringValue(ch.Team), nil
	case "created_by_id":
		return filter.StringValue(ch.CreatedBy), nil
	case "created_at":
		return filter.TimeValue(ch.CreatedAt), nil
	case "updated_at":
		return filter.TimeValue(ch.UpdatedAt), nil
	case "last_message_at":
		return filter.TimeValue(ch.LastMessageAt), nil
	case "truncated_at":
		return filter.TimeValue(ch.TruncatedAt), nil
	case "last_updated":
		return filter.TimeValue(max(ch.LastMessageAt, ch.CreatedAt)), nil
	case "member_count":
		return filter.IntValue(int64(c.row.MemberCount)), nil
	case "message_count":
		return filter.IntValue(int64(c.row.MessageCount)), nil
	case "cooldown":
		return filter.IntValue(int64(ch.Cooldown)), nil
	case "frozen":
		return filter.BoolValue(ch.Frozen), nil
	case "disabled":
		return filter.BoolValue(ch.Disabled), nil
	case "members":
		return filter.SetValue(c.row.MemberCount, c.hasMember), nil
	case tagsField:
		return c.tags(), nil
	}
	if ownFields[field] {
		return c.own(field)
	}
	if c.custom == nil {
		c.custom = wire.AppendCustomObject(nil, ch.Custom)
	}
	return filter.CustomValue(c.custom, field), nil
}

func (c *channelValues) hasMember(id string) (bool, error) {
	key, err := c.r.UserKey(id)
	if err == nil {
		_, err = c.r.Member(c.row.Key, key)
	}
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (c *channelValues) tags() filter.Value {
	tags := map[string]bool{}
	for _, tag := range tagsOf(c.row.Channel.Custom) {
		tags[tag] = true
	}
	return filter.SetValue(len(tags), func(tag string) (bool, error) { return tags[tag], nil })
}

func (c *channelValues) marked(kind store.MarkKind) (bool, error) {
	m, is, err := mark(c.r, kind, c.user, c.row.Channel.CID())
	return is && !over(&m, c.now), err
}

// own gives a field that depends on who asks.
func (c *channelValues) own(field string) (v filter.Value, err error) {
	var is bool
	switch field {
	case "hidden":
		is, err = c.marked(store.Hidden)
		return filter.BoolValue(is), err
	case "muted":
		is, err = c.marked(store.Muted)
		return filter.BoolValue(is), err
	case "has_unread", "unread_count":
		read, err := c.r.Read(c.row.Key, c.user)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return v, err
		}
		if field == "has_unread" {
			return filter.BoolValue(read.Unread > 0), nil
		}
		return filter.IntValue(int64(read.Unread)), nil
	}
	if c.member == nil {
		if c.member, err = memberByKey(c.r, c.row, c.user); err != nil {
			return v, err
		}
	}
	return membershipValue(c.member, field), nil
}

// membershipValue is a field that says what a channel is to a member; nobody is
// the member without an id.
func membershipValue(m *chat.Member, field string) filter.Value {
	switch field {
	case "pinned":
		return filter.BoolValue(m.PinnedAt != 0)
	case "pinned_at":
		return filter.TimeValue(m.PinnedAt)
	case "archived":
		return filter.BoolValue(m.ArchivedAt != 0)
	case "joined":
		return filter.BoolValue(m.UserID != "" && (!m.Invited || m.InviteAcceptedAt != 0))
	default:
		return filter.StringValue(inviteOf(m))
	}
}

// inviteOf is where the invite of a member stands; "" if there was none.
func inviteOf(m *chat.Member) string {
	switch {
	case !m.Invited:
		return ""
	case m.InviteRejectedAt != 0:
		return inviteRejected
	case m.InviteAcceptedAt != 0:
		return inviteAccepted
	default:
		return invitePending
	}
}
