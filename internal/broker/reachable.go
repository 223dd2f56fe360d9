package broker

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// Unreachable reports whether err says that no broker answered, which may pass
// by itself: connection refused, no route, unknown host, time-out, connection
// closed. A broker that answered and refused (TLS, SASL, authorization, topic
// settings) is not unreachable: somebody has to change something.
func Unreachable(err error) bool {
	if err == nil || tlsHint(err) != "" {
		return false
	}
	var dns *net.DNSError
	if errors.As(err, &dns) || staleConnection(err) {
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
