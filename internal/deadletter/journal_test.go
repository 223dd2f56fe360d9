package deadletter_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/deadletter"
)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func open(t *testing.T, top *topics, c *clock) *deadletter.Journal {
	t.Helper()
	j, err := deadletter.OpenJournal(t.Context(), top, "replays", "dead", c.now)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestMarksAreKnownToWhoReadsTheTopic(t *testing.T) {
	top, c := newTopics(map[string]int{"dead": 2, "replays": 1}), &clock{noon}
	a, b, x := top.letter(0, after(1), "r", 1), top.letter(1, after(2), "r", 1), top.letter(1, after(3), "r", 1)
	// What others keep in the topic is passed over.
	top.put("replays", 0, noon, "01999999-0000-7000-8000-000000000000", `{"state":"running"}`)
	top.put("replays", 0, noon, "resolved/other/0/0", `{"how":"redriven"}`)
	top.put("replays", 0, noon, "resolved/dead/x/0", `{"how":"redriven"}`)
	top.put("replays", 0, noon, "resolved/dead/1/1", `damaged`)
	j := open(t, top, c)
	if err := j.Resolve(a, deadletter.Redriven, "me@here", []string{"id-1", "id-2"}); err != nil {
		t.Fatal(err)
	}
	if err := j.Resolve(b, deadletter.Dismissed, "you@there", nil); err != nil {
		t.Fatal(err)
	}
	if err := j.Flush(t.Context(), top); err != nil {
		t.Fatal(err)
	}
	for _, reader := range []*deadletter.Journal{j, open(t, top, c)} {
		if got := []deadletter.How{reader.How(a), reader.How(b), reader.How(x)}; !slices.Equal(got, []deadletter.How{"redriven", "dismissed", ""}) {
			t.Errorf("got %q", got)
		}
	}
	m, err := open(t, top, c).Mark(t.Context(), a)
	if err != nil || m == nil || m.By != "me@here" || !m.At.Equal(noon) || m.How != deadletter.Redriven || !slices.Equal(m.IDs, []string{"id-1", "id-2"}) {
		t.Errorf("got %+v, %v", m, err)
	}
	if m, err := open(t, top, c).Mark(t.Context(), x); m != nil || err != nil {
		t.Errorf("an open letter: got %+v, %v", m, err)
	}
	j.Reopen(a)
	if err := j.Flush(t.Context(), top); err != nil {
		t.Fatal(err)
	}
	if got := open(t, top, c).How(a); got != "" || j.How(a) != "" {
		t.Errorf("a reopened letter is %q", got)
	}
}

// If the topic of dead letters is made anew, marks of the old one mean nothing.
func TestAMarkIsOfOneLetter(t *testing.T) {
	top, c := newTopics(map[string]int{"dead": 1, "replays": 1}), &clock{noon}
	j := open(t, top, c)
	if err := j.Resolve(top.letter(0, after(1), "r", 1), deadletter.Dismissed, "me", nil); err != nil {
		t.Fatal(err)
	}
	if err := j.Flush(t.Context(), top); err != nil {
		t.Fatal(err)
	}
	top.logs["dead"][0] = log{}
	if got := open(t, top, c).How(top.letter(0, after(2), "r", 1)); got != "" {
		t.Errorf("another letter at the same place is %q", got)
	}
}

func TestMarksGoWithTheirLetters(t *testing.T) {
	top, c := newTopics(map[string]int{"dead": 1, "replays": 1}), &clock{noon}
	j := open(t, top, c)
	var letters []*deadletter.Letter
	for i := range 4 {
		letters = append(letters, top.letter(0, after(i), "r", 1))
		if err := j.Resolve(letters[i], deadletter.Dismissed, "me", nil); err != nil {
			t.Fatal(err)
		}
	}
	top.forget("dead", 0, 3)
	log, _ := top.Offsets(t.Context(), "dead")
	if n := j.Prune(log); n != 3 {
		t.Errorf("%d marks were taken away, want 3", n)
	}
	if err := j.Flush(t.Context(), top); err != nil {
		t.Fatal(err)
	}
	var empty []string
	for _, m := range top.logs["replays"][0].records {
		if m.Value == nil {
			empty = append(empty, string(m.Key))
		}
	}
	slices.Sort(empty)
	if want := "resolved/dead/0/0 resolved/dead/0/1 resolved/dead/0/2"; strings.Join(empty, " ") != want {
		t.Errorf("without a value: %v, want %s", empty, want)
	}
	if got := open(t, top, c).How(letters[3]); got != deadletter.Dismissed {
		t.Errorf("the letter that is there is %q", got)
	}
}

func TestFlushGoesOnAfterAnError(t *testing.T) {
	top, c := newTopics(map[string]int{"dead": 1, "replays": 1}), &clock{noon}
	j := open(t, top, c)
	for i := range 1200 {
		if err := j.Resolve(top.letter(0, after(i), "r", 1), deadletter.Dismissed, "me", nil); err != nil {
			t.Fatal(err)
		}
	}
	top.refuse = errors.New("away")
	if err := j.Flush(t.Context(), top); !errors.Is(err, top.refuse) || j.Pending() != 1200 {
		t.Errorf("%d left, %v", j.Pending(), err)
	}
	top.refuse = nil
	if err := j.Flush(t.Context(), top); err != nil || j.Pending() != 0 || len(top.logs["replays"][0].records) != 1200 {
		t.Errorf("%d left, %d written, %v", j.Pending(), len(top.logs["replays"][0].records), err)
	}
}

func TestWithoutATopicNothingIsResolved(t *testing.T) {
	top, c := newTopics(map[string]int{"dead": 1}), &clock{noon}
	if got := open(t, top, c).How(top.letter(0, noon, "r", 1)); got != "" {
		t.Errorf("got %q", got)
	}
}

func owner(id string) deadletter.Owner {
	return deadletter.Owner{ID: id, By: "me", Host: "here", PID: 7}
}

func TestOneRedriveAtATime(t *testing.T) {
	top, c := newTopics(map[string]int{"replays": 1}), &clock{noon}
	first, second := open(t, top, c), open(t, top, c)
	if err := first.Lock(t.Context(), top, owner("a")); err != nil {
		t.Fatal(err)
	}
	refused := func(j *deadletter.Journal, id string) {
		t.Helper()
		var locked *deadletter.LockedError
		if err := j.Lock(t.Context(), top, owner(id)); !errors.As(err, &locked) || locked.ID != "a" || !strings.Contains(err.Error(), "process 7 of me on here") {
			t.Errorf("%s: got %v, want the lock of a", id, err)
		}
	}
	refused(second, "b")
	// It stays taken as long as the holder gives signs of life.
	for range 5 {
		c.at = c.at.Add(50 * time.Second)
		if err := first.Renew(t.Context(), top); err != nil {
			t.Fatal(err)
		}
		refused(second, "b")
		refused(open(t, top, c), "c")
	}
	if err := first.Unlock(t.Context(), top); err != nil {
		t.Fatal(err)
	}
	if err := second.Lock(t.Context(), top, owner("b")); err != nil {
		t.Errorf("after it was given back: %v", err)
	}
}

func TestAKilledRedriveCountsAsGone(t *testing.T) {
	top, c := newTopics(map[string]int{"replays": 1}), &clock{noon}
	first := open(t, top, c)
	if err := first.Lock(t.Context(), top, owner("a")); err != nil {
		t.Fatal(err)
	}
	c.at = c.at.Add(61 * time.Second)
	second := open(t, top, c)
	if err := second.Lock(t.Context(), top, owner("b")); err != nil {
		t.Errorf("a minute after the last sign: %v", err)
	}
	// The first one was not killed, only stopped: it must not go on.
	if err := first.Renew(t.Context(), top); !errors.Is(err, deadletter.ErrLockLost) {
		t.Errorf("got %v, want ErrLockLost", err)
	}
}

// TestWhoLostTheLockLeavesItAlone: giving it back would take it from the run that has
// it by now, and let a third one in.
func TestWhoLostTheLockLeavesItAlone(t *testing.T) {
	top, c := newTopics(map[string]int{"replays": 1}), &clock{noon}
	first, second := open(t, top, c), open(t, top, c)
	if err := first.Lock(t.Context(), top, owner("a")); err != nil {
		t.Fatal(err)
	}
	c.at = c.at.Add(61 * time.Second)
	if err := second.Lock(t.Context(), top, owner("b")); err != nil {
		t.Fatal(err)
	}
	if err := first.Unlock(t.Context(), top); err != nil {
		t.Fatal(err)
	}
	var locked *deadletter.LockedError
	if err := open(t, top, c).Lock(t.Context(), top, owner("c")); !errors.As(err, &locked) || locked.ID != "b" {
		t.Errorf("got %v, want the lock of b", err)
	}
}

// meeting lets two runs ask for the lock in the same instant: the other one's claim
// comes between this one's look and its own.
type meeting struct {
	*topics
	before func()
}

func (m *meeting) publish() {
	if m.before != nil {
		m.before()
		m.before = nil
	}
}

func TestOfTwoAtOnceOneHasTheLock(t *testing.T) {
	top, c := newTopics(map[string]int{"replays": 1}), &clock{noon}
	a, b := open(t, top, c), open(t, top, c)
	m := &meeting{topics: top, before: func() {
		if err := b.Lock(t.Context(), top, owner("b")); err != nil {
			t.Errorf("the first claim: %v", err)
		}
	}}
	var locked *deadletter.LockedError
	if err := a.Lock(t.Context(), lockPublisher{m}, owner("a")); !errors.As(err, &locked) || locked.ID != "b" {
		t.Errorf("got %v, want the lock of b", err)
	}
	if err := b.Renew(t.Context(), top); err != nil {
		t.Error(err)
	}
	for i, m := range top.logs["replays"][0].records {
		if key := string(m.Key); key != "resolved/lock" {
			t.Errorf("record %d has the key %s", i, key)
		}
	}
}

// lockPublisher publishes after the other one has.
type lockPublisher struct{ m *meeting }

func (p lockPublisher) Publish(ctx context.Context, recs []broker.Record) error {
	p.m.publish()
	return p.m.Publish(ctx, recs)
}
