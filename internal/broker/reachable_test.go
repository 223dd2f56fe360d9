package broker

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/segmentio/kafka-go"
)

func TestUnreachableIsWhatMayPassByItself(t *testing.T) {
	for _, err := range []error{
		syscall.ECONNREFUSED, context.DeadlineExceeded, io.EOF, &net.DNSError{},
		kafka.GroupLoadInProgress, kafka.GroupCoordinatorNotAvailable, kafka.LeaderNotAvailable, kafka.NotLeaderForPartition,
	} {
		if !Unreachable(fmt.Errorf("broker: %w", err)) {
			t.Errorf("%v: want unreachable", err)
		}
	}
	for _, err := range []error{
		nil, errors.New("anything else"),
		x509.UnknownAuthorityError{},
		kafka.SASLAuthenticationFailed,
		kafka.TopicAuthorizationFailed, kafka.PolicyViolation, kafka.InvalidReplicationFactor,
	} {
		if Unreachable(err) {
			t.Errorf("%v: want an answer that somebody must act on", err)
		}
	}
}
