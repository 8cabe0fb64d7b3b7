package client

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Channels are named by their cid, "type:id".

// under makes a path of a cid: what, its type, its id, and more.
func under(what, cid string, more ...string) ([]string, error) {
	typ, id, ok := strings.Cut(cid, ":")
	if !ok || typ == "" || id == "" {
		return nil, fmt.Errorf("%q must be type:id, such as messaging:general", cid)
	}
	return append([]string{what, typ, id}, more...), nil
}

// ChannelState is a channel and the part of its state that was asked for.
type ChannelState struct {
	Channel        Channel   `json:"channel"`
	Messages       []Message `json:"messages"`
	PinnedMessages []Message `json:"pinned_messages"`
	Members        []Member  `json:"members"`
	Read           []Read    `json:"read"`
	Membership     *Member   `json:"membership"` // of the user who asked
	Hidden         bool      `json:"hidden"`     // for that user
}

// ChannelRequest asks for a channel.
type ChannelRequest struct {
	// Data is what the channel is to be if it does not exist; CreatedByID is
	// then required.
	Data *Channel
	// State asks for messages, members and read states too.
	State    bool
	Messages MessagePage
	Members  Page
	// HideForCreator hides a channel that is created from who creates it.
	HideForCreator bool
}

// GetOrCreateChannel returns a channel, after creating it if it does not exist.
func (c *Client) GetOrCreateChannel(ctx context.Context, cid string, r ChannelRequest) (*ChannelState, error) {
	path, err := under("channels", cid, "query")
	if err != nil {
		return nil, err
	}
	return c.channelState(ctx, r, path)
}

// GetOrCreateDistinctChannel is GetOrCreateChannel for the one channel of that
// type that has the members in r.Data.
func (c *Client) GetOrCreateDistinctChannel(ctx context.Context, typ string, r ChannelRequest) (*ChannelState, error) {
	return c.channelState(ctx, r, []string{"channels", typ, "query"})
}

func (c *Client) channelState(ctx context.Context, r ChannelRequest, path []string) (*ChannelState, error) {
	body := struct {
		Data     *Channel    `json:"data,omitempty"`
		State    bool        `json:"state"`
		Messages MessagePage `json:"messages,omitzero"`
		Members  Page        `json:"members,omitzero"`
		Hide     bool        `json:"hide_for_creator,omitempty"`
	}{nil, r.State, r.Messages, r.Members, r.HideForCreator}
	if r.Data != nil {
		data := r.Data.sent()
		body.Data = &data
	}
	return call[ChannelState](ctx, c, repost(body, path...))
}

// ChannelQuery says which channels to list, and what of them.
type ChannelQuery struct {
	Filter       Filter `json:"filter_conditions"`
	Sort         []Sort `json:"sort,omitempty"`
	Page                // 10 if no limit is given, 30 at most
	State        bool   `json:"state"` // messages, members and read states too
	MessageLimit int    `json:"message_limit,omitempty"`
	MemberLimit  int    `json:"member_limit,omitempty"`
	UserID       string `json:"user_id,omitempty"` // who asks
}

// QueryChannels lists channels. Deleted ones are not found.
func (c *Client) QueryChannels(ctx context.Context, q ChannelQuery) ([]ChannelState, error) {
	var answer struct {
		Channels []ChannelState `json:"channels"`
	}
	err := c.do(ctx, repost(q, "channels"), &answer)
	return answer.Channels, err
}

// ChannelUpdate says what to change of a channel. What is left out stays as it
// is; Data, if given, replaces all of the channel's own and custom fields.
type ChannelUpdate struct {
	Data             *Channel
	Message          *Message // a system message about it
	AddMembers       []Member
	RemoveMembers    []string
	Invites          []Member
	AddModerators    []string
	DemoteModerators []string
	AssignRoles      []Member // UserID and ChannelRole
	// AcceptInvite and RejectInvite are for the invited user UserID.
	AcceptInvite bool
	RejectInvite bool
	UserID       string
	HideHistory  bool // from members who are added
	Cooldown     *int // seconds
}

// ChannelAnswer is a channel after a change, some of its members, and the
// system message about the change, if there is one.
type ChannelAnswer struct {
	Channel Channel  `json:"channel"`
	Members []Member `json:"members"`
	Message *Message `json:"message"`
}

// UpdateChannel changes a channel and its members.
func (c *Client) UpdateChannel(ctx context.Context, cid string, u ChannelUpdate) (*ChannelAnswer, error) {
	path, err := under("channels", cid)
	if err != nil {
		return nil, err
	}
	body := struct {
		Data             *Channel     `json:"data,omitempty"`
		Message          *sentMessage `json:"message,omitempty"`
		AddMembers       []Member     `json:"add_members,omitempty"`
		RemoveMembers    []string     `json:"remove_members,omitempty"`
		Invites          []Member     `json:"invites,omitempty"`
		AddModerators    []string     `json:"add_moderators,omitempty"`
		DemoteModerators []string     `json:"demote_moderators,omitempty"`
		AssignRoles      []Member     `json:"assign_roles,omitempty"`
		AcceptInvite     bool         `json:"accept_invite,omitempty"`
		RejectInvite     bool         `json:"reject_invite,omitempty"`
		UserID           string       `json:"user_id,omitempty"`
		HideHistory      bool         `json:"hide_history,omitempty"`
		Cooldown         *int         `json:"cooldown,omitempty"`
	}{
		AddMembers: sentAll(u.AddMembers), RemoveMembers: u.RemoveMembers, Invites: sentAll(u.Invites),
		AddModerators: u.AddModerators, DemoteModerators: u.DemoteModerators, AssignRoles: sentAll(u.AssignRoles),
		AcceptInvite: u.AcceptInvite, RejectInvite: u.RejectInvite, UserID: u.UserID, HideHistory: u.HideHistory, Cooldown: u.Cooldown,
	}
	if u.Data != nil {
		data := u.Data.sent()
		data.Members, data.Invites = nil, nil // have their own ways
		body.Data = &data
	}
	if u.Message != nil {
		message := u.Message.sent()
		body.Message = &message
	}
	r := repost(body, path...)
	r.again = u.Message == nil // or there would be two
	return call[ChannelAnswer](ctx, c, r)
}

// PatchChannel changes some fields of a channel.
func (c *Client) PatchChannel(ctx context.Context, cid string, p Patch) (*ChannelAnswer, error) {
	path, err := under("channels", cid)
	if err != nil {
		return nil, err
	}
	return call[ChannelAnswer](ctx, c, patch(p, path...))
}

// DeleteChannel deletes a channel; hard leaves nothing of it.
func (c *Client) DeleteChannel(ctx context.Context, cid string, hard bool) (*Channel, error) {
	path, err := under("channels", cid)
	if err != nil {
		return nil, err
	}
	r, err := del(path...).with(map[string]bool{"hard_delete": hard})
	if err != nil {
		return nil, err
	}
	answer, err := call[ChannelAnswer](ctx, c, r)
	if err != nil {
		return nil, err
	}
	return &answer.Channel, nil
}

// DeleteChannels deletes channels, up to 100, and returns the id of the task
// that does it.
func (c *Client) DeleteChannels(ctx context.Context, cids []string, hard bool) (string, error) {
	return c.taskOf(ctx, post(map[string]any{"cids": cids, "hard_delete": hard}, "channels", "delete"))
}

// Truncation says how to truncate a channel.
type Truncation struct {
	Hard        bool      // leaves nothing of the messages
	TruncatedAt time.Time // the messages before it; now if zero
	UserID      string    // who does it
	Message     *Message  // a system message that stays
}

// TruncateChannel hides or removes the messages of a channel.
func (c *Client) TruncateChannel(ctx context.Context, cid string, t Truncation) (*ChannelAnswer, error) {
	path, err := under("channels", cid, "truncate")
	if err != nil {
		return nil, err
	}
	body := struct {
		Hard        bool         `json:"hard_delete,omitempty"`
		TruncatedAt time.Time    `json:"truncated_at,omitzero"`
		UserID      string       `json:"user_id,omitempty"`
		Message     *sentMessage `json:"message,omitempty"`
	}{Hard: t.Hard, TruncatedAt: t.TruncatedAt, UserID: t.UserID}
	if t.Message != nil {
		message := t.Message.sent()
		body.Message = &message
	}
	return call[ChannelAnswer](ctx, c, post(body, path...))
}

// MarkRead says that a user has read a channel up to a message, or all of it if
// messageID is empty.
func (c *Client) MarkRead(ctx context.Context, cid, userID, messageID string) error {
	path, err := under("channels", cid, "read")
	if err != nil {
		return err
	}
	body := map[string]string{"user_id": userID}
	if messageID != "" {
		body["message_id"] = messageID
	}
	return c.do(ctx, repost(body, path...), nil)
}

// MarkUnread says that a user has not read a channel from a message on.
func (c *Client) MarkUnread(ctx context.Context, cid, userID, messageID string) error {
	path, err := under("channels", cid, "unread")
	if err != nil {
		return err
	}
	return c.do(ctx, repost(map[string]string{"user_id": userID, "message_id": messageID}, path...), nil)
}

// HideChannel hides a channel from a user, until there is something new in it.
// clearHistory hides its messages too.
func (c *Client) HideChannel(ctx context.Context, cid, userID string, clearHistory bool) error {
	path, err := under("channels", cid, "hide")
	if err != nil {
		return err
	}
	return c.do(ctx, post(map[string]any{"user_id": userID, "clear_history": clearHistory}, path...), nil)
}

// ShowChannel takes HideChannel back.
func (c *Client) ShowChannel(ctx context.Context, cid, userID string) error {
	path, err := under("channels", cid, "show")
	if err != nil {
		return err
	}
	return c.do(ctx, repost(map[string]any{"user_id": userID}, path...), nil)
}

// MemberQuery says which members of a channel to list.
type MemberQuery struct {
	Filter Filter `json:"filter_conditions"`
	Sort   []Sort `json:"sort,omitempty"`
	Page          // 100 at most
}

// QueryMembers lists members of a channel.
func (c *Client) QueryMembers(ctx context.Context, cid string, q MemberQuery) ([]Member, error) {
	path, err := under("members", cid)
	if err != nil {
		return nil, err
	}
	r, err := get("members").payload(struct {
		Type string `json:"type"`
		ID   string `json:"id"`
		MemberQuery
	}{path[1], path[2], q})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Members []Member `json:"members"`
	}
	err = c.do(ctx, r, &answer)
	return answer.Members, err
}

// PatchMember changes some fields of a member; "pinned" and "archived" are
// among them.
func (c *Client) PatchMember(ctx context.Context, cid, userID string, p Patch) (*Member, error) {
	path, err := under("channels", cid, "member", userID)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Member Member `json:"channel_member"`
	}
	if err := c.do(ctx, patch(p, path...), &answer); err != nil {
		return nil, err
	}
	return &answer.Member, nil
}
