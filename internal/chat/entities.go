package chat

// Raw is one JSON value, compact, valid, with <, >, &, U+2028 and U+2029
// escaped (contract section 5); nil means "not set".
type Raw []byte

// CustomField is one custom field: its decoded name and its value.
type CustomField struct {
	Name  string
	Value Raw
}

// Custom holds the custom fields of an entity sorted by name, each name once.
type Custom []CustomField

// User is a chat user (contract section 5, user).
type User struct {
	ID            string
	Role          string // "user" unless said otherwise
	Name          string
	Image         string
	Language      string
	Teams         []string
	Banned        bool
	Invisible     bool
	CreatedAt     Time
	UpdatedAt     Time
	LastActive    Time
	DeactivatedAt Time
	DeletedAt     Time
	Custom        Custom
}

// Dangling reports whether u is only a trace of a user: an id and the time of
// its deletion, without a creation time (contract section 6).
func (u *User) Dangling() bool { return u.CreatedAt == 0 }

// Channel is a conversation (contract section 5, channel).
type Channel struct {
	Type          string
	ID            string
	CreatedBy     string // user id
	CreatedAt     Time
	UpdatedAt     Time
	DeletedAt     Time // soft deletion
	TruncatedAt   Time // messages created before it are truncated
	TruncatedBy   string
	LastMessageAt Time
	Frozen        bool
	Disabled      bool
	Team          string
	Cooldown      int // seconds
	Custom        Custom
}

// CID is the channel's id across types: "type:id".
func (c *Channel) CID() string { return c.Type + ":" + c.ID }

// Member is a user's membership of a channel.
type Member struct {
	UserID             string
	Status             string
	ChannelRole        string // "channel_member" unless said otherwise
	CreatedAt          Time
	UpdatedAt          Time
	Banned             bool
	ShadowBanned       bool
	Invited            bool
	NotificationsMuted bool
	ArchivedAt         Time
	PinnedAt           Time
	InviteAcceptedAt   Time
	InviteRejectedAt   Time
	Custom             Custom
}

// Read is how far a user has read a channel.
type Read struct {
	UserID            string
	LastRead          Time
	LastReadMessageID string
	// Unread is the number of unread messages at the time of writing; -1
	// asks the store to count them.
	Unread int
}

// The kinds of a message. A soft-deleted message keeps its kind and is shown
// as "deleted".
const (
	Regular = "regular"
	Reply   = "reply"
	System  = "system"
	Deleted = "deleted"
)

// Message is one message (contract section 5, message).
type Message struct {
	ID                   string
	CID                  string
	UserID               string
	Type                 string // Regular, Reply or System, also while soft-deleted
	Text                 string
	HTML                 string
	MML                  string
	Command              string
	ParentID             string
	ShowInChannel        bool
	QuotedMessageID      string
	Attachments          Raw // an array; nil = []
	I18n                 Raw // an object
	MentionedUsers       []string
	RestrictedVisibility []string
	Silent               bool
	Shadowed             bool
	Pinned               bool
	PinnedAt             Time
	PinnedBy             string
	PinExpires           Time
	CreatedAt            Time
	UpdatedAt            Time
	DeletedAt            Time // soft deletion
	TextUpdatedAt        Time // message_text_updated_at
	Custom               Custom
}

// Reaction is a user's reaction to a message; (MessageID, UserID, Type) is its
// identity.
type Reaction struct {
	MessageID string
	UserID    string
	Type      string
	Score     int
	CreatedAt Time
	UpdatedAt Time
	Custom    Custom
}

// CallMember is a member of a call.
type CallMember struct {
	UserID    string
	Role      string
	CreatedAt Time
	// What exports leave out.
	UpdatedAt Time
	Custom    Custom
}

// Call is an audio or video call (contract section 5, call).
type Call struct {
	Type      string
	ID        string
	CreatedBy string
	CreatedAt Time
	UpdatedAt Time
	StartsAt  Time
	EndedAt   Time
	DeletedAt Time // soft deletion
	Members   []CallMember
	Session   Raw // an object; its "participants" took part in the call
	Settings  Raw // an object; exports leave it out
	Custom    Custom
}

// Detailed reports whether c holds anything that exports leave out.
func (c *Call) Detailed() bool {
	if c.Settings != nil {
		return true
	}
	for i := range c.Members {
		m := &c.Members[i]
		if m.UpdatedAt > m.CreatedAt || len(m.Custom) > 0 {
			return true
		}
	}
	return false
}

// CID is the call's id across types: "type:id".
func (c *Call) CID() string { return c.Type + ":" + c.ID }
