package client

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// ChannelWindow is one entry of a channel export: a cid, or a type and an id,
// and the window of its messages, since <= created_at < until.
type ChannelWindow struct {
	CID   string     `json:"cid,omitempty"`
	Type  string     `json:"type,omitempty"`
	ID    string     `json:"id,omitempty"`
	Since *time.Time `json:"messages_since,omitempty"`
	Until *time.Time `json:"messages_until,omitempty"`
}

// ChannelsRequest asks for an export of channels. See docs/formats.md for what
// each option does to the file.
type ChannelsRequest struct {
	Channels                   []ChannelWindow `json:"channels,omitempty"`
	Filter                     json.RawMessage `json:"filter,omitempty"` // instead of Channels
	IncludeTruncatedMessages   bool            `json:"include_truncated_messages,omitempty"`
	IncludeSoftDeletedChannels bool            `json:"include_soft_deleted_channels,omitempty"`
	ClearDeletedMessageText    bool            `json:"clear_deleted_message_text,omitempty"`
	ExportUsers                bool            `json:"export_users,omitempty"`
	Version                    string          `json:"version,omitempty"` // "v1" or "v2"
	Format                     string          `json:"format,omitempty"`  // "json", "csv" or "parquet"
	IncludeFields              []string        `json:"include_fields,omitempty"`
	Compression                string          `json:"compression,omitempty"` // "none", "gzip" or "zstd"
	EncryptTo                  string          `json:"encrypt_to,omitempty"`  // an age recipient
	// IdempotencyKey makes it safe to ask again, within 24 h and from anywhere:
	// the same request with the same key is answered with the same task. If it
	// is empty, each call has a key of its own, so that its retries never make
	// a second task.
	IdempotencyKey string `json:"-"`
}

// UsersRequest asks for an export of users with all they wrote.
type UsersRequest struct {
	UserIDs        []string `json:"user_ids"`
	Compression    string   `json:"compression,omitempty"`
	EncryptTo      string   `json:"encrypt_to,omitempty"`
	IdempotencyKey string   `json:"-"` // as in ChannelsRequest
}

// taskID is the answer to what becomes a task.
type taskID struct {
	TaskID string `json:"task_id"`
}

// ExportChannels asks for an export of channels and returns the id of its task.
func (c *Client) ExportChannels(ctx context.Context, r ChannelsRequest) (string, error) {
	return c.export(ctx, repost(r, "export_channels"), r.IdempotencyKey)
}

// ExportUsers asks for an export of users and returns the id of its task.
func (c *Client) ExportUsers(ctx context.Context, r UsersRequest) (string, error) {
	return c.export(ctx, repost(r, "export", "users"), r.IdempotencyKey)
}

func (c *Client) export(ctx context.Context, r *request, key string) (string, error) {
	r.header = http.Header{"Idempotency-Key": {cmp.Or(key, uuid.NewString())}}
	var answer taskID
	err := c.do(ctx, r, &answer)
	return answer.TaskID, err
}

// UserExport is all that there is of a user, but for calls.
type UserExport struct {
	User      User       `json:"user"`
	Messages  []Message  `json:"messages"`  // without their User
	Reactions []Reaction `json:"reactions"` // without their User
}

// ExportUser returns all that there is of a user at once. It fails with an
// *Error of code 4 for a user who has more messages than the server's
// --max-user-messages.
func (c *Client) ExportUser(ctx context.Context, userID string) (*UserExport, error) {
	r := get("users", userID, "export")
	r.timeout, r.max = 3*callTime, 8*maxAnswer
	return call[UserExport](ctx, c, r)
}
