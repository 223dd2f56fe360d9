package app

import (
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/forward"
)

// forwardStatus is the answer of /readyz.
type forwardStatus struct {
	// Status is ready, degraded (some work, something needs a person) or not_ready.
	Status        string           `json:"status"`
	Reasons       []string         `json:"reasons,omitempty"`
	Broker        admin.Broker     `json:"broker"`
	Subscriptions []forward.Status `json:"subscriptions"`
	Version       string           `json:"version"`
	Started       time.Time        `json:"started"`
}

// forwardHealth is the present state of a Forward. Safe for concurrent use.
type forwardHealth struct {
	forwarder *forward.Forwarder
	version   string
	started   time.Time
	log       *zap.Logger
	now       func() time.Time

	mu     sync.Mutex
	broker admin.Broker
}

// reached records whether Kafka answered, and logs a change.
func (h *forwardHealth) reached(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	noteBroker(&h.broker, err, h.now().UTC(), h.log)
}

// status is the answer of /readyz: 200 while Kafka answers and at least one
// subscription delivers.
func (h *forwardHealth) status() (body any, ok bool) {
	h.mu.Lock()
	s := forwardStatus{Status: admin.Ready, Broker: h.broker, Version: h.version, Started: h.started}
	h.mu.Unlock()
	s.Subscriptions = h.forwarder.Status()
	working := 0
	for i := range s.Subscriptions {
		if s.Subscriptions[i].State == forward.Running {
			working++
		}
		s.Reasons = append(s.Reasons, forwardReasons(&s.Subscriptions[i])...)
	}
	if !s.Broker.Reachable {
		s.Reasons = append([]string{"Kafka does not answer"}, s.Reasons...)
	}
	switch {
	case working == 0 || !s.Broker.Reachable:
		s.Status = admin.NotReady
	case len(s.Reasons) > 0:
		s.Status = admin.Degraded
	}
	return s, s.Status != admin.NotReady
}

// forwardReasons says what is not as it should be with a subscription.
func forwardReasons(s *forward.Status) (reasons []string) {
	switch {
	case s.State == forward.Running:
	case s.Reason == "":
		reasons = append(reasons, fmt.Sprintf("subscription %s is %s", s.Name, s.State))
	default:
		reasons = append(reasons, fmt.Sprintf("subscription %s is %s: %s", s.Name, s.State, s.Reason))
	}
	if s.Missed > 0 {
		reasons = append(reasons, fmt.Sprintf("subscription %s: %d records were deleted before they were delivered", s.Name, s.Missed))
	}
	return reasons
}
