package client

import (
	"cmp"
	"context"
)

type usersAnswer struct {
	Users map[string]User `json:"users"`
}

type userAnswer struct {
	User User `json:"user"`
}

func (c *Client) oneUser(ctx context.Context, r *request) (*User, error) {
	answer, err := call[userAnswer](ctx, c, r)
	if err != nil {
		return nil, err
	}
	return &answer.User, nil
}

func (c *Client) taskOf(ctx context.Context, r *request) (string, error) {
	answer, err := call[taskID](ctx, c, r)
	if err != nil {
		return "", err
	}
	return answer.TaskID, nil
}

// UpsertUsers creates users, or replaces what is known of them, custom fields
// and all; up to 100. It returns them by id.
func (c *Client) UpsertUsers(ctx context.Context, users ...User) (map[string]User, error) {
	body := usersAnswer{Users: make(map[string]User, len(users))}
	for _, u := range users {
		body.Users[u.ID] = u.sent()
	}
	answer, err := call[usersAnswer](ctx, c, repost(body, "users"))
	if err != nil {
		return nil, err
	}
	return answer.Users, nil
}

// UserPatch changes some fields of a user.
type UserPatch struct {
	ID    string         `json:"id"`
	Set   map[string]any `json:"set,omitempty"`
	Unset []string       `json:"unset,omitempty"`
}

// PatchUsers changes some fields of users, up to 100, and returns them by id.
func (c *Client) PatchUsers(ctx context.Context, patches ...UserPatch) (map[string]User, error) {
	answer, err := call[usersAnswer](ctx, c, patch(map[string]any{"users": patches}, "users"))
	if err != nil {
		return nil, err
	}
	return answer.Users, nil
}

// UserQuery says which users to list.
type UserQuery struct {
	Filter             Filter `json:"filter_conditions"`
	Sort               []Sort `json:"sort,omitempty"`
	Page                      // 30 if no limit is given, 100 at most
	IncludeDeactivated bool   `json:"include_deactivated_users,omitempty"`
}

// QueryUsers lists users.
func (c *Client) QueryUsers(ctx context.Context, q UserQuery) ([]User, error) {
	r, err := get("users").payload(q)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Users []User `json:"users"`
	}
	err = c.do(ctx, r, &answer)
	return answer.Users, err
}

// Deactivation says how to deactivate users.
type Deactivation struct {
	MarkMessagesDeleted bool   `json:"mark_messages_deleted,omitempty"`
	CreatedByID         string `json:"created_by_id,omitempty"` // who does it
}

// DeactivateUser deactivates a user.
func (c *Client) DeactivateUser(ctx context.Context, userID string, d Deactivation) (*User, error) {
	return c.oneUser(ctx, post(d, "users", userID, "deactivate"))
}

// DeactivateUsers deactivates users and returns the id of the task that does it.
func (c *Client) DeactivateUsers(ctx context.Context, userIDs []string, d Deactivation) (string, error) {
	body := struct {
		UserIDs []string `json:"user_ids"`
		Deactivation
	}{userIDs, d}
	return c.taskOf(ctx, post(body, "users", "deactivate"))
}

// Reactivation says how to reactivate users.
type Reactivation struct {
	RestoreMessages bool   `json:"restore_messages,omitempty"`
	Name            string `json:"name,omitempty"`          // the new one, of one user
	CreatedByID     string `json:"created_by_id,omitempty"` // who does it
}

// ReactivateUser reactivates a user.
func (c *Client) ReactivateUser(ctx context.Context, userID string, o Reactivation) (*User, error) {
	return c.oneUser(ctx, post(o, "users", userID, "reactivate"))
}

// ReactivateUsers reactivates users and returns the id of the task that does it.
func (c *Client) ReactivateUsers(ctx context.Context, userIDs []string, o Reactivation) (string, error) {
	body := struct {
		UserIDs []string `json:"user_ids"`
		Reactivation
	}{userIDs, o}
	return c.taskOf(ctx, post(body, "users", "reactivate"))
}

// RestoreUsers brings back users that were soft-deleted.
func (c *Client) RestoreUsers(ctx context.Context, userIDs ...string) error {
	return c.do(ctx, post(map[string]any{"user_ids": userIDs}, "users", "restore"), nil)
}

// UserDeletion says how to delete one user.
type UserDeletion struct {
	Hard                       bool `json:"hard_delete,omitempty"`
	MarkMessagesDeleted        bool `json:"mark_messages_deleted,omitempty"`
	DeleteConversationChannels bool `json:"delete_conversation_channels,omitempty"`
}

// DeleteUser deletes a user. When an answer was lost, the retry may say that
// there is no such user.
func (c *Client) DeleteUser(ctx context.Context, userID string, d UserDeletion) (*User, error) {
	r, err := del("users", userID).with(d)
	if err != nil {
		return nil, err
	}
	return c.oneUser(ctx, r)
}

// How DeleteUsers deletes.
const (
	Soft    = "soft"
	Pruning = "pruning"
	Hard    = "hard"
)

// UsersDeletion says how to delete users: Soft, Pruning or Hard.
type UsersDeletion struct {
	User          string `json:"user,omitempty"`
	Messages      string `json:"messages,omitempty"`
	Conversations string `json:"conversations,omitempty"` // not Pruning
	// NewChannelOwnerID takes over the channels of users that are hard-deleted.
	NewChannelOwnerID string `json:"new_channel_owner_id,omitempty"`
}

// DeleteUsers deletes users, up to 100, and returns the id of the task that
// does it.
func (c *Client) DeleteUsers(ctx context.Context, userIDs []string, d UsersDeletion) (string, error) {
	d.User = cmp.Or(d.User, Soft)
	body := struct {
		UserIDs []string `json:"user_ids"`
		UsersDeletion
	}{userIDs, d}
	return c.taskOf(ctx, post(body, "users", "delete"))
}
