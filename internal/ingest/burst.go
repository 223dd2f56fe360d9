package ingest

import (
	"sync"
	"time"
)

// A burst is this many refusals of requests that carried all proof, within this
// long, at one source: a scanner's guess is one or two, a provider whose secret
// is not ours any more is all of them.
const (
	burstCount  = 10
	burstWindow = time.Minute
)

// bursts watches for refusals in numbers, source by source. Safe for concurrent
// use.
type bursts struct {
	mu     sync.Mutex
	source map[string]*burst
}

// burst is the last refusals of one source.
type burst struct {
	times [burstCount]time.Time // a ring; next is the oldest
	next  int
	said  bool // the log knows of this burst
}

// on reports whether there is a burst at that moment.
func (b *burst) on(now time.Time) bool {
	oldest := b.times[b.next]
	return !oldest.IsZero() && now.Sub(oldest) < burstWindow
}

// refused counts a refusal and reports whether a burst began with it.
func (b *bursts) refused(source string, now time.Time) (began bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.source[source]
	if s == nil {
		s = &burst{}
		b.source[source] = s
	}
	s.said = s.said && s.on(now)
	s.times[s.next] = now
	s.next = (s.next + 1) % burstCount
	began = !s.said && s.on(now)
	s.said = s.said || began
	return began
}

// at reports whether a source has a burst at that moment.
func (b *bursts) at(source string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.source[source]
	return s != nil && s.on(now)
}

// AuthBursts tells for each source in force whether many of its requests, ten or
// more in a minute, carried all proof and were refused: our secret is probably
// not the provider's any more. Safe for concurrent use.
func (s *Server) AuthBursts() map[string]bool {
	now, sources := s.opt.Now(), s.routing.Load().sources
	out := make(map[string]bool, len(sources))
	for name := range sources {
		out[name] = s.bursts.at(name, now)
	}
	return out
}
