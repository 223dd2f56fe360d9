package renormalize

import (
	"context"
	"errors"
	"fmt"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
)

// parcel is the records of a group of requests on their way, some at a time.
type parcel struct {
	s        *sink
	recs     []broker.Message // the raw records
	problems []problem        // of each

	waiting   []broker.Record
	owners    []int // whose they are
	bytes     int
	published int64
}

// judge notes what a request's outcome comes to, apart from its events.
func (p *parcel) judge(i int, o *outcome, totals *Totals) {
	if o.err != nil {
		p.problems[i].add(o.err)
		return
	}
	broken := o.broken()
	for k := range broken {
		p.problems[i].add(brokenItem(&broken[k]))
	}
	totals.Broken += int64(len(broken))
	totals.Dead += int64(len(o.dead) - len(broken))
	totals.Rescued += int64(o.rescued())
}

// add adds a record, marked as a copy of request i, and publishes when enough are
// together. Its time is now: with that of the request it might expire at once.
func (p *parcel) add(ctx context.Context, i int, r broker.Record) error {
	r.Headers = append(r.Headers, p.s.o.Marker.Marks(&p.recs[i])...)
	r.Time = p.s.o.Now()
	size := broker.RecordBytes(&r)
	if len(p.waiting) > 0 && p.bytes+size > groupBytes {
		if err := p.publish(ctx); err != nil {
			return err
		}
	}
	p.waiting, p.owners, p.bytes = append(p.waiting, r), append(p.owners, i), p.bytes+size
	return nil
}

// publish publishes what is waiting. A record that the broker refuses as it stands
// becomes a problem of its request; any other failure is the run's.
func (p *parcel) publish(ctx context.Context) error {
	if len(p.waiting) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, publishBudget)
	defer cancel()
	err := p.s.o.Publisher.Publish(ctx, p.waiting)
	if err != nil && !p.refused(err) {
		return fmt.Errorf("renormalize: %w", err)
	}
	if err == nil {
		p.published += int64(len(p.waiting))
	}
	clear(p.waiting)
	p.waiting, p.owners, p.bytes = p.waiting[:0], p.owners[:0], 0
	return nil
}

// refused reports whether every record that failed was refused for itself, and notes
// those.
func (p *parcel) refused(err error) bool {
	outcome, ok := errors.AsType[*broker.PublishError](err)
	if !ok {
		return false
	}
	for _, err := range outcome.Errs {
		if err != nil && !errors.Is(err, broker.ErrTooLarge) && !errors.Is(err, broker.ErrInvalid) {
			return false
		}
	}
	for i, err := range outcome.Errs {
		if err == nil {
			p.published++
			continue
		}
		p.problems[p.owners[i]].add(fmt.Errorf("an event would become a dead letter (stage publish): topic %s: %w", p.waiting[i].Topic, err))
	}
	return true
}

// failures are the requests with problems, one each.
func (p *parcel) failures() (list []replay.Failure) {
	for i := range p.problems {
		switch problem := &p.problems[i]; problem.count {
		case 0:
			continue
		case 1:
			list = append(list, p.failure(i, problem.first.Error()))
		default:
			list = append(list, p.failure(i, fmt.Sprintf("%d items: %v", problem.count, problem.first)))
		}
	}
	return list
}

func (p *parcel) failure(i int, text string) replay.Failure {
	m := &p.recs[i]
	return replay.Failure{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Error: text}
}
