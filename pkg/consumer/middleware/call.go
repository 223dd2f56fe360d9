package middleware

import (
	"context"
	"time"

	"github.com/postrider/postrider/pkg/consumer"
)

// The outcomes of a call, as far as one can see from around it.
const (
	handled  = "handled"
	failed   = "failed"
	panicked = "panicked"
)

// call is one call of a Handler.
type call struct {
	outcome string
	took    time.Duration
	err     error
}

// observe makes a Middleware that has done told of each call, also of those that panic;
// the panic goes on.
func observe(done func(*consumer.Message, call)) consumer.Middleware {
	return func(next consumer.Handler) consumer.Handler {
		return func(ctx context.Context, m *consumer.Message) error {
			c := call{outcome: panicked}
			began := time.Now() //nolint:forbidigo // how long a call takes is of no use by another clock
			defer func() {
				c.took = time.Since(began) //nolint:forbidigo // see above
				done(m, c)
			}()
			c.err = next(ctx, m)
			c.outcome = outcomeOf(c.err)
			return c.err
		}
	}
}

// outcomeOf is the outcome of a call that returned.
func outcomeOf(err error) string {
	if err != nil {
		return failed
	}
	return handled
}
