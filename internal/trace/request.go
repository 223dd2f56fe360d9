package trace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/event"
)

// nearRecords is how far behind the first record of its time a request's record is
// looked for. They are published together with the request's events; only what was
// spooled lies further.
const nearRecords = 5000

// named looks through the dead letters for those that name what is wanted, where
// whole topics are read.
func (t *Tracer) named(ctx context.Context, q *Query, m *match, s *Searched) error {
	if m.names == nil || !s.Scan || t.o.Topics.Deadletter == "" {
		return nil
	}
	spans, err := t.spans(ctx, []string{t.o.Topics.Deadletter}, q, nil)
	if err != nil {
		return err
	}
	s.Partitions += len(spans)
	err = each(ctx, len(spans), func(ctx context.Context, i int) error {
		return t.read.read(ctx, spans[i], func(rec *broker.Message) error {
			if d, body, err := readDeadLetter(rec); err == nil && inWindow(q, rec.Time) && q.takes(d.Provider, d.Source) && m.names(body) {
				d.Why = DeadNames
				t.read.letter(d)
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}

// takes reports whether records of a source count.
func (q *Query) takes(provider, name string) bool {
	return !q.Narrow || slices.Contains(q.Sources, Source{provider, name})
}

// letter keeps a dead letter, each once.
func (r *reader) letter(d DeadLetter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	there := func(other DeadLetter) bool { return other.Record == d.Record }
	if len(r.letters) < r.most && !slices.ContainsFunc(r.letters, there) {
		r.letters = append(r.letters, d)
	}
}

// deadLetters are those that were kept, by time.
func (r *reader) deadLetters() []DeadLetter {
	slices.SortFunc(r.letters, func(a, b DeadLetter) int {
		return cmp.Or(a.Time.Compare(b.Time), comparePlaces(a.Record, b.Record))
	})
	return r.letters
}

// requests looks for the requests of what was found, the latest of them, and for
// their dead letters.
func (t *Tracer) requests(ctx context.Context, q *Query, res *Result, s *Searched) error {
	res.Requests = t.wanted()
	s.RequestsOmitted = max(len(res.Requests)-mostRequests, 0)
	looked := res.Requests[s.RequestsOmitted:]
	for i := range res.Requests[:s.RequestsOmitted] {
		res.Requests[i].State = RequestNotLooked
	}
	if err := t.layouts(ctx, []string{t.o.Topics.Raw, t.o.Topics.Deadletter}); err != nil {
		return err
	}
	err := each(ctx, len(looked), func(ctx context.Context, i int) error { return t.locate(ctx, &looked[i]) })
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	if q.Scan {
		if err := t.far(ctx, looked); err != nil {
			return err
		}
	}
	err = each(ctx, len(looked), func(ctx context.Context, i int) error { return t.lettersOf(ctx, &looked[i]) })
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}

// wanted lists the requests of what was found, each once, by time.
func (t *Tracer) wanted() []Request {
	all := map[string]Request{}
	add := func(rawID, provider, source string, at event.Time) {
		if rawID == "" || at.IsZero() {
			return
		}
		r := Request{RawID: rawID, Provider: provider, Source: source, ReceivedAt: at, State: RequestNotFound}
		all[r.key()] = r
	}
	for i := range t.read.found {
		e := &t.read.found[i].Event
		add(e.RawID, e.Provider, e.Source, e.ReceivedAt)
	}
	for i := range t.read.letters {
		d := &t.read.letters[i]
		add(d.RawID, d.Provider, d.Source, d.ReceivedAt)
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Request) int {
		return cmp.Or(a.ReceivedAt.Time().Compare(b.ReceivedAt.Time()), cmp.Compare(a.RawID, b.RawID))
	})
}

// locate looks for a request's record near the time at which it was received.
func (t *Tracer) locate(ctx context.Context, r *Request) error {
	expired, err := t.near(ctx, t.o.Topics.Raw, r, func(m *broker.Message) bool {
		r.found(m)
		return true
	})
	if expired && r.State == RequestNotFound {
		r.State = RequestExpired
	}
	return err
}

// lettersOf looks for a request's dead letters.
func (t *Tracer) lettersOf(ctx context.Context, r *Request) error {
	if r.State == RequestFound && r.DeadLetters == 0 {
		return nil
	}
	seen := 0
	_, err := t.near(ctx, t.o.Topics.Deadletter, r, func(m *broker.Message) bool {
		if d, _, err := readDeadLetter(m); err == nil {
			d.Why = DeadOfRequest
			t.read.letter(d)
		}
		seen++
		return r.State == RequestFound && seen >= r.DeadLetters
	})
	return err
}

// near calls fn for the records of a topic with the request's key and of about its
// time, until fn says that it has enough. It reports whether the topic does not
// reach back to that time.
func (t *Tracer) near(ctx context.Context, topic string, r *Request, fn func(*broker.Message) bool) (expired bool, err error) {
	spans, err := t.spansOf(ctx, topic, r.ReceivedAt.Time(), []string{r.key()})
	if err != nil || len(spans) == 0 {
		return false, err
	}
	s := spans[0]
	expired, s.cut = s.cut, false
	s.to = min(s.to, s.from+nearRecords)
	err = t.read.read(ctx, s, func(m *broker.Message) error {
		if string(m.Key) == r.key() && fn(m) {
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return expired, err
}

// far looks for requests that are not near their time, in all that came after.
func (t *Tracer) far(ctx context.Context, requests []Request) error {
	left := map[string]*Request{}
	var first time.Time
	for i := range requests {
		r := &requests[i]
		if r.State != RequestNotFound {
			continue
		}
		left[r.key()] = r
		if at := r.ReceivedAt.Time(); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	if len(left) == 0 {
		return nil
	}
	spans, err := t.spans(ctx, []string{t.o.Topics.Raw}, &Query{From: first}, slices.Sorted(maps.Keys(left)))
	if err != nil {
		return err
	}
	err = each(ctx, len(spans), func(ctx context.Context, i int) error {
		return t.read.read(ctx, spans[i], func(m *broker.Message) error {
			if r := left[string(m.Key)]; r != nil && r.Record == nil {
				r.found(m)
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}
