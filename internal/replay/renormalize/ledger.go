package renormalize

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// eventKey names an event of a request. The id alone does not: a repeat that was
// published with a mark has the id of what it repeats.
type eventKey struct{ raw, id string }

// version is a published event.
type version struct {
	key              eventKey
	at               time.Time // when it was published, by its timestamp
	topic, recordKey string
	value            []byte
}

// readVersion reads a typed record. The error says that it is none, or that it names
// no raw request.
func readVersion(m *broker.Message) (*version, error) {
	var e struct {
		ID    string `json:"id"`
		RawID string `json:"raw_id"`
	}
	if err := json.Unmarshal(m.Value, &e); err != nil {
		return nil, fmt.Errorf("renormalize: no event: %w", err)
	}
	if e.ID == "" || e.RawID == "" {
		return nil, errors.New("renormalize: no event of a raw request")
	}
	return &version{key: eventKey{e.RawID, e.ID}, at: m.Time, topic: m.Topic, recordKey: string(m.Key), value: m.Value}, nil
}

func (v *version) route() string { return routeOf(v.value) }

func routeOf(value []byte) string {
	f, err := readFields(value)
	if err != nil {
		return "?"
	}
	return f.route()
}

// expected is an event that a request becomes, until it is settled.
type expected struct {
	version

	request *request
	old     *version // its counterpart, the latest found
	settled bool     // compared or given up, or gone: nothing but the key is known
}

// equal reports whether an event is published just so.
func (e *expected) equal() bool {
	return e.topic == e.old.topic && e.recordKey == e.old.recordKey && bytes.Equal(e.value, e.old.value)
}

// request is one whose events are expected or known.
type request struct {
	raw  string
	at   time.Time
	keys []eventKey
}

// ledger is what is expected, and what was found.
type ledger struct {
	most     int // bytes, of what waits and of strays each
	bytes    int // of what waits
	requests map[string]*request
	order    []*request // oldest first
	events   map[eventKey]*expected
	open     []*expected // not settled, in the order of their requests
	strays   strays
}

func newLedger(most int) ledger {
	return ledger{
		most: most, requests: map[string]*request{}, events: map[eventKey]*expected{},
		strays: strays{most: most / 4, byRaw: map[string][]*version{}},
	}
}

// request enters a request, or finds it: a raw record may be there twice.
func (l *ledger) request(raw string, at time.Time) *request {
	if r := l.requests[raw]; r != nil {
		return r
	}
	r := &request{raw: raw, at: at}
	l.requests[raw] = r
	l.order = append(l.order, r)
	return r
}

// expect enters an event that a request becomes.
func (l *ledger) expect(r *request, id string, rec *broker.Record) {
	key := eventKey{r.raw, id}
	if l.events[key] != nil {
		return
	}
	e := &expected{version: version{key: key, topic: rec.Topic, recordKey: string(rec.Key), value: rec.Value}, request: r}
	l.events[key] = e
	r.keys = append(r.keys, key)
	l.open = append(l.open, e)
	l.bytes += e.size()
}

// perEvent is about what is kept of an event beside its text, in bytes.
const perEvent = 400

func (v *version) size() int { return len(v.value) + len(v.recordKey) + perEvent }

// match notes a published version of an expected event, if it is later than the one
// that is known.
func (l *ledger) match(e *expected, v *version) {
	if e.settled || e.old != nil && e.old.at.After(v.at) {
		return
	}
	if e.old != nil {
		l.bytes -= e.old.size()
	}
	e.old = v
	l.bytes += v.size()
}

// gone notes an event that its request does not become any more.
func (l *ledger) gone(v *version) {
	r := l.requests[v.key.raw]
	r.keys = append(r.keys, v.key)
	l.events[v.key] = &expected{version: version{key: v.key}, request: r, settled: true}
}

// settle ends the wait of an event. Its key stays known.
func (l *ledger) settle(e *expected) {
	l.bytes -= e.size()
	if e.old != nil {
		l.bytes -= e.old.size()
	}
	e.settled, e.old = true, nil
	e.version = version{key: e.key}
}

// matched are the events whose counterpart was found, for settling.
func (l *ledger) matched() []*expected {
	return l.take(func(e *expected) bool { return e.old != nil })
}

// before are the events of requests before a time, for settling; the zero time is all.
func (l *ledger) before(t time.Time) []*expected {
	return l.take(func(e *expected) bool { return t.IsZero() || e.request.at.Before(t) })
}

// full reports whether there is little room for the next requests.
func (l *ledger) full() bool { return l.bytes > l.most/2 }

// excess are the oldest events of those that are too much to hold, for settling.
func (l *ledger) excess() []*expected {
	if !l.full() {
		return nil
	}
	over := l.bytes - l.most/4 // so that there is room for many more requests
	return l.take(func(e *expected) bool {
		taken := over > 0
		over -= e.size()
		return taken
	})
}

// take takes the events out of those that are open that fit.
func (l *ledger) take(fits func(*expected) bool) (taken []*expected) {
	l.open = slices.DeleteFunc(l.open, func(e *expected) bool {
		if !fits(e) {
			return false
		}
		taken = append(taken, e)
		return true
	})
	return taken
}

// waits reports whether an event still lacks its counterpart.
func (l *ledger) waits() bool {
	return slices.ContainsFunc(l.open, func(e *expected) bool { return e.old == nil })
}

// forget forgets the oldest requests of which nothing is open while more than so
// many events are known.
func (l *ledger) forget(most int) {
	for len(l.events) > most && len(l.order) > 0 {
		r := l.order[0]
		if slices.ContainsFunc(r.keys, func(k eventKey) bool { return !l.events[k].settled }) {
			return
		}
		for _, k := range r.keys {
			delete(l.events, k)
		}
		delete(l.requests, r.raw)
		l.order = l.order[1:]
	}
}

// strays are published events whose request did not come yet, such as those of one
// that stands late in its partition. Most are of requests that are not selected. The
// oldest give way.
type strays struct {
	most, bytes int
	byRaw       map[string][]*version
	order       []*version
}

func (s *strays) keep(v *version) {
	s.byRaw[v.key.raw] = append(s.byRaw[v.key.raw], v)
	s.order = append(s.order, v)
	for s.bytes += v.size(); s.bytes > s.most; {
		oldest := s.order[0]
		s.order[0], s.order = nil, s.order[1:]
		s.bytes -= oldest.size()
		s.drop(oldest)
	}
}

// drop removes one that gives way; one that was taken is not there any more.
func (s *strays) drop(v *version) {
	left := slices.DeleteFunc(s.byRaw[v.key.raw], func(o *version) bool { return o == v })
	if len(left) == 0 {
		delete(s.byRaw, v.key.raw)
		return
	}
	s.byRaw[v.key.raw] = left
}

// take returns the strays of a request.
func (s *strays) take(raw string) []*version {
	list := s.byRaw[raw]
	delete(s.byRaw, raw)
	return list
}
