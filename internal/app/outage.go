package app

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/metrics"
)

// outageReminder is how often the log says that an outage goes on.
const outageReminder = 30 * time.Second

// outages watches, for each source, whether its events are accepted. An outage
// begins with an answer that asks the provider to come back and ends with the
// next request that is accepted, or when it is known that one would be (see
// review); a provider tries for as long as its policy says, counted from the
// first. Safe for concurrent use.
type outages struct {
	now func() time.Time
	log *zap.Logger

	mu     sync.Mutex
	source map[string]*outage
}

// outage is the state of one source.
type outage struct {
	all  *outages
	name string

	failing  atomic.Bool  // spares the lock while all is well
	accepted atomic.Int64 // when a request was, in ns since 1970

	mu        sync.Mutex
	horizon   time.Duration // how long the provider tries; 0: not documented, counts as not at all
	onlyKafka bool          // the source does without the spool
	since     time.Time     // zero: no outage
	last      time.Time     // when a request was refused
	refused   int           // answers in this outage
	said      int           // of those, when the log spoke last
}

func newOutages(now func() time.Time, log *zap.Logger) *outages {
	return &outages{now: now, log: log, source: make(map[string]*outage)}
}

// of returns the state of a source, which outlives reloads.
func (o *outages) of(name string, horizon time.Duration) *outage {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.source[name]
	if s == nil {
		s = &outage{all: o, name: name}
		o.source[name] = s
	}
	s.mu.Lock()
	s.horizon = horizon
	s.mu.Unlock()
	return s
}

// keep forgets the sources that are not among names.
func (o *outages) keep(names []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name := range o.source {
		if !slices.Contains(names, name) {
			delete(o.source, name)
		}
	}
}

// Answered implements ingest.Answers.
func (s *outage) Answered(accepted bool) {
	now := s.all.now()
	if accepted {
		s.accepted.Store(now.UnixNano())
		if !s.failing.Load() {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if accepted {
		s.end("events are accepted again")
		return
	}
	s.refused++
	s.last = now
	if s.since.IsZero() {
		s.since = now
		s.failing.Store(true)
		s.say("events are not accepted, the provider is asked to send them again")
	}
}

// end ends the outage, if there is one; the caller holds the lock.
func (s *outage) end(text string) {
	if s.since.IsZero() {
		return
	}
	s.all.log.Info(text, zap.String("reason_code", "outage_over"), zap.String("source", s.name),
		zap.Duration("lasted", s.all.now().Sub(s.since)), zap.Int("refused", s.refused))
	s.since, s.refused, s.said = time.Time{}, 0, 0
	s.failing.Store(false)
}

// quiet is how long nothing of a source may have been refused before its outage
// is over although nothing of it was accepted either.
const quiet = probeInterval

// review ends the outages of sources that have sent nothing since: where Kafka
// takes records, or a request of another source with the same needs was accepted.
func (o *outages) review(kafka bool) {
	var whole, toKafka int64 // when the last request was accepted
	all := o.list()
	for _, s := range all {
		at := s.accepted.Load()
		whole = max(whole, at)
		if s.needsKafka() {
			toKafka = max(toKafka, at)
		}
	}
	for _, s := range all {
		s.review(kafka, time.Unix(0, whole), time.Unix(0, toKafka))
	}
}

func (s *outage) needsKafka() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.onlyKafka
}

// review ends the outage if there are signs that it is over: that Kafka takes
// records, when any request was accepted, and when one that only Kafka could.
func (s *outage) review(kafka bool, whole, toKafka time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all.now().Sub(s.last) < quiet {
		return
	}
	if kafka || toKafka.After(s.last) || (!s.onlyKafka && whole.After(s.last)) {
		s.end("events can be accepted again")
	}
}

// brokerOnly notes which sources do without the spool.
func (o *outages) brokerOnly(names []string) {
	for _, s := range o.list() {
		s.mu.Lock()
		s.onlyKafka = slices.Contains(names, s.name)
		s.mu.Unlock()
	}
}

// say logs the state; the caller holds the lock.
func (s *outage) say(text string) {
	fields := []zap.Field{
		zap.String("reason_code", "outage"), zap.String("source", s.name), zap.Int("refused", s.refused),
		zap.Int("seconds_left", int(s.left().Seconds())),
	}
	if s.horizon == 0 {
		fields = append(fields, zap.String("hint", "it is not documented that this provider tries again: what is refused now may be lost"))
	}
	s.all.log.Error(text, fields...)
	s.said = s.refused
}

// left is how long the provider still tries; the caller holds the lock.
func (s *outage) left() time.Duration {
	return max(0, s.horizon-s.all.now().Sub(s.since))
}

// remind says that the outage goes on, unless nothing happened and nothing is
// left to wait for.
func (s *outage) remind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.since.IsZero() && (s.refused > s.said || s.left() > 0) {
		s.say("events are still not accepted")
	}
}

// list returns the states in the order of their names.
func (o *outages) list() []*outage {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make([]*outage, 0, len(o.source))
	for _, s := range o.source {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *outage) int { return strings.Compare(a.name, b.name) })
	return all
}

// watch reminds until ctx ends.
func (o *outages) watch(ctx context.Context) {
	every(ctx, outageReminder, func() (done bool) {
		for _, s := range o.list() {
			s.remind()
		}
		return false
	})
}

// present returns the outages there are now, as /readyz shows them.
func (o *outages) present() []admin.Outage {
	var out []admin.Outage
	for _, s := range o.list() {
		s.mu.Lock()
		if !s.since.IsZero() {
			out = append(out, admin.Outage{Source: s.name, Since: s.since.UTC(), SecondsLeft: s.left().Seconds(), Documented: s.horizon > 0})
		}
		s.mu.Unlock()
	}
	return out
}

// measured returns the same for a scrape.
func (o *outages) measured() []metrics.Outage {
	var out []metrics.Outage
	for _, p := range o.present() {
		out = append(out, metrics.Outage{Source: p.Source, Left: time.Duration(p.SecondsLeft * float64(time.Second))})
	}
	return out
}
