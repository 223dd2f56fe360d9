package broker

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/segmentio/kafka-go"
)

// Unreachable reports whether err says that the cluster is not there yet, which
// may pass by itself: connection refused, no route, unknown host, time-out,
// connection closed, or a broker that is still starting (no leader, coordinator
// loading). A broker that answered and refused (TLS, SASL, authorization, topic
// settings) is not unreachable: somebody has to change something.
func Unreachable(err error) bool {
	if err == nil || tlsHint(err) != "" {
		return false
	}
	if code, ok := codeOf(err); ok {
		return kafka.Error(code).Temporary()
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok || staleConnection(err) {
		return true
	}
	for _, passing := range []error{
		context.DeadlineExceeded, os.ErrDeadlineExceeded, syscall.ECONNREFUSED,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}
