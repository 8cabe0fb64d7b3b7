package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Channel is one entry of a channel export: a cid, or a type and an id, and
// the window of its messages, since <= created_at < until.
type Channel struct {
	CID   string     `json:"cid,omitempty"`
	Type  string     `json:"type,omitempty"`
	ID    string     `json:"id,omitempty"`
	Since *time.Time `json:"messages_since,omitempty"`
	Until *time.Time `json:"messages_until,omitempty"`
}

// ChannelsRequest asks for an export of channels. See docs/formats.md for what
// each option does to the file.
type ChannelsRequest struct {
	Channels                   []Channel       `json:"channels,omitempty"`
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
	// IdempotencyKey makes it safe to send the same request again: it is
	// answered with the same task.
	IdempotencyKey string `json:"-"`
}

// UsersRequest asks for an export of users with all they wrote.
type UsersRequest struct {
	UserIDs        []string `json:"user_ids"`
	Compression    string   `json:"compression,omitempty"`
	EncryptTo      string   `json:"encrypt_to,omitempty"`
	IdempotencyKey string   `json:"-"`
}

// ExportChannels asks for an export of channels and returns the id of its task.
func (c *Client) ExportChannels(ctx context.Context, r ChannelsRequest) (string, error) {
	return c.export(ctx, "/export_channels", r.IdempotencyKey, r)
}

// ExportUsers asks for an export of users and returns the id of its task.
func (c *Client) ExportUsers(ctx context.Context, r UsersRequest) (string, error) {
	return c.export(ctx, "/export/users", r.IdempotencyKey, r)
}

func (c *Client) export(ctx context.Context, path, idempotencyKey string, r any) (string, error) {
	header := http.Header{}
	if idempotencyKey != "" {
		header.Set("Idempotency-Key", idempotencyKey)
	}
	var answer struct {
		TaskID string `json:"task_id"`
	}
	err := c.do(ctx, http.MethodPost, path, nil, header, r, &answer)
	return answer.TaskID, err
}
