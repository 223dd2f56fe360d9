package consumer

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/event"
)

// Headers that a record gets beside its own when it is put into a retry topic or
// the dead-letter topic. Key, value, and its other headers stay as they were.
const (
	HeaderGroup     = "retry-group"      // the group that could not handle it
	HeaderOf        = "retry-of"         // topic/partition/offset where it lay first
	HeaderAttempts  = "retry-attempts"   // how often it was tried
	HeaderFirst     = "retry-first"      // when it failed first, RFC 3339 with milliseconds
	HeaderError     = "retry-error"      // the last error's text, at most 1 KiB
	HeaderNotBefore = "retry-not-before" // when it is due, RFC 3339 with milliseconds; in retry topics only
	HeaderDead      = "dead-reason"      // DeadPermanent or DeadAttempts; in the dead-letter topic only
)

// The values of HeaderDead.
const (
	DeadPermanent = "permanent" // the Handler said that trying again is of no use
	DeadAttempts  = "attempts"  // all attempts failed
)

// What the names of the topics are made of, behind Retry.Prefix.
const (
	retryInfix = ".retry."
	deadSuffix = ".dead"
)

// stamp is the form of times in headers.
const stamp = "2006-01-02T15:04:05.000Z07:00"

// retryTopic is the topic of a delay.
func (r *Retry) retryTopic(delay time.Duration) string {
	return r.Prefix + retryInfix + delayName(delay)
}

// delayOf is the delay of a retry topic, of any that begins with Prefix; false for others.
func (r *Retry) delayOf(topic string) (time.Duration, bool) {
	name, ok := strings.CutPrefix(topic, r.Prefix+retryInfix)
	if days, whole := strings.CutSuffix(name, "d"); whole {
		n, err := strconv.ParseUint(days, 10, 8)
		return time.Duration(n) * 24 * time.Hour, ok && err == nil && n > 0
	}
	delay, err := time.ParseDuration(name)
	return delay, ok && err == nil && delay >= leastDelay
}

// deadTopic is the topic of dead letters.
func (r *Retry) deadTopic() string { return r.Prefix + deadSuffix }

// delayName is a delay as people write it: 90s, 10m, 1h, 1h30m, 1d.
func delayName(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 0 && d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(days)) + "d"
	}
	name := d.String()
	if strings.HasSuffix(name, "m0s") {
		name = strings.TrimSuffix(name, "0s")
	}
	if strings.HasSuffix(name, "h0m") {
		name = strings.TrimSuffix(name, "0m")
	}
	return name
}

// specs are the topics that records are put aside into.
func (r *Retry) specs() []broker.TopicSpec {
	longest := time.Duration(0)
	for _, d := range r.Delays {
		longest = max(longest, d)
	}
	spec := func(name string, keep time.Duration) broker.TopicSpec {
		return broker.TopicSpec{Name: name, Partitions: r.Partitions, Replication: r.Replication, Configs: map[string]string{
			"retention.ms": strconv.FormatInt(keep.Milliseconds(), 10),
			// A record at its own topic's limit has to fit with its new headers.
			"max.message.bytes": strconv.Itoa(17 << 20),
		}}
	}
	specs := []broker.TopicSpec{spec(r.deadTopic(), deadRetention)}
	if !r.Ordered {
		for _, d := range r.Delays {
			specs = append(specs, spec(r.retryTopic(d), longest+keepBeyond))
		}
	}
	return specs
}

// dead is the record that a failed one becomes for good.
func (s *session) dead(t *task, reason string, err error) *broker.Record {
	return s.aside(t, s.c.cfg.Retry.deadTopic(), err, event.Header{Key: HeaderDead, Value: []byte(reason)})
}

// delayed is the record that a failed one becomes for a while, in the topic of a delay.
func (s *session) delayed(t *task, topic, delay time.Duration, err error) *broker.Record {
	due := stampAfter(s.c.cfg.Now().Add(delay))
	return s.aside(t, s.c.cfg.Retry.retryTopic(topic), err, event.Header{Key: HeaderNotBefore, Value: []byte(due)})
}

// stampAfter is a time in a header that is not before the time itself, which is finer
// than a stamp can say: nothing that waits is to come early.
func stampAfter(at time.Time) string {
	return at.Add(time.Millisecond - 1).UTC().Format(stamp)
}

// aside is a record put aside: a copy with the story of its failures. Its time is now,
// so that it does not expire on arrival.
func (s *session) aside(t *task, topic string, err error, last event.Header) *broker.Record {
	now := s.c.cfg.Now()
	first, ok := t.m.Header(HeaderFirst)
	if !ok {
		first = t.since.UTC().Format(stamp)
	}
	headers := slices.DeleteFunc(slices.Clone(t.m.Headers), func(h event.Header) bool { return ours(h.Key) })
	headers = append(headers,
		event.Header{Key: HeaderGroup, Value: []byte(s.c.cfg.Group)},
		event.Header{Key: HeaderOf, Value: []byte(t.m.Origin().String())},
		event.Header{Key: HeaderAttempts, Value: strconv.AppendInt(nil, int64(t.m.Attempt), 10)},
		event.Header{Key: HeaderFirst, Value: []byte(first)},
		event.Header{Key: HeaderError, Value: []byte(errorText(err))},
		last,
	)
	return &broker.Record{Topic: topic, Key: t.m.Key, Value: t.m.Value, Headers: headers, Time: now}
}

// ours reports whether a header is one that aside writes.
func ours(key string) bool {
	switch key {
	case HeaderGroup, HeaderOf, HeaderAttempts, HeaderFirst, HeaderError, HeaderNotBefore, HeaderDead:
		return true
	}
	return false
}

// errorText is an error's text, bounded. Other than err.Error, fmt survives an error
// that is a nil pointer.
func errorText(err error) string {
	text := strings.ToValidUTF8(fmt.Sprint(err), "\uFFFD")
	if len(text) <= maxErrorText {
		return text
	}
	cut := maxErrorText
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}

// publish puts a record aside; when it returns nil, it is durable there.
func (s *session) publish(ctx context.Context, r *broker.Record) error {
	if err := s.c.publisher.Publish(ctx, []broker.Record{*r}); err != nil {
		return fmt.Errorf("consumer: a record cannot be put into %s: %w", r.Topic, err)
	}
	return nil
}

// due is when a record of a retry topic is to be handled; the zero time: at once.
// A time further ahead than anybody may ask for cannot be meant.
func (t *task) due(now time.Time, most time.Duration) time.Time {
	text, ok := t.m.Header(HeaderNotBefore)
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	if last := now.Add(max(most, t.part.delay)); at.After(last) {
		return last
	}
	return at
}

// triedBefore is how often a record of a retry topic was tried.
func triedBefore(m *Message) int {
	text, ok := m.Header(HeaderAttempts)
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < 0 {
		return 0
	}
	return n
}
