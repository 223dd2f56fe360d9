package dedupe_test

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
)

// topic is a topic of one partition in memory.
type topic struct {
	mu    sync.Mutex
	recs  []broker.Record
	first int64 // what lies before was deleted
	fail  error // of publishing
	blind error // of reading
	grown chan struct{}
}

func newTopic() *topic { return &topic{grown: make(chan struct{})} }

func (p *topic) Publish(ctx context.Context, recs []broker.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := errors.Join(ctx.Err(), p.fail); err != nil {
		return err
	}
	p.recs = append(p.recs, recs...)
	close(p.grown)
	p.grown = make(chan struct{})
	return nil
}

func (p *topic) Offsets(context.Context, string) (map[int]broker.OffsetRange, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return map[int]broker.OffsetRange{0: {First: p.first, Next: p.first + int64(len(p.recs))}}, p.blind
}

func (p *topic) Read(ctx context.Context, name string, _ int, from, to int64, fn func(broker.Message) error) error {
	for to < 0 || from < to {
		m, grown, err := p.at(name, from)
		switch {
		case err != nil:
			return err
		case grown == nil:
			if err := fn(m); err != nil {
				return err
			}
			from++
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// at returns a record, or what to wait for.
func (p *topic) at(name string, offset int64) (broker.Message, <-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.first + int64(len(p.recs))
	switch {
	case p.blind != nil:
		return broker.Message{}, nil, p.blind
	case offset < p.first || offset > next:
		return broker.Message{}, nil, &broker.OffsetGapError{Topic: name, Offset: offset, Log: broker.OffsetRange{First: p.first, Next: next}}
	case offset == next:
		return broker.Message{}, p.grown, nil
	}
	r := p.recs[offset-p.first]
	return broker.Message{Topic: name, Offset: offset, Value: r.Value, HighWater: next}, nil, nil
}

// set changes the topic.
func (p *topic) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *topic) records() []broker.Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.recs
}

// receiver is a window with its journal, running.
type receiver struct {
	*dedupe.Window
	j    *dedupe.Journal
	wall *hand
	stop func()
}

// receive starts a receiver on a topic, inside a bubble of synctest.
func receive(t *testing.T, p *topic, share bool) *receiver {
	t.Helper()
	r := &receiver{Window: dedupe.New(dedupe.Options{Window: time.Hour, MaxIDs: 300_000, Now: time.Now})}
	offset := time.Duration(0)
	r.wall = &hand{}
	r.j = dedupe.NewJournal(r.Window, dedupe.JournalOptions{
		Topic: "seen", Publisher: p, Reader: p, Share: share, Log: zap.NewNop(),
		Now: func() time.Time {
			if !r.wall.at.IsZero() {
				offset = time.Until(r.wall.at)
				r.wall.at = time.Time{}
			}
			return time.Now().Add(offset)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.j.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	synctest.Wait()
	return r
}

// pass lets time pass, inside a bubble of synctest.
func pass(d time.Duration) { <-time.After(d) }

func TestJournalOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTopic()
		a := receive(t, p, false)
		accept(t, a.Window, event(1, 1))
		accept(t, a.Window, event(1, 2))
		pass(250 * time.Millisecond)
		synctest.Wait()
		if n := len(p.records()); n != 1 {
			t.Fatalf("%d records after a quarter of a second, want 1", n)
		}
		accept(t, a.Window, event(2, 1))
		a.stop()
		if err := a.j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(30 * time.Minute)
		b := receive(t, p, false)
		if s := b.j.State(); !s.Loaded || s.IDs != 3 || s.Problem != "" || s.Pending != 0 {
			t.Errorf("state %+v, want 3 ids loaded", s)
		}
		wantVerdict(t, accept(t, b.Window, event(1, 1)), dedupe.Repeat)
		wantVerdict(t, accept(t, b.Window, event(1, 2)), dedupe.Repeat)
		wantVerdict(t, accept(t, b.Window, event(2, 3)), dedupe.Conflict)
		pass(30 * time.Minute)
		wantVerdict(t, accept(t, b.Window, event(1, 1)), dedupe.Fresh) // the window counts from the first time
		if n := len(p.records()); n != 3 {
			t.Errorf("%d records, want 3: what was read is not written again", n)
		}
	})
}

func TestReceiversLearnFromEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTopic()
		a, b, alone := receive(t, p, true), receive(t, p, true), receive(t, p, false)
		accept(t, a.Window, event(1, 1))
		accept(t, b.Window, event(2, 1))
		pass(250 * time.Millisecond)
		synctest.Wait()
		wantVerdict(t, accept(t, b.Window, event(1, 1)), dedupe.Repeat)
		wantVerdict(t, accept(t, a.Window, event(2, 1)), dedupe.Repeat)
		wantVerdict(t, accept(t, alone.Window, event(1, 1)), dedupe.Fresh)
		if s := a.j.State(); s.Behind != 0 || s.IDs != 2 {
			t.Errorf("state %+v, want 2 ids and nothing to read", s)
		}
	})
}

// What cannot be written waits, within bounds, and is written in the end.
func TestJournalRidesOutAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTopic()
		a := receive(t, p, false)
		p.set(func() { p.fail = errors.New("away") })
		accept(t, a.Window, event(1, 1))
		pass(time.Minute)
		synctest.Wait()
		if s := a.j.State(); s.Pending != 1 || s.Problem != "away" || s.Oldest != time.Minute {
			t.Errorf("state %+v, want one id waiting for a minute", s)
		}
		if err := a.j.Flush(t.Context()); err == nil {
			t.Error("flush says nothing of the id it could not write")
		}
		const most = 200_000
		for n := range most {
			var e dedupe.Event
			binary.BigEndian.PutUint64(e.ID[:], uint64(n)+1<<32)
			accept(t, a.Window, e)
		}
		if s := a.j.State(); s.GivenUp != most/8 || s.Pending != most-most/8+1 {
			t.Errorf("state %+v, want an eighth of %d given up", s, most)
		}
		p.set(func() { p.fail = nil })
		pass(5 * time.Second)
		synctest.Wait()
		if s := a.j.State(); s.Pending != 0 || s.Problem != "" || s.Oldest != 0 {
			t.Errorf("state %+v, want nothing waiting", s)
		}
		b := receive(t, p, false)
		if got := b.IDs(); got != most-most/8+1 {
			t.Errorf("%d ids read back, want %d", got, most-most/8+1)
		}
		wantVerdict(t, accept(t, b.Window, event(1, 1)), dedupe.Fresh) // given up first
	})
}

// A topic that cannot be read at the start is read as soon as it can.
func TestLoadTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTopic()
		a := receive(t, p, false)
		accept(t, a.Window, event(1, 1))
		a.stop()
		if err := a.j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.set(func() { p.blind = errors.New("no access") })
		b := receive(t, p, true)
		pass(time.Minute)
		select {
		case <-b.j.Loaded():
			t.Error("loaded, says the journal")
		default:
		}
		if s := b.j.State(); s.Loaded || s.Problem != "no access" {
			t.Errorf("state %+v, want it not loaded", s)
		}
		wantVerdict(t, accept(t, b.Window, event(2, 1)), dedupe.Fresh)
		p.set(func() { p.blind = nil })
		<-b.j.Loaded()
		wantVerdict(t, accept(t, b.Window, event(1, 1)), dedupe.Repeat)
		wantVerdict(t, accept(t, b.Window, event(2, 1)), dedupe.Repeat)
	})
}

// What retention deletes before it is read is passed over, and so is what cannot
// be understood.
func TestGapsAndOddRecordsArePassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTopic()
		a, b := receive(t, p, true), receive(t, p, true)
		p.set(func() {
			p.recs = append(p.recs, broker.Record{Value: nil}, broker.Record{Value: []byte{9, 9}}, broker.Record{Value: []byte("\x01\xffshort")})
		})
		accept(t, a.Window, event(1, 1))
		pass(time.Second)
		synctest.Wait()
		wantVerdict(t, accept(t, b.Window, event(1, 1)), dedupe.Repeat)
		p.set(func() { p.first, p.recs = 1000, nil }) // far ahead: everything before is gone
		accept(t, a.Window, event(2, 1))
		pass(time.Second)
		synctest.Wait()
		wantVerdict(t, accept(t, b.Window, event(2, 1)), dedupe.Repeat)
		p.set(func() { p.first, p.recs = 0, nil }) // made anew
		accept(t, a.Window, event(3, 1))
		pass(time.Second)
		synctest.Wait()
		wantVerdict(t, accept(t, b.Window, event(3, 1)), dedupe.Repeat)
	})
}

// Times on the wall that make no sense make nothing known for longer than a
// window, nor anything known that is not.
func TestWrongClocksInTheTopic(t *testing.T) {
	for name, tt := range map[string]struct {
		off  time.Duration // of the writer's clock
		want dedupe.Verdict
	}{
		"right":         {0, dedupe.Repeat},
		"a little fast": {30 * time.Minute, dedupe.Repeat},
		"far ahead":     {1000 * time.Hour, dedupe.Fresh},
		"far behind":    {-1000 * time.Hour, dedupe.Fresh},
		"before 1970":   {-40 * 365 * 24 * time.Hour, dedupe.Fresh},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newTopic()
			a := receive(t, p, false)
			accept(t, a.Window, event(1, 1))
			a.wall.at = time.Now().Add(tt.off)
			a.stop()
			if err := a.j.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			b := receive(t, p, false)
			if got := accept(t, b.Window, event(1, 1)); got != tt.want {
				t.Errorf("%s: verdict %d, want %d", name, got, tt.want)
			}
			c := receive(t, p, false)
			pass(time.Hour)
			wantVerdict(t, accept(t, c.Window, event(1, 1)), dedupe.Fresh)
		})
	}
}

// An event that was accepted again, since its source asks for a shorter time,
// is known from then on, everywhere.
func TestLaterAcceptanceCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTopic()
		a := receive(t, p, true)
		accept(t, a.Window, event(1, 1))
		pass(40 * time.Minute)
		c, err := a.Claim(t.Context(), []dedupe.Event{event(1, 1)}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		wantVerdict(t, c.Verdict(0), dedupe.Fresh)
		c.Commit()
		pass(time.Second)
		b := receive(t, p, true)
		pass(40 * time.Minute)
		wantVerdict(t, accept(t, b.Window, event(1, 1)), dedupe.Repeat)
		pass(20 * time.Minute)
		wantVerdict(t, accept(t, b.Window, event(1, 1)), dedupe.Fresh)
	})
}
