package live

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"

	"hansard/internal/chat"
	"hansard/internal/render"
	"hansard/internal/store"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// channelUpdate is the body of an update.
type channelUpdate struct {
	data          *chat.Channel // what it is to be; nil = as it is
	cooldown      *int
	message       jsontext.Value // a system message about the update
	add, invites  memberList
	remove        []string
	promote       []string
	demote        []string
	roles         memberList
	accept        bool
	reject        bool
	hideHistory   bool
	hideBefore    chat.Time
	addTags       []string
	removeTags    []string
	user          who
	systemMessage *chat.Message
}

// UpdateChannel replaces what a channel is, if the request says so, and changes
// its members, their roles and their invites.
func (s *Service) UpdateChannel(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	u, err := decodeChannelUpdate(body, typ, id)
	if err != nil {
		return nil, err
	}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		row, err := channel(tx, cid)
		if err != nil {
			return err
		}
		now := s.now()
		if err := u.apply(tx, &row, now); err != nil {
			return err
		}
		if u.systemMessage != nil {
			if err := sendSystem(tx, &row, u.systemMessage, now); err != nil {
				return err
			}
		}
		out, err = changedChannel(tx, cid, u.user.id, u.systemMessage, now)
		return err
	})
	return out, err
}

// changedChannel is the answer to a change of a channel: the channel with its
// members, and the system message about the change.
func changedChannel(tx store.Tx, cid, user string, m *chat.Message, now chat.Time) ([]byte, error) {
	row, err := tx.Channel(cid)
	if err != nil {
		return nil, err
	}
	key, err := viewerKey(tx, user)
	if err != nil {
		return nil, err
	}
	v, err := newView(tx, render.New(tx), &row, key, now)
	if err != nil {
		return nil, err
	}
	members, err := v.memberList()
	if err != nil {
		return nil, err
	}
	out, err := v.appendChannel([]byte(`{"channel":`), members)
	if err != nil {
		return nil, err
	}
	out = append(append(out, `,"members":`...), members...)
	if m != nil {
		if out, err = appendSystem(append(out, `,"message":`...), v, m); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func decodeChannelUpdate(body []byte, typ, id string) (*channelUpdate, error) {
	u := &channelUpdate{}
	err := eachField(body, func(name string, v jsontext.Value, at int64) (err error) {
		switch name {
		case "data":
			err = refuse(u.decodeData(v, typ, id), "data")
		case "cooldown":
			err = u.decodeCooldown(v, at)
		case "message":
			u.message = v
		case "add_members":
			err = u.add.decode(name, v, false)
		case "invites":
			err = u.invites.decode(name, v, true)
		case "remove_members":
			u.remove, err = decodeMemberIDs(name, v)
		case "add_moderators":
			u.promote, err = decodeMemberIDs(name, v)
		case "demote_moderators":
			u.demote, err = decodeMemberIDs(name, v)
		case "assign_roles":
			err = u.decodeRoles(name, v)
		case "accept_invite":
			u.accept, err = wire.Bool(name, v, at)
		case "reject_invite":
			u.reject, err = wire.Bool(name, v, at)
		case "hide_history":
			u.hideHistory, err = wire.Bool(name, v, at)
		case "hide_history_before":
			u.hideBefore, err = wire.Time(name, v, at)
		case "add_filter_tags":
			u.addTags, err = decodeTags(name, v)
		case "remove_filter_tags":
			u.removeTags, err = decodeTags(name, v)
		default:
			err = u.user.take(name, v, at)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case u.accept && u.reject:
		return nil, wire.BadField("reject_invite", "cannot be given with accept_invite")
	case (u.accept || u.reject) && u.user.id == "":
		return nil, errNoUser()
	case len(u.message) > 0:
		u.systemMessage, err = decodeSystem(u.message, u.user.id, typ+":"+id)
	}
	return u, err
}

func (u *channelUpdate) decodeData(v jsontext.Value, typ, id string) error {
	in, err := wire.DecodeNewChannel(v, nil)
	if err != nil {
		return err
	}
	u.data = &in.Channel
	if in.Cooldown != 0 {
		u.cooldown = &in.Cooldown
	}
	return checkChannelData(&in, typ, id)
}

func (u *channelUpdate) decodeCooldown(v jsontext.Value, at int64) error {
	n, err := wire.Int("cooldown", v, at, 0, math.MaxInt32)
	seconds := int(n)
	u.cooldown = &seconds
	return err
}

func (u *channelUpdate) decodeRoles(field string, v jsontext.Value) error {
	if err := u.roles.decode(field, v, false); err != nil {
		return err
	}
	for i := range u.roles {
		if u.roles[i].ChannelRole == "" {
			return wire.BadField(fmt.Sprintf("%s[%d].channel_role", field, i), "is required")
		}
	}
	return nil
}

func (u *channelUpdate) apply(tx store.Tx, row *store.ChannelRow, now chat.Time) error {
	if _, err := viewerKey(tx, u.user.id); err != nil {
		return err
	}
	if err := u.applyData(tx, row, now); err != nil {
		return err
	}
	if err := u.applyMembers(tx, row, now); err != nil {
		return err
	}
	for _, id := range u.promote {
		moderator := memberList{{UserID: id, ChannelRole: roleModerator}}
		if _, err := join(tx, row.Key, "add_moderators", moderator, now); err != nil {
			return err
		}
		if err := setRole(tx, row, "add_moderators", id, roleModerator, now); err != nil {
			return err
		}
	}
	for _, id := range u.demote {
		if err := setRole(tx, row, "demote_moderators", id, roleMember, now); err != nil {
			return err
		}
	}
	for i := range u.roles {
		if err := setRole(tx, row, "assign_roles", u.roles[i].UserID, u.roles[i].ChannelRole, now); err != nil {
			return err
		}
	}
	if u.accept || u.reject {
		return u.answerInvite(tx, row, now)
	}
	return nil
}

// applyData changes the channel itself.
func (u *channelUpdate) applyData(tx store.Tx, row *store.ChannelRow, now chat.Time) error {
	ch := &row.Channel
	if u.data != nil {
		ch.Frozen, ch.Disabled, ch.Team, ch.Custom = u.data.Frozen, u.data.Disabled, u.data.Team, u.data.Custom
	}
	if u.cooldown != nil {
		ch.Cooldown = *u.cooldown
	}
	if len(u.addTags)+len(u.removeTags) > 0 {
		if err := u.applyTags(ch); err != nil {
			return err
		}
	}
	ch.UpdatedAt = max(now, ch.UpdatedAt)
	_, err := tx.PutChannel(ch)
	return err
}

func (u *channelUpdate) applyTags(ch *chat.Channel) error {
	tags := slices.DeleteFunc(tagsOf(ch.Custom), func(tag string) bool { return slices.Contains(u.removeTags, tag) })
	for _, tag := range u.addTags {
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	if len(tags) == 0 {
		ch.Custom = wire.UnsetCustom(ch.Custom, tagsField)
		return nil
	}
	list := []byte{'['}
	for _, tag := range tags {
		list = wire.AppendString(comma(list), tag)
	}
	custom, err := wire.PatchCustom(ch.Custom, tagsField, append(list, ']'))
	ch.Custom = custom
	return refuse(err, "")
}

func (u *channelUpdate) applyMembers(tx store.Tx, row *store.ChannelRow, now chat.Time) error {
	if err := usersExist(tx, "remove_members", u.remove); err != nil {
		return err
	}
	for _, id := range u.remove {
		if err := leave(tx, row, id); err != nil {
			return err
		}
	}
	added, err := join(tx, row.Key, "add_members", u.add, now)
	if err != nil {
		return err
	}
	if from := u.historyFrom(row, now); from != 0 {
		for _, id := range added {
			key, err := tx.UserKey(id)
			if err != nil {
				return err
			}
			if err := tx.PutMark(&store.Mark{Kind: store.Cleared, User: key, Subject: row.Channel.CID(), At: from}); err != nil {
				return err
			}
		}
	}
	return u.invite(tx, row, now)
}

// historyFrom is from when on members who are added see messages; 0 = all.
func (u *channelUpdate) historyFrom(row *store.ChannelRow, now chat.Time) chat.Time {
	if u.hideHistory {
		return max(now, row.Channel.LastMessageAt+1)
	}
	return u.hideBefore
}

// invite invites users, also those who rejected an earlier invite.
func (u *channelUpdate) invite(tx store.Tx, row *store.ChannelRow, now chat.Time) error {
	if _, err := join(tx, row.Key, "invites", u.invites, now); err != nil {
		return err
	}
	for i := range u.invites {
		m, is, err := storedMember(tx, row, u.invites[i].UserID)
		if err != nil {
			return err
		}
		if !is || m.InviteRejectedAt == 0 {
			continue
		}
		m.Invited, m.Status, m.InviteRejectedAt, m.InviteAcceptedAt = true, invitePending, 0, 0
		m.UpdatedAt = max(now, m.UpdatedAt)
		if err := tx.PutMember(row.Key, &m); err != nil {
			return err
		}
	}
	return nil
}

// answerInvite accepts or rejects the invite of the user who is named.
func (u *channelUpdate) answerInvite(tx store.Tx, row *store.ChannelRow, now chat.Time) error {
	m, err := mustBeMember(tx, row, "user_id", u.user.id)
	switch {
	case err != nil:
		return err
	case !m.Invited:
		return wire.BadField("user_id", "names a member who was not invited: %s", u.user.id)
	case m.InviteAcceptedAt != 0:
		return wire.BadField("user_id", "names a member who has accepted the invite already: %s", u.user.id)
	case m.InviteRejectedAt != 0:
		return wire.BadField("user_id", "names a member who has rejected the invite already: %s", u.user.id)
	}
	if u.accept {
		m.InviteAcceptedAt, m.Status = now, inviteAccepted
	} else {
		m.InviteRejectedAt, m.Status = now, inviteRejected
	}
	m.UpdatedAt = max(now, m.UpdatedAt)
	return tx.PutMember(row.Key, &m)
}

// UpdateChannelPartial changes some fields of a channel: its custom fields, by
// path, and those built-in ones that are for the application to say.
func (s *Service) UpdateChannelPartial(ctx context.Context, app int64, typ, id string, _ url.Values, body []byte) ([]byte, error) {
	cid, err := cidOf(typ, id)
	if err != nil {
		return nil, err
	}
	p, err := decodePatch(body)
	if err != nil {
		return nil, err
	}
	var out []byte
	err = s.Store.Update(ctx, app, func(tx store.Tx) error {
		row, err := channel(tx, cid)
		if err != nil {
			return err
		}
		if err := p.checkUser(tx); err != nil {
			return err
		}
		now := s.now()
		if err := patchChannel(&row.Channel, p); err != nil {
			return err
		}
		row.Channel.UpdatedAt = max(now, row.Channel.UpdatedAt)
		if _, err := tx.PutChannel(&row.Channel); err != nil {
			return err
		}
		out, err = changedChannel(tx, cid, p.user.id, nil, now)
		return err
	})
	return out, err
}

func patchChannel(ch *chat.Channel, p *patch) error {
	for i := range p.set {
		e := &p.set[i]
		field := "set." + e.Path
		var err error
		switch e.Path {
		case "frozen":
			ch.Frozen, err = wire.Bool(field, e.Value, e.Offset)
		case "disabled":
			ch.Disabled, err = wire.Bool(field, e.Value, e.Offset)
		case "team":
			ch.Team, err = wire.String(field, e.Value, e.Offset)
		case "cooldown":
			var n int64
			n, err = wire.Int(field, e.Value, e.Offset, 0, math.MaxInt32)
			ch.Cooldown = int(n)
		case tagsField:
			if wire.IsNull(e.Value) {
				ch.Custom = wire.UnsetCustom(ch.Custom, tagsField)
			} else if _, err = decodeTags(field, e.Value); err == nil {
				ch.Custom, err = p.patchCustom(wire.KindChannel, ch.Custom, e)
			}
		default:
			ch.Custom, err = p.patchCustom(wire.KindChannel, ch.Custom, e)
		}
		if err != nil {
			return refuse(err, "")
		}
	}
	for i, path := range p.unset {
		switch path {
		case "frozen":
			ch.Frozen = false
		case "disabled":
			ch.Disabled = false
		case "team":
			ch.Team = ""
		case "cooldown":
			ch.Cooldown = 0
		default:
			custom, err := p.unsetCustom(wire.KindChannel, ch.Custom, i)
			if err != nil {
				return err
			}
			ch.Custom = custom
		}
	}
	return nil
}
