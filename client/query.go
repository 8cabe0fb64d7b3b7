package client

import (
	"encoding/json"
	"time"
)

// Filter says which objects a query is about, in Stream's query language:
//
//	client.Filter{"type": "messaging", "members": client.Filter{"$in": []string{"ada"}}}
type Filter map[string]any

// MarshalJSON writes an object also for a filter that is nil: all objects.
func (f Filter) MarshalJSON() ([]byte, error) {
	if f == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]any(f))
}

// Sort is a field to sort by; Direction is 1 (ascending, the default) or -1.
type Sort struct {
	Field     string `json:"field"`
	Direction int    `json:"direction,omitempty"`
}

// Page is a part of a list; a limit of 0 is the server's own.
type Page struct {
	Limit  int `json:"limit,omitempty"`
	Offset int `json:"offset,omitempty"`
}

// MessagePage is a part of a list of messages: the newest ones, or those next
// to a message or an instant.
type MessagePage struct {
	Limit                int       `json:"limit,omitempty"`
	Offset               int       `json:"offset,omitempty"`
	IDBefore             string    `json:"id_lt,omitempty"`
	IDBeforeOrEqual      string    `json:"id_lte,omitempty"`
	IDAfter              string    `json:"id_gt,omitempty"`
	IDAfterOrEqual       string    `json:"id_gte,omitempty"`
	IDAround             string    `json:"id_around,omitempty"`
	CreatedBefore        time.Time `json:"created_at_before,omitzero"`
	CreatedBeforeOrEqual time.Time `json:"created_at_before_or_equal,omitzero"`
	CreatedAfter         time.Time `json:"created_at_after,omitzero"`
	CreatedAfterOrEqual  time.Time `json:"created_at_after_or_equal,omitzero"`
	CreatedAround        time.Time `json:"created_at_around,omitzero"`
}

// Patch changes some fields of an object and leaves the others as they are.
// Names may be paths into custom objects, such as "address.city".
type Patch struct {
	Set   map[string]any `json:"set,omitempty"`
	Unset []string       `json:"unset,omitempty"`
	// UserID is who changes it, where that is of interest.
	UserID string `json:"user_id,omitempty"`
}
