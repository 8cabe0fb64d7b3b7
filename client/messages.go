package client

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

type messageAnswer struct {
	Message Message `json:"message"`
}

type messagesAnswer struct {
	Messages []Message `json:"messages"`
}

func (c *Client) oneMessage(ctx context.Context, r *request) (*Message, error) {
	answer, err := call[messageAnswer](ctx, c, r)
	if err != nil {
		return nil, err
	}
	return &answer.Message, nil
}

// SendMessage sends a message; UserID says whose. A message without an id is
// given one, and since no id is taken twice, a message is sent once, however
// often an answer gets lost.
func (c *Client) SendMessage(ctx context.Context, cid string, m Message) (*Message, error) {
	path, err := under("channels", cid, "message")
	if err != nil {
		return nil, err
	}
	m.ID = cmp.Or(m.ID, uuid.NewString())
	r := repost(map[string]any{"message": m.sent()}, path...)
	sent, err := c.oneMessage(ctx, r)
	if r.doubt && IsBadInput(err) {
		// Its id is taken, maybe by what an earlier attempt has sent.
		old, failed := c.GetMessage(ctx, m.ID)
		if failed == nil && old.ID == m.ID && old.CID == cid && old.UserID == m.UserID && old.Text == m.Text {
			return old, nil
		}
	}
	return sent, err
}

// GetMessage returns a message.
func (c *Client) GetMessage(ctx context.Context, id string) (*Message, error) {
	return c.oneMessage(ctx, get("messages", id))
}

// GetMessages returns messages of one channel; those that do not exist are left
// out.
func (c *Client) GetMessages(ctx context.Context, cid string, ids ...string) ([]Message, error) {
	path, err := under("channels", cid, "messages")
	if err != nil {
		return nil, err
	}
	r := get(path...)
	r.query = url.Values{"ids": {strings.Join(ids, ",")}}
	answer, err := call[messagesAnswer](ctx, c, r)
	if err != nil {
		return nil, err
	}
	return answer.Messages, nil
}

// UpdateMessage replaces a message by one that has its id, custom fields and
// all. The message's history may show it twice if an answer was lost.
func (c *Client) UpdateMessage(ctx context.Context, m Message) (*Message, error) {
	return c.oneMessage(ctx, repost(map[string]any{"message": m.sent()}, "messages", m.ID))
}

// PatchMessage changes some fields of a message. To pin it, set "pinned" to
// true, and "pin_expires" if it is not for ever.
func (c *Client) PatchMessage(ctx context.Context, id string, p Patch) (*Message, error) {
	return c.oneMessage(ctx, put(p, "messages", id))
}

// MessageDeletion says how to delete a message.
type MessageDeletion struct {
	Hard      bool   `json:"hard,omitempty"`          // leaves nothing of it
	ForMe     bool   `json:"delete_for_me,omitempty"` // for DeletedBy only
	DeletedBy string `json:"deleted_by,omitempty"`
}

// DeleteMessage deletes a message. When an answer was lost, the retry of a hard
// deletion may say that there is no such message.
func (c *Client) DeleteMessage(ctx context.Context, id string, d MessageDeletion) (*Message, error) {
	r, err := del("messages", id).with(d)
	if err != nil {
		return nil, err
	}
	return c.oneMessage(ctx, r)
}

// UndeleteMessage takes a soft deletion back; by is the user who does it.
func (c *Client) UndeleteMessage(ctx context.Context, id, by string) (*Message, error) {
	return c.oneMessage(ctx, post(map[string]string{"undeleted_by": by}, "messages", id, "undelete"))
}

// Replies lists replies to a message.
func (c *Client) Replies(ctx context.Context, id string, p MessagePage) ([]Message, error) {
	r, err := get("messages", id, "replies").with(p)
	if err != nil {
		return nil, err
	}
	answer, err := call[messagesAnswer](ctx, c, r)
	if err != nil {
		return nil, err
	}
	return answer.Messages, nil
}

// HistoryQuery says which earlier versions of messages to list; Filter takes
// message_id, message_updated_by_id and message_updated_at.
type HistoryQuery struct {
	Filter Filter `json:"filter"`
	Sort   []Sort `json:"sort,omitempty"`
	Limit  int    `json:"limit,omitempty"`
	Next   string `json:"next,omitempty"` // of the page before
}

// HistoryPage is a page of earlier versions, the newest first.
type HistoryPage struct {
	Versions []MessageVersion `json:"message_history"`
	Next     string           `json:"next"` // empty on the last page
	Prev     string           `json:"prev"`
}

// MessageVersion is what a message was before an update.
type MessageVersion struct {
	MessageID          string            `json:"message_id"`
	MessageUpdatedByID string            `json:"message_updated_by_id"`
	MessageUpdatedAt   time.Time         `json:"message_updated_at"`
	Text               string            `json:"text"`
	Attachments        []json.RawMessage `json:"attachments"`
	IsDeleted          bool              `json:"is_deleted"`
	Custom             Custom            `json:"-"`
}

// MarshalJSON writes the flat object.
func (v MessageVersion) MarshalJSON() ([]byte, error) {
	type plain MessageVersion
	return flatten(plain(v), v.Custom, "")
}

// UnmarshalJSON reads the object, custom fields flat or in their own.
func (v *MessageVersion) UnmarshalJSON(b []byte) error {
	type plain MessageVersion
	return unflatten(b, (*plain)(v), &v.Custom, "")
}

// MessageHistory lists earlier versions of messages.
func (c *Client) MessageHistory(ctx context.Context, q HistoryQuery) (*HistoryPage, error) {
	return call[HistoryPage](ctx, c, repost(q, "messages", "history"))
}

// ReactionAnswer is a reaction and the message that it is to.
type ReactionAnswer struct {
	Message  Message  `json:"message"`
	Reaction Reaction `json:"reaction"`
}

// SendReaction adds a user's reaction to a message, in place of one of the same
// type; unique takes the user's other ones away.
func (c *Client) SendReaction(ctx context.Context, messageID string, r Reaction, unique bool) (*ReactionAnswer, error) {
	body := struct {
		Reaction Reaction `json:"reaction"`
		Unique   bool     `json:"enforce_unique,omitempty"`
	}{r.sent(), unique}
	return call[ReactionAnswer](ctx, c, repost(body, "messages", messageID, "reaction"))
}

// DeleteReaction takes a user's reaction away. When an answer was lost, the
// retry may say that there is no such reaction.
func (c *Client) DeleteReaction(ctx context.Context, messageID, reactionType, userID string) (*ReactionAnswer, error) {
	r := del("messages", messageID, "reaction", reactionType)
	r.query = url.Values{"user_id": {userID}}
	return call[ReactionAnswer](ctx, c, r)
}

// Reactions lists reactions to a message.
func (c *Client) Reactions(ctx context.Context, messageID string, p Page) ([]Reaction, error) {
	r, err := get("messages", messageID, "reactions").with(p)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Reactions []Reaction `json:"reactions"`
	}
	err = c.do(ctx, r, &answer)
	return answer.Reactions, err
}
