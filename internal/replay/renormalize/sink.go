package renormalize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/replay/stored"
)

// Bounds of one publish.
const (
	groupRequests = 1000             // requests that are taken through the mapping together
	groupBytes    = 8 << 20          // of records that are published together, or of one
	publishBudget = 30 * time.Second // nobody waits for an answer: longer than a leader election
)

// Totals is what a run has done; it is kept in the run's checkpoints (Run.Sink).
type Totals struct {
	Requests int64 `json:"requests"`
	Records  int64 `json:"records"` // published: events, and their copies in the topic of all events
	Dead     int64 `json:"dead"`    // items that were no event and still are none
	Rescued  int64 `json:"rescued"` // items that were no event and now are
	Broken   int64 `json:"broken"`  // items that were an event and would be none; nothing was published for them
}

// sink is the target renormalize.
type sink struct {
	o       Options
	mappers []*mapper

	mu     sync.Mutex // Totals may be asked for while a Deliver is in progress
	totals Totals
}

// NewSink makes the target of a run. Deliver is called from one goroutine, with raw
// records in the order of their times, so that the events of one message keep the
// order in which they came. Publisher stays the caller's.
//
// An item that is no event now and was none when it came is counted and left: its
// dead letter is there already. An item that was an event and would be a dead letter
// now is a failure of its request, of which the other events are published; no dead
// letter is written, since the event that is in the topics remains true to the
// mapping that made it.
func NewSink(o Options) (replay.Sink, error) {
	s := &sink{o: o}
	if len(o.State) > 0 {
		if err := json.Unmarshal(o.State, &s.totals); err != nil {
			return nil, fmt.Errorf("renormalize: the checkpoint of the run: %w", err)
		}
	}
	known := newSources(o.Sources)
	for range runtime.GOMAXPROCS(0) {
		s.mappers = append(s.mappers, newMapper(&o, known))
	}
	return s, nil
}

// Deliver implements replay.Sink.
func (s *sink) Deliver(ctx context.Context, recs []broker.Message) (failed []replay.Failure, err error) {
	for len(recs) > 0 {
		n := min(len(recs), groupRequests)
		more, err := s.deliver(ctx, recs[:n])
		failed = append(failed, more...)
		if err != nil {
			return failed, err
		}
		recs = recs[n:]
	}
	return failed, nil
}

// deliver publishes what one group of requests becomes.
func (s *sink) deliver(ctx context.Context, recs []broker.Message) ([]replay.Failure, error) {
	outcomes := make([]outcome, len(recs))
	if err := s.takeAll(ctx, recs, outcomes); err != nil {
		return nil, err
	}
	p := parcel{s: s, recs: recs, problems: make([]problem, len(recs))}
	totals := Totals{Requests: int64(len(recs))}
	for i := range outcomes {
		p.judge(i, &outcomes[i], &totals)
		for _, r := range outcomes[i].records {
			if err := p.add(ctx, i, r); err != nil {
				return nil, err
			}
		}
		outcomes[i] = outcome{}
	}
	if err := p.publish(ctx); err != nil {
		return nil, err
	}
	totals.Records = p.published
	s.count(totals)
	return p.failures(), nil
}

// takeAll takes the requests through the mapping, on all cores.
func (s *sink) takeAll(ctx context.Context, recs []broker.Message, outcomes []outcome) error {
	var (
		wg   sync.WaitGroup
		next atomic.Int64
		errs = make([]error, len(s.mappers))
	)
	for w, m := range s.mappers {
		wg.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= len(recs) {
					return
				}
				errs[w] = m.take(ctx, &recs[i], &outcomes[i])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (s *sink) count(t Totals) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.totals.Requests += t.Requests
	s.totals.Records += t.Records
	s.totals.Dead += t.Dead
	s.totals.Rescued += t.Rescued
	s.totals.Broken += t.Broken
}

// Flush implements replay.Sink. All that was delivered is acknowledged; the totals
// are what a checkpoint holds.
func (s *sink) Flush(context.Context) (json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Marshal(&s.totals)
}

// Close implements replay.Sink.
func (s *sink) Close(context.Context) error { return nil }

// problem is what is wrong with one request: the first of its troubles, and how
// many there are.
type problem struct {
	first error
	count int
}

func (p *problem) add(err error) {
	if p.count++; p.first == nil {
		p.first = err
	}
}

// brokenItem says that an item would become a dead letter.
func brokenItem(l *stored.Letter) error {
	return fmt.Errorf("item %d would become a dead letter (%s, stage %s): %s", max(l.Index, 0), l.Reason, l.Stage, l.Detail)
}
