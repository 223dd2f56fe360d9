package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/selection"
	"github.com/postrider/postrider/pkg/consumer"
)

// handle is what the consumer calls for each record.
func (s *subscription) handle(ctx context.Context, m *consumer.Message) error {
	meant, err := s.meant(m)
	if err != nil {
		s.counts.fail(reasonFilter)
		return consumer.Permanent(err)
	}
	if !meant {
		return consumer.ErrSkip
	}
	payload, err := s.Format.payload(m)
	if err != nil {
		s.counts.fail(reasonPayload)
		return consumer.Permanent(err)
	}
	if err := s.turn(ctx); err != nil {
		return err
	}
	begun := s.now()
	_, err = s.client.Deliver(ctx, payload)
	ended := s.now()
	s.counts.attempt.Observe(ended.Sub(begun).Seconds())
	if err == nil {
		s.counts.delivered.Inc()
		s.counts.age.Observe(ended.Sub(s.since(m)).Seconds())
		return nil
	}
	return s.verdict(ctx, err)
}

// meant asks the filter. What it is asked of a record that waited in a topic of retries
// is where that record was before, so that the answer is the same.
func (s *subscription) meant(m *consumer.Message) (bool, error) {
	if s.SkipReplayed && s.replayed(m) {
		s.counts.replayed.Inc()
		return false, nil
	}
	place := m.Origin()
	verdict, err := s.matcher.Match(&selection.Record{
		Topic: place.Topic, Partition: place.Partition, Offset: place.Offset, Time: s.since(m), Key: m.Key, Value: m.Value, Headers: m.Headers,
	})
	switch {
	case err != nil:
		return false, fmt.Errorf("forward: the filter: %w", err)
	case verdict == selection.Undecodable:
		return false, fmt.Errorf("forward: the filter asks for fields of events, and %s holds none", place)
	case verdict != selection.Yes:
		s.counts.filtered.Inc()
		return false, nil
	}
	return true, nil
}

// replayed reports whether a replay made the record. What lies in a topic of retries was
// meant when it was read, or was brought back from the dead letters: it never arrived.
func (s *subscription) replayed(m *consumer.Message) bool {
	_, copied := m.Header(selection.HeaderReplayed)
	return copied && !s.retries(m.Topic)
}

// since is the record's time; of one that waited, when it failed first, since its own is
// that of the wait.
func (s *subscription) since(m *consumer.Message) time.Time {
	if !s.retries(m.Topic) {
		return m.Time
	}
	first, _ := m.Header(consumer.HeaderFirst)
	at, err := time.Parse(time.RFC3339, first)
	if err != nil {
		return m.Time
	}
	return at
}

// errStopping ends a wait that nobody has time for any more. The end of the consumer's
// context, which it wraps, came before it.
var errStopping = fmt.Errorf("forward: stopping: %w", context.Canceled)

// turn waits until the rate allows a delivery. A stop is no attempt of the record that
// waited: the next start begins with it.
func (s *subscription) turn(ctx context.Context) error {
	if s.limit == nil {
		return nil
	}
	place := s.limit.Reserve()
	wait := place.Delay()
	if wait == 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		place.Cancel()
		return context.Cause(ctx)
	case <-s.stopping:
		place.Cancel()
		return consumer.Stop(errStopping)
	}
}

// verdict says what an attempt that failed means for the record, in the consumer's
// words, and counts it.
func (s *subscription) verdict(ctx context.Context, err error) error {
	refused, isRefused := errors.AsType[*delivery.RefusedError](err)
	away, isAway := errors.AsType[*delivery.UnavailableError](err)
	reason := reasonCutOff
	defer func() { s.counts.fail(reason) }()
	switch {
	case isRefused && refused.Status == 0:
		reason = reasonPayload
		return consumer.Permanent(err)
	case isRefused && refused.Gone:
		reason = reasonGone
		return consumer.Stop(err)
	case isRefused:
		reason = reasonOf(refused.Status)
		return consumer.Later(err)
	case errors.Is(err, delivery.ErrSecretsEnded):
		reason = reasonSecrets
		return consumer.Unavailable(err)
	case isAway:
		reason = unanswered(away)
		return retryable(away, reason)
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		reason = reasonTimeout
	}
	return err
}

// retryable tells troubles of the target from those that are ours to put right.
func retryable(away *delivery.UnavailableError, reason string) error {
	switch {
	case reason == reasonAddress || reason == reasonCertificate:
		return consumer.Unavailable(away)
	case away.RetryAfter > 0:
		return consumer.RetryAfter(away, away.RetryAfter)
	}
	return away
}

// Why attempts fail: the values of the label reason.
const (
	reasonRedirect    = "redirect"     // 3xx
	reasonRejected    = "rejected"     // 4xx that has no reason of its own
	reasonSignature   = "unauthorized" // 401, 403
	reasonGone        = "gone"         // 410
	reasonLimited     = "rate_limited" // 429
	reasonServer      = "server_error" // 5xx, and 408 and 425
	reasonTimeout     = "timeout"
	reasonConnection  = "connection" // refused, broken off, no HTTP
	reasonName        = "name"       // not found by DNS
	reasonAddress     = "address"    // must not be called
	reasonCertificate = "certificate"
	reasonSecrets     = "secrets" // have all ended
	reasonPayload     = "payload" // cannot be made, or sent
	reasonFilter      = "filter"  // cannot be evaluated
	reasonCutOff      = "cut_off" // by a stop or a rebalance
)

// reasons lists them.
func reasons() []string {
	return []string{
		reasonRedirect, reasonRejected, reasonSignature, reasonGone, reasonLimited, reasonServer, reasonTimeout, reasonConnection, reasonName,
		reasonAddress, reasonCertificate, reasonSecrets, reasonPayload, reasonFilter, reasonCutOff,
	}
}

// reasonOf is the reason of a status that is no 2xx.
func reasonOf(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return reasonLimited
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		return reasonServer
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return reasonSignature
	case status >= 400:
		return reasonRejected
	}
	return reasonRedirect
}

// unanswered is the reason of an attempt that a target in trouble answered, or none.
func unanswered(away *delivery.UnavailableError) string {
	if away.Err == nil {
		return reasonOf(away.Status)
	}
	_, address := errors.AsType[*delivery.AddressError](away.Err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](away.Err)
	_, name := errors.AsType[*net.DNSError](away.Err)
	switch {
	case address:
		return reasonAddress
	case certificate:
		return reasonCertificate
	case name:
		return reasonName
	case errors.Is(away.Err, context.DeadlineExceeded):
		return reasonTimeout
	}
	return reasonConnection
}
