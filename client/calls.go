package client

import (
	"context"
	"time"
)

// Calls are named by their cid, "type:id", as channels are.

// CallState is a call and its members.
type CallState struct {
	Call    Call         `json:"call"`
	Members []CallMember `json:"members"`
	Created bool         `json:"created"` // just now
}

// GetOrCreateCall returns a call, after creating it of data if it does not
// exist.
func (c *Client) GetOrCreateCall(ctx context.Context, cid string, data Call) (*CallState, error) {
	path, err := under("call", cid)
	if err != nil {
		return nil, err
	}
	return call[CallState](ctx, c, repost(map[string]any{"data": data.sent()}, path...))
}

// GetCall returns a call.
func (c *Client) GetCall(ctx context.Context, cid string) (*CallState, error) {
	path, err := under("call", cid)
	if err != nil {
		return nil, err
	}
	return call[CallState](ctx, c, get(path...))
}

// CallUpdate says what to change of a call; what is not given stays as it is.
type CallUpdate struct {
	StartsAt time.Time `json:"starts_at,omitzero"`
	Custom   Custom    `json:"custom,omitzero"`
}

// UpdateCall changes a call.
func (c *Client) UpdateCall(ctx context.Context, cid string, u CallUpdate) (*CallState, error) {
	path, err := under("call", cid)
	if err != nil {
		return nil, err
	}
	return call[CallState](ctx, c, patch(u, path...))
}

// UpdateCallMembers adds members to a call, or changes them, and removes
// others.
func (c *Client) UpdateCallMembers(ctx context.Context, cid string, update []CallMember, remove []string) ([]CallMember, error) {
	path, err := under("call", cid, "members")
	if err != nil {
		return nil, err
	}
	body := struct {
		Update []sentCallMember `json:"update_members,omitempty"`
		Remove []string         `json:"remove_members,omitempty"`
	}{sentAll(update), remove}
	answer, err := call[CallState](ctx, c, repost(body, path...))
	if err != nil {
		return nil, err
	}
	return answer.Members, nil
}

// EndCall says that a call is over.
func (c *Client) EndCall(ctx context.Context, cid string) error {
	path, err := under("call", cid, "mark_ended")
	if err != nil {
		return err
	}
	return c.do(ctx, post(struct{}{}, path...), nil)
}

// DeleteCall deletes a call. A hard deletion may be a task, whose id it returns
// then.
func (c *Client) DeleteCall(ctx context.Context, cid string, hard bool) (string, error) {
	path, err := under("call", cid, "delete")
	if err != nil {
		return "", err
	}
	return c.taskOf(ctx, post(map[string]bool{"hard": hard}, path...))
}

// CallQuery says which calls to list.
type CallQuery struct {
	Filter Filter `json:"filter_conditions"`
	Sort   []Sort `json:"sort,omitempty"`
	Limit  int    `json:"limit,omitempty"`
	Next   string `json:"next,omitempty"` // of the page before
}

// CallPage is a page of calls.
type CallPage struct {
	Calls []CallState `json:"calls"`
	Next  string      `json:"next"` // empty on the last page
	Prev  string      `json:"prev"`
}

// QueryCalls lists calls.
func (c *Client) QueryCalls(ctx context.Context, q CallQuery) (*CallPage, error) {
	return call[CallPage](ctx, c, repost(q, "calls"))
}
