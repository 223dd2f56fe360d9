package dedupe_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/dedupe"
)

// tick is the resolution of the window's time.
const tick = 100 * time.Millisecond

// seen is an id that the model remembers.
type seen struct {
	id      [16]byte
	content byte
	at      int // ticks
}

// held is a claim of the model.
type held struct {
	claim    *dedupe.Claim
	events   []dedupe.Event
	verdicts []dedupe.Verdict
	ids      [][16]byte // under which each event is published
}

// model is a window in the plainest form: everything that was accepted, in order.
type model struct {
	window, most int
	now          int
	list         []seen
	claims       []held
}

// find returns what is remembered of an id, the latest.
func (m *model) find(id [16]byte) (seen, bool) {
	for _, s := range slices.Backward(m.list) {
		if s.id == id {
			return s, true
		}
	}
	return seen{}, false
}

func (m *model) known(id [16]byte, window int) (byte, bool) {
	s, ok := m.find(id)
	return s.content, ok && m.now-s.at < window
}

func (m *model) forget() {
	for len(m.list) > 0 && m.now-m.list[0].at >= m.window {
		m.list = m.list[1:]
	}
}

func (m *model) add(id [16]byte, content byte) {
	if len(m.list) == m.most {
		m.list = m.list[1:]
	}
	m.forget()
	m.list = append(m.list, seen{id, content, m.now})
}

// taken reports whether a claim in progress holds an id.
func (m *model) taken(id [16]byte) bool {
	for _, c := range m.claims {
		for i, e := range c.events {
			if c.verdicts[i] != dedupe.Repeat && (e.ID == id || c.ids[i] == id) {
				return true
			}
		}
	}
	return false
}

// judge says what a claim must say; false: it has to wait.
func (m *model) judge(events []dedupe.Event, window int) (h held, ok bool) {
	m.forget()
	if window <= 0 || window > m.window {
		window = m.window
	}
	first, others := map[[16]byte]byte{}, map[[16]byte]bool{}
	for _, e := range events {
		w := window
		if e.Whole {
			w = m.window
		}
		content, other := e.Content[0], dedupe.ConflictID(e.ID, e.Content)
		was, known := m.known(e.ID, w)
		_, again := m.known(other, w)
		own, twice := first[e.ID]
		verdict, id := dedupe.Conflict, other
		switch {
		case known && was == content:
			verdict, id = dedupe.Repeat, e.ID
		case again:
			verdict = dedupe.Repeat
		case m.taken(e.ID):
			return held{}, false
		case twice && !known && own == content:
			verdict, id = dedupe.Repeat, e.ID
		case !known && !twice:
			verdict, id = dedupe.Fresh, e.ID
		case others[other]:
			verdict = dedupe.Repeat
		}
		if verdict != dedupe.Repeat && !twice {
			first[e.ID] = content
		}
		others[other] = others[other] || verdict == dedupe.Conflict
		h.events, h.verdicts, h.ids = append(h.events, e), append(h.verdicts, verdict), append(h.ids, id)
	}
	return h, true
}

func event(id, content byte) dedupe.Event {
	return dedupe.Event{ID: [16]byte{id}, Content: [16]byte{content}}
}

// The window does what its description in maps does, whatever happens to it.
func TestWindowDoesWhatTheModelDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{window: rapid.IntRange(1, 30).Draw(t, "window"), most: rapid.IntRange(1, 8).Draw(t, "most")}
		start := time.Unix(1e9, 0)
		now := func() time.Time { return start.Add(time.Duration(m.now) * tick) }
		w := dedupe.New(dedupe.Options{Window: time.Duration(m.window) * tick, MaxIDs: m.most, Now: now})
		over, cancel := context.WithCancel(context.Background())
		cancel() // a claim that would wait ends at once
		items := rapid.Custom(func(t *rapid.T) dedupe.Event {
			e := event(rapid.ByteRange(0, 4).Draw(t, "id"), rapid.ByteRange(1, 3).Draw(t, "content"))
			e.Whole = rapid.Bool().Draw(t, "whole")
			return e
		})
		end := func(t *rapid.T, keep func(i int) bool) {
			if len(m.claims) == 0 {
				t.Skip("no claim in progress")
			}
			n := rapid.IntRange(0, len(m.claims)-1).Draw(t, "claim")
			c := m.claims[n]
			m.claims = append(m.claims[:n:n], m.claims[n+1:]...)
			for i, e := range c.events {
				if c.verdicts[i] != dedupe.Repeat && keep(i) {
					m.add(c.ids[i], e.Content[0])
				}
			}
			c.claim.CommitOnly(keep)
			c.claim.Commit() // means nothing any more
			c.claim.Abort()
		}
		t.Repeat(map[string]func(*rapid.T){
			"claim": func(t *rapid.T) {
				events := rapid.SliceOfN(items, 1, 6).Draw(t, "events")
				window := rapid.IntRange(0, m.window+3).Draw(t, "source window")
				want, ok := m.judge(events, window)
				c, err := w.Claim(over, events, time.Duration(window)*tick)
				if !ok {
					if !errors.Is(err, context.Canceled) {
						t.Fatalf("got %v, want it to wait", err)
					}
					return
				}
				if err != nil {
					t.Fatalf("claim waits: %v", err)
				}
				for i := range events {
					id, changed := c.ID(i)
					if c.Verdict(i) != want.verdicts[i] || id != want.ids[i] || changed != (id != events[i].ID) {
						t.Fatalf("event %d: got %d %x, want %d %x", i, c.Verdict(i), id, want.verdicts[i], want.ids[i])
					}
				}
				want.claim = c
				m.claims = append(m.claims, want)
			},
			"commit": func(t *rapid.T) { end(t, func(int) bool { return true }) },
			"abort":  func(t *rapid.T) { end(t, func(int) bool { return false }) },
			"commit some": func(t *rapid.T) {
				kept := rapid.SliceOfN(rapid.Bool(), 6, 6).Draw(t, "kept")
				end(t, func(i int) bool { return kept[i] })
			},
			"wait": func(t *rapid.T) { m.now += rapid.IntRange(1, m.window).Draw(t, "ticks") },
			"": func(t *rapid.T) {
				m.forget()
				ids := map[[16]byte]bool{}
				for _, s := range m.list {
					ids[s.id] = true
				}
				if got := w.IDs(); got != len(ids) {
					t.Fatalf("%d ids, want %d", got, len(ids))
				}
			},
		})
	})
}
