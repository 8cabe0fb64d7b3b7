package client

import (
	"context"
	"time"
)

// Fake gives c another clock: sleep is told of every pause and need not take
// it.
func (c *Client) Fake(now func() time.Time, sleep func(context.Context, time.Duration) error) {
	c.now, c.sleep = now, sleep
}

// SetStall sets how long a download may bring nothing.
func (c *Client) SetStall(d time.Duration) { c.stall = d }
