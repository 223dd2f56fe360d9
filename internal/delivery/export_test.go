package delivery

import "time"

// OnWait replaces the waits between attempts: fn learns how long one would be and
// says how long it is.
func (c *Client) OnWait(fn func(time.Duration) time.Duration) { c.waited = fn }

// NotPublic is notPublic.
var NotPublic = notPublic
