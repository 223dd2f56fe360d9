package forward

import (
	"strings"
	"time"

	"github.com/postrider/postrider/pkg/consumer"
)

// The states of a subscription.
const (
	Starting = "starting" // it is not yet a member of its group
	Running  = "running"
	Paused   = "paused"   // everything failed; one record is tried from time to time
	Failed   = "failed"   // Kafka, or a topic, is not as it needs it; it is tried anew
	Disabled = "disabled" // the target answered 410
	Stopped  = "stopped"
)

// States lists the states.
func States() []string { return []string{Starting, Running, Paused, Failed, Disabled, Stopped} }

// Status is what a subscription is doing, at one moment.
type Status struct {
	Name   string `json:"name"`
	Target string `json:"target"` // host and port
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"` // of Paused, Failed and Disabled
	// Lag is how many records of the partitions that this process has are not
	// finished; LagSeconds is the age of the oldest of them that was read.
	Lag        int64   `json:"lag"`
	LagSeconds float64 `json:"lag_seconds"`
	Waiting    int64   `json:"waiting"`   // records in the topics of retries
	InFlight   int     `json:"in_flight"` // deliveries
	Missed     int64   `json:"missed"`    // records that were deleted before they were delivered

	breaker string
}

// status asks the consumer.
func (s *subscription) status() Status {
	s.mu.Lock()
	c, st := s.consumer, Status{Name: s.Name, Target: s.client.Host(), State: s.state, Reason: s.reason, Missed: s.gaps}
	s.mu.Unlock()
	told := c.State()
	st.breaker = told.Breaker
	if st.State != "" {
		return st
	}
	st.State, st.Reason = stateOf(&told)
	st.InFlight = told.Running
	st.Lag, st.Waiting, st.LagSeconds = s.lags(told.Partitions)
	return st
}

// stateOf is the state that a consumer's amounts to.
func stateOf(told *consumer.State) (state, reason string) {
	switch {
	case !told.Assigned:
		return Starting, ""
	case told.Breaker != consumer.BreakerClosed:
		return Paused, told.Reason
	}
	return Running, ""
}

// lags adds up what is left, apart from what waits for its retry.
func (s *subscription) lags(parts []consumer.PartitionState) (lag, waiting int64, seconds float64) {
	var oldest time.Time
	for i := range parts {
		p := &parts[i]
		if s.retries(p.Topic) {
			waiting += p.Lag()
			continue
		}
		lag += p.Lag()
		if !p.Oldest.IsZero() && (oldest.IsZero() || p.Oldest.Before(oldest)) {
			oldest = p.Oldest
		}
	}
	if !oldest.IsZero() {
		seconds = max(0, s.now().Sub(oldest).Seconds())
	}
	return lag, waiting, seconds
}

// retries reports whether a topic is one of those of the subscription's retries.
func (s *subscription) retries(topic string) bool {
	return strings.HasPrefix(topic, s.retryPrefix)
}
