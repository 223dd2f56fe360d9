package middleware

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/postrider/postrider/pkg/consumer"
)

// Recover turns a panic of the Handler into an error, and logs it with its stack. The
// record is tried again like others that fail. Consumers survive panics without it,
// too; it has those who are further out see an error. What was panicked with is named
// in full only if it is an error of the runtime: any other value may hold parts
// of an event.
func Recover(log *zap.Logger) consumer.Middleware {
	return func(next consumer.Handler) consumer.Handler {
		return func(ctx context.Context, m *consumer.Message) (err error) {
			defer func() {
				if cause := recover(); cause != nil {
					err = fmt.Errorf("consumer: the handler panicked: %s", panicText(cause))
					log.Error("handler panicked", append(fields(m), zap.Error(err), zap.ByteString("stack", debug.Stack()))...)
				}
			}()
			return next(ctx, m)
		}
	}
}

// panicText names what was panicked with.
func panicText(cause any) string {
	if err, ok := cause.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a %T", cause)
}
