package consumer

import (
	"context"
	"slices"

	"github.com/postrider/postrider/pkg/event"
)

// Handler handles one record. nil says that it is done with; any error has it tried
// again (see Permanent and its neighbours for more to say). ctx ends after
// Config.Timeout, and early only where a stop or a rebalance cannot wait any
// longer. With Config.Concurrency above 1 it is called at once for records with
// different keys. A panic is an error like others.
type Handler func(ctx context.Context, m *Message) error

// Middleware wraps a Handler.
type Middleware func(Handler) Handler

// Chain wraps h; the first of the middlewares is the outermost.
func Chain(h Handler, wrap ...Middleware) Handler {
	for _, w := range slices.Backward(wrap) {
		h = w(h)
	}
	return h
}

// Events makes a Handler of a function of events. A record that holds no event is a
// Permanent failure, and so a dead letter.
func Events(fn func(ctx context.Context, e *event.Event) error) Handler {
	return func(ctx context.Context, m *Message) error {
		e, err := m.Event()
		if err != nil {
			return Permanent(err)
		}
		return fn(ctx, e)
	}
}
