package app

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/pkg/event"
)

// RedriveOutcome is what became, or would become, of a dead letter.
type RedriveOutcome struct {
	Published []string // ids of the events that were published now
	Known     []string // ids of events that were published before
	Failing   []string // reasons of what still is no event, or is refused again; one an item
}

// Done reports that all of the letter is published.
func (o *RedriveOutcome) Done() bool { return len(o.Failing) == 0 }

// IDs are those of all events that are in their topics.
func (o *RedriveOutcome) IDs() []string {
	return append(append(make([]string, 0, len(o.Published)+len(o.Known)), o.Published...), o.Known...)
}

// Preview tells what Redrive would do now. What the broker would refuse it does not
// know.
func (t *Letters) Preview(ctx context.Context, a *Attempt) (o RedriveOutcome, err error) {
	o.failing(a)
	found, err := t.judge(ctx, a)
	for _, v := range found {
		if v.known {
			o.Known = append(o.Known, v.id)
		} else {
			o.Published = append(o.Published, v.id)
		}
	}
	return o, err
}

// failing notes what still is no event.
func (o *RedriveOutcome) failing(a *Attempt) {
	for i := range a.Dead {
		o.Failing = append(o.Failing, a.Dead[i].Reason)
	}
}

// judged is what is known of one event of an attempt.
type judged struct {
	id      string // under which it is, or would be, published
	changed bool   // its own id is known with other content
	known   bool   // it was published before
}

// judge tells of each event whether it was published before, and under which id.
func (t *Letters) judge(ctx context.Context, a *Attempt) ([]judged, error) {
	switch {
	case !t.r.known:
		return nil, errWindow
	case len(a.Events) == 0:
		return nil, nil
	}
	found, err := t.asReceived(ctx, a)
	if err != nil || !a.refused() {
		return found, err
	}
	for i := range found {
		if found[i].known, err = t.redriven(ctx, found[i].id); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// asReceived judges events as a receiver would that gets them now. An event that
// the letter itself holds has its id for good.
func (t *Letters) asReceived(ctx context.Context, a *Attempt) ([]judged, error) {
	found := make([]judged, len(a.Events))
	if a.source == nil {
		found[0].id = a.Events[0].Event.ID
		return found, nil
	}
	c, err := t.r.window.Claim(ctx, a.live(), 0)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says who it is
	}
	c.Abort()
	for i := range found {
		id, changed := c.ID(i)
		found[i] = judged{id: idText(id), changed: changed || a.conflict, known: c.Verdict(i) == dedupe.Repeat}
	}
	return found, nil
}

// redriven tells whether a refused event was redriven before.
func (t *Letters) redriven(ctx context.Context, id string) (bool, error) {
	c, err := t.r.window.Claim(ctx, []dedupe.Event{afresh(id)}, 0)
	if err != nil {
		return false, err //nolint:wrapcheck // it says who it is
	}
	c.Abort()
	return c.Verdict(0) == dedupe.Repeat, nil
}

// live is what receivers know the events by.
func (a *Attempt) live() []dedupe.Event {
	list := make([]dedupe.Event, len(a.Events))
	for i := range a.Events {
		list[i] = dedupe.Event{ID: eventID(&a.Events[i].Event), Content: a.Events[i].Content()}
	}
	return list
}

// afresh is what a redrive of an event that the broker has refused is known by:
// under the event's own id receivers have known it since it was refused.
func afresh(id string) dedupe.Event {
	sum := sha256.Sum256([]byte("redriven\x00" + id))
	return dedupe.Event{ID: [16]byte(sum[:16]), Content: [16]byte(sum[16:])}
}

// Redrive publishes what an attempt has come to, as the receiver would: the events
// under the ids that they have always had, to their topics, with the header
// redrive-of. What was published before is left out, whatever the source's dedupe
// mode is. No raw record and no dead letter is published. The error is one that may
// pass; what is published by then is known when the letter is redriven again.
func (t *Letters) Redrive(ctx context.Context, a *Attempt) (o RedriveOutcome, err error) {
	o.failing(a)
	found, err := t.judge(ctx, a)
	if err != nil {
		return o, err
	}
	for _, v := range found {
		if v.known {
			o.Known = append(o.Known, v.id)
		}
	}
	if len(o.Known) == len(found) {
		return o, nil
	}
	p := &letterPublisher{to: t.r.publisher, topics: TopicNames(t.r.cfg.Kafka.Topics), of: a.Letter.Place()}
	if a.refused() {
		err = t.publishRefused(ctx, a, found, p)
	} else {
		err = t.accept(ctx, a, p)
	}
	o.Published, o.Failing = p.published, append(o.Failing, p.refused...)
	return o, err
}

// accept takes the request through the receiver's own pipeline. A dead letter in
// it fails there, and so does what the broker refuses, which is told in p; the rest
// is published and remembered.
func (t *Letters) accept(ctx context.Context, a *Attempt, p *letterPublisher) error {
	src := *a.source
	src.Dedupe, src.DedupeWindow = dedupe.Drop, 0
	_, err := ingest.NewPipeline(t.r.pipelineOptions(p)).Accept(ctx, &src, a.proven, a.Opened.RawID)
	if _, told := errors.AsType[*broker.PublishError](err); told {
		return p.trouble
	}
	return err //nolint:wrapcheck // it says who it is
}

// publishRefused publishes the events of an attempt whose records the broker has
// refused before.
func (t *Letters) publishRefused(ctx context.Context, a *Attempt, found []judged, p *letterPublisher) error {
	for i, v := range found {
		if v.known {
			continue
		}
		c, err := t.r.window.Claim(ctx, []dedupe.Event{afresh(v.id)}, 0)
		if err != nil {
			return err //nolint:wrapcheck // it says who it is
		}
		before := len(p.published)
		_, err = p.Deliver(ctx, t.records(a, i, v), broker.BrokerOnly)
		if len(p.published) > before {
			c.Commit()
		} else {
			c.Abort()
		}
		if _, told := errors.AsType[*broker.PublishError](err); err != nil && (!told || p.trouble != nil) {
			return err //nolint:wrapcheck // it says who it is
		}
	}
	return nil
}

// records are those of one event: in its topic, and in that of all events.
func (t *Letters) records(a *Attempt, i int, v judged) []broker.Record {
	e := a.Events[i].Event
	e.ID = v.id
	topics := TopicNames(t.r.cfg.Kafka.Topics)
	r := broker.Record{
		Topic:   topics.Typed[e.Route()],
		Key:     []byte(ingest.RecordKey(t.r.cfg.Kafka.Topics.Key, &e)),
		Value:   e.AppendJSON(nil),
		Headers: e.AppendHeaders(nil, event.Stamp{Mapper: a.Mapper(), Conflict: v.changed}),
		Time:    a.Opened.ReceivedAt,
	}
	list := []broker.Record{r}
	if topics.All != "" {
		r.Topic = topics.All
		list = append(list, r)
	}
	return list
}
