package client

import (
	"encoding/json"
	"time"
)

// The objects of a chat. Each consists of what an application says of it, of
// its custom fields, and of what the server says of it (the embedded struct
// with Info in its name), which requests leave out: an object that was read can
// be changed and sent back as it is. In JSON all of it is one flat object.

// User is a user.
type User struct {
	ID        string   `json:"id"`
	Role      string   `json:"role,omitzero"` // "user" if empty
	Name      string   `json:"name,omitzero"`
	Image     string   `json:"image,omitzero"`
	Language  string   `json:"language,omitzero"`
	Teams     []string `json:"teams,omitzero"`
	Invisible bool     `json:"invisible,omitzero"`
	Custom    Custom   `json:"-"`
	UserInfo
}

// UserInfo is what the server says of a user.
type UserInfo struct {
	Banned         bool      `json:"banned,omitzero"`
	ShadowBanned   bool      `json:"shadow_banned,omitzero"`
	Online         bool      `json:"online,omitzero"`
	BlockedUserIDs []string  `json:"blocked_user_ids,omitzero"`
	CreatedAt      time.Time `json:"created_at,omitzero"`
	UpdatedAt      time.Time `json:"updated_at,omitzero"`
	LastActive     time.Time `json:"last_active,omitzero"`
	DeactivatedAt  time.Time `json:"deactivated_at,omitzero"`
	DeletedAt      time.Time `json:"deleted_at,omitzero"`
}

const userReserved = `privacy_settings push_notifications devices mutes user_mutes channel_mutes total_unread_count
	unread_count unread_channels unread_threads ban_expires revoke_tokens_issued_before avg_response_time`

// MarshalJSON writes the flat object.
func (u User) MarshalJSON() ([]byte, error) {
	type plain User // without this method
	return flatten(plain(u), u.Custom, userReserved)
}

// UnmarshalJSON reads the flat object.
func (u *User) UnmarshalJSON(b []byte) error {
	type plain User
	return unflatten(b, (*plain)(u), &u.Custom, userReserved)
}

func (u User) sent() User {
	u.UserInfo = UserInfo{}
	return u
}

// Channel is a channel.
type Channel struct {
	// CreatedByID must be given for a channel that is to be created.
	CreatedByID string `json:"created_by_id,omitzero"`
	Team        string `json:"team,omitzero"`
	Frozen      bool   `json:"frozen,omitzero"`
	Disabled    bool   `json:"disabled,omitzero"`
	Cooldown    int    `json:"cooldown,omitzero"` // seconds
	// Members and Invites are for a channel that is to be created; of one that
	// was read, Members are some of them.
	Members []Member `json:"members,omitzero"`
	Invites []Member `json:"invites,omitzero"`
	Custom  Custom   `json:"-"`
	ChannelInfo
}

// ChannelInfo is what the server says of a channel.
type ChannelInfo struct {
	CID             string          `json:"cid,omitzero"` // "type:id"
	ID              string          `json:"id,omitzero"`
	Type            string          `json:"type,omitzero"`
	CreatedBy       *User           `json:"created_by,omitzero"`
	CreatedAt       time.Time       `json:"created_at,omitzero"`
	UpdatedAt       time.Time       `json:"updated_at,omitzero"`
	DeletedAt       time.Time       `json:"deleted_at,omitzero"`
	TruncatedAt     time.Time       `json:"truncated_at,omitzero"`
	TruncatedBy     *User           `json:"truncated_by,omitzero"`
	LastMessageAt   time.Time       `json:"last_message_at,omitzero"`
	MemberCount     int             `json:"member_count,omitzero"`
	MessageCount    int             `json:"message_count,omitzero"`
	Hidden          bool            `json:"hidden,omitzero"` // for the user who asked
	OwnCapabilities []string        `json:"own_capabilities,omitzero"`
	Config          json.RawMessage `json:"config,omitzero"`
}

const channelReserved = `truncated_by_id member_ids config_overrides membership hide_messages_before muted
	mute_expires_at blocked`

// MarshalJSON writes the flat object.
func (ch Channel) MarshalJSON() ([]byte, error) {
	type plain Channel
	return flatten(plain(ch), ch.Custom, channelReserved)
}

// UnmarshalJSON reads the flat object.
func (ch *Channel) UnmarshalJSON(b []byte) error {
	type plain Channel
	err := unflatten(b, (*plain)(ch), &ch.Custom, channelReserved)
	if ch.CreatedByID == "" && ch.CreatedBy != nil {
		ch.CreatedByID = ch.CreatedBy.ID
	}
	return err
}

func (ch Channel) sent() Channel {
	ch.ChannelInfo = ChannelInfo{}
	ch.Members, ch.Invites = sentAll(ch.Members), sentAll(ch.Invites)
	return ch
}

// Member is a user's membership of a channel.
type Member struct {
	UserID      string `json:"user_id"`
	ChannelRole string `json:"channel_role,omitzero"`
	Status      string `json:"status,omitzero"`
	Custom      Custom `json:"-"`
	MemberInfo
}

// MemberInfo is what the server says of a member.
type MemberInfo struct {
	User               *User     `json:"user,omitzero"`
	Role               string    `json:"role,omitzero"` // "owner" or "member"
	CreatedAt          time.Time `json:"created_at,omitzero"`
	UpdatedAt          time.Time `json:"updated_at,omitzero"`
	DeletedAt          time.Time `json:"deleted_at,omitzero"`
	Banned             bool      `json:"banned,omitzero"`
	ShadowBanned       bool      `json:"shadow_banned,omitzero"`
	Invited            bool      `json:"invited,omitzero"`
	InviteAcceptedAt   time.Time `json:"invite_accepted_at,omitzero"`
	InviteRejectedAt   time.Time `json:"invite_rejected_at,omitzero"`
	NotificationsMuted bool      `json:"notifications_muted,omitzero"`
	ArchivedAt         time.Time `json:"archived_at,omitzero"`
	PinnedAt           time.Time `json:"pinned_at,omitzero"`
}

const memberReserved = `is_moderator ban_expires cid channel_cid channel_type channel_id channel_member_ids channel
	message_id last_read hide_channel hide_messages_before deleted_messages`

// MarshalJSON writes the flat object.
func (m Member) MarshalJSON() ([]byte, error) {
	type plain Member
	return flatten(plain(m), m.Custom, memberReserved)
}

// UnmarshalJSON reads the flat object.
func (m *Member) UnmarshalJSON(b []byte) error {
	type plain Member
	err := unflatten(b, (*plain)(m), &m.Custom, memberReserved)
	if m.UserID == "" && m.User != nil {
		m.UserID = m.User.ID
	}
	return err
}

func (m Member) sent() Member {
	m.MemberInfo = MemberInfo{}
	return m
}

// Read is how far a user has read a channel.
type Read struct {
	User              *User     `json:"user"`
	LastRead          time.Time `json:"last_read"`
	LastReadMessageID string    `json:"last_read_message_id,omitzero"`
	UnreadMessages    int       `json:"unread_messages"`
}

// Message is a message.
type Message struct {
	// ID may be chosen by the one who sends; SendMessage chooses one if it is
	// empty.
	ID     string `json:"id,omitzero"`
	Type   string `json:"type,omitzero"` // "regular", "reply", "system" or "deleted"
	UserID string `json:"user_id,omitzero"`
	Text   string `json:"text,omitzero"`
	MML    string `json:"mml,omitzero"`
	// Attachments are JSON objects, kept as they are.
	Attachments []json.RawMessage `json:"attachments,omitzero"`
	// MentionedUsers need nothing but an id in a message that is sent.
	MentionedUsers       []User    `json:"mentioned_users,omitzero"`
	ParentID             string    `json:"parent_id,omitzero"` // of a reply
	ShowInChannel        bool      `json:"show_in_channel,omitzero"`
	QuotedMessageID      string    `json:"quoted_message_id,omitzero"`
	Silent               bool      `json:"silent,omitzero"`
	Pinned               bool      `json:"pinned,omitzero"`
	PinExpires           time.Time `json:"pin_expires,omitzero"`
	RestrictedVisibility []string  `json:"restricted_visibility,omitzero"` // user ids
	Custom               Custom    `json:"-"`
	MessageInfo
}

// MessageInfo is what the server says of a message.
type MessageInfo struct {
	CID                  string                   `json:"cid,omitzero"`
	User                 *User                    `json:"user,omitzero"`
	HTML                 string                   `json:"html,omitzero"` // made of the text
	Command              string                   `json:"command,omitzero"`
	I18n                 json.RawMessage          `json:"i18n,omitzero"`
	LatestReactions      []Reaction               `json:"latest_reactions,omitzero"`
	OwnReactions         []Reaction               `json:"own_reactions,omitzero"`
	ReactionCounts       map[string]int           `json:"reaction_counts,omitzero"`
	ReactionScores       map[string]int           `json:"reaction_scores,omitzero"`
	ReactionGroups       map[string]ReactionGroup `json:"reaction_groups,omitzero"`
	ReplyCount           int                      `json:"reply_count,omitzero"`
	DeletedReplyCount    int                      `json:"deleted_reply_count,omitzero"`
	ThreadParticipants   []User                   `json:"thread_participants,omitzero"`
	QuotedMessage        *Message                 `json:"quoted_message,omitzero"`
	CreatedAt            time.Time                `json:"created_at,omitzero"`
	UpdatedAt            time.Time                `json:"updated_at,omitzero"`
	DeletedAt            time.Time                `json:"deleted_at,omitzero"`
	MessageTextUpdatedAt time.Time                `json:"message_text_updated_at,omitzero"`
	Shadowed             bool                     `json:"shadowed,omitzero"`
	PinnedAt             time.Time                `json:"pinned_at,omitzero"`
	PinnedBy             *User                    `json:"pinned_by,omitzero"`
	DeletedForMe         bool                     `json:"deleted_for_me,omitzero"`
}

const messageReserved = `channel_cid channel_type channel_id channel_member_ids message_id mentioned_users_ids
	mentioned_user_ids mentioned_channel mentioned_here pinned_by_id channel member before_message_send_failed draft reminder`

// MarshalJSON writes the flat object.
func (m Message) MarshalJSON() ([]byte, error) {
	type plain Message
	return flatten(plain(m), m.Custom, messageReserved)
}

// UnmarshalJSON reads the flat object.
func (m *Message) UnmarshalJSON(b []byte) error {
	type plain Message
	err := unflatten(b, (*plain)(m), &m.Custom, messageReserved)
	if m.UserID == "" && m.User != nil {
		m.UserID = m.User.ID
	}
	return err
}

func (m Message) sent() sentMessage {
	s := sentMessage(m)
	s.MessageInfo = MessageInfo{}
	return s
}

// sentMessage is a message in a request, which names users by their ids.
type sentMessage Message

func (m sentMessage) MarshalJSON() ([]byte, error) {
	type plain sentMessage
	v := struct {
		plain
		Mentioned []string `json:"mentioned_users,omitzero"` // instead of the field of that name
	}{plain: plain(m)}
	for i := range m.MentionedUsers {
		v.Mentioned = append(v.Mentioned, m.MentionedUsers[i].ID)
	}
	return flatten(v, m.Custom, messageReserved)
}

// Reaction is a user's reaction to a message.
type Reaction struct {
	Type   string `json:"type"`
	UserID string `json:"user_id,omitzero"`
	Score  int    `json:"score,omitzero"` // 0 means 1 in a reaction that is sent
	Custom Custom `json:"-"`
	ReactionInfo
}

// ReactionInfo is what the server says of a reaction.
type ReactionInfo struct {
	MessageID string    `json:"message_id,omitzero"`
	User      *User     `json:"user,omitzero"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

const reactionReserved = "cid channel_cid channel_type channel_id"

// MarshalJSON writes the flat object.
func (r Reaction) MarshalJSON() ([]byte, error) {
	type plain Reaction
	return flatten(plain(r), r.Custom, reactionReserved)
}

// UnmarshalJSON reads the flat object.
func (r *Reaction) UnmarshalJSON(b []byte) error {
	type plain Reaction
	err := unflatten(b, (*plain)(r), &r.Custom, reactionReserved)
	if r.UserID == "" && r.User != nil {
		r.UserID = r.User.ID
	}
	return err
}

func (r Reaction) sent() Reaction {
	r.ReactionInfo = ReactionInfo{}
	return r
}

// ReactionGroup sums up a message's reactions of one type.
type ReactionGroup struct {
	Count           int       `json:"count"`
	SumScores       int       `json:"sum_scores"`
	FirstReactionAt time.Time `json:"first_reaction_at"`
	LastReactionAt  time.Time `json:"last_reaction_at"`
}

// Call is an audio or video call.
type Call struct {
	// CreatedByID must be given for a call that is to be created.
	CreatedByID string       `json:"created_by_id,omitzero"`
	Team        string       `json:"team,omitzero"`
	StartsAt    time.Time    `json:"starts_at,omitzero"`
	Members     []CallMember `json:"members,omitzero"`
	Custom      Custom       `json:"-"`
	CallInfo
}

// CallInfo is what the server says of a call.
type CallInfo struct {
	CID       string          `json:"cid,omitzero"` // "type:id"
	ID        string          `json:"id,omitzero"`
	Type      string          `json:"type,omitzero"`
	CreatedBy *User           `json:"created_by,omitzero"`
	CreatedAt time.Time       `json:"created_at,omitzero"`
	UpdatedAt time.Time       `json:"updated_at,omitzero"`
	EndedAt   time.Time       `json:"ended_at,omitzero"`
	Session   json.RawMessage `json:"session,omitzero"`
}

const callReserved = `current_session_id backstage recording transcribing translating captioning settings
	settings_override ingress egress blocked_user_ids own_capabilities`

// MarshalJSON writes the flat object.
func (cl Call) MarshalJSON() ([]byte, error) {
	type plain Call
	return flatten(plain(cl), cl.Custom, callReserved)
}

// UnmarshalJSON reads the flat object.
func (cl *Call) UnmarshalJSON(b []byte) error {
	type plain Call
	err := unflatten(b, (*plain)(cl), &cl.Custom, callReserved)
	if cl.CreatedByID == "" && cl.CreatedBy != nil {
		cl.CreatedByID = cl.CreatedBy.ID
	}
	return err
}

// CallMember is a user's membership of a call.
type CallMember struct {
	UserID string `json:"user_id"`
	Role   string `json:"role,omitzero"`
	Custom Custom `json:"-"`
	CallMemberInfo
}

// CallMemberInfo is what the server says of a call's member.
type CallMemberInfo struct {
	User      *User     `json:"user,omitzero"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	DeletedAt time.Time `json:"deleted_at,omitzero"`
}

// MarshalJSON writes the flat object.
func (m CallMember) MarshalJSON() ([]byte, error) {
	type plain CallMember
	return flatten(plain(m), m.Custom, "")
}

// UnmarshalJSON reads the flat object.
func (m *CallMember) UnmarshalJSON(b []byte) error {
	type plain CallMember
	return unflatten(b, (*plain)(m), &m.Custom, "")
}

// sentCall and sentCallMember are in requests, where the documentation of calls
// has custom fields in an object of their own.
type (
	sentCall struct {
		CreatedByID string           `json:"created_by_id,omitzero"`
		Team        string           `json:"team,omitzero"`
		StartsAt    time.Time        `json:"starts_at,omitzero"`
		Members     []sentCallMember `json:"members,omitzero"`
		Custom      Custom           `json:"custom,omitempty"`
	}
	sentCallMember struct {
		UserID string `json:"user_id"`
		Role   string `json:"role,omitzero"`
		Custom Custom `json:"custom,omitempty"`
	}
)

func (cl Call) sent() sentCall {
	return sentCall{cl.CreatedByID, cl.Team, cl.StartsAt, sentAll(cl.Members), cl.Custom}
}

func (m CallMember) sent() sentCallMember { return sentCallMember{m.UserID, m.Role, m.Custom} }

// sentAll is a list as requests have it.
func sentAll[S any, T interface{ sent() S }](list []T) []S {
	if list == nil {
		return nil
	}
	out := make([]S, len(list))
	for i, v := range list {
		out[i] = v.sent()
	}
	return out
}
