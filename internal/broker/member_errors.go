package broker

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/segmentio/kafka-go"
)

// Reasons to try again.
var (
	errEnded   = errors.New("the group shared out its partitions anew meanwhile")
	errNoTopic = errors.New("none of the topics exists yet")
	errWedged  = errors.New("joining got nowhere for too long: everything is connected anew")
)

// again reports whether joining may work later. Of a login that has worked before, the
// password may just be about to be changed.
func (m *Member) again(err error) bool {
	if errors.Is(err, errEnded) || errors.Is(err, errNoTopic) || errors.Is(err, errWedged) {
		return true
	}
	passes := []kafka.Error{kafka.RebalanceInProgress, kafka.IllegalGeneration, kafka.UnknownMemberId, kafka.MemberIDRequired}
	if m.joined {
		passes = append(passes, kafka.SASLAuthenticationFailed)
	}
	if code, ok := codeOf(err); ok && slices.Contains(passes, kafka.Error(code)) {
		return true
	}
	return passing(err)
}

// joinError says why a group was not joined, and what to do about it.
func (m *Member) joinError(err error) error {
	switch {
	case errors.Is(err, kafka.InvalidSessionTimeout):
		err = fmt.Errorf("the brokers allow no session timeout of %s (see their group.min.session.timeout.ms and group.max.session.timeout.ms): %w", m.o.SessionTimeout, err)
	case errors.Is(err, kafka.InconsistentGroupProtocol):
		err = fmt.Errorf("its members share out partitions in another way than range, or it is no group of consumers; stop them, or take another name: %w", err)
	case errors.Is(err, kafka.GroupMaxSizeReached):
		err = fmt.Errorf("it has as many members as the brokers allow (group.max.size): %w", err)
	}
	return groupError(m.o.Group, "join it", "READ on the group and its topics", explain(err))
}

// revoked says that a commit came too late.
func (m *Member) revoked(cause error) error {
	if cause == nil {
		return fmt.Errorf("broker: group %s: commit: %w", strconv.Quote(m.o.Group), ErrRevoked)
	}
	return fmt.Errorf("broker: group %s: commit: %w: %w", strconv.Quote(m.o.Group), ErrRevoked, cause)
}
