package app

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/ingest"
)

// HeaderRedriveOf marks an event that was published from a dead letter; its value
// is the letter's place (topic/partition/offset). Whoever counts the records of a
// request can tell by it that the dead letter and the event are one item.
const HeaderRedriveOf = "redrive-of"

// errStillDead fails a dead letter that would be written again.
var errStillDead = errors.New("app: the item still is no event")

// letterPublisher publishes the events of one dead letter, and nothing else: the
// request's raw record is there already, or gone for good, and what still is no
// event has its dead letter.
type letterPublisher struct {
	to     *broker.GroupCommitter
	topics ingest.Topics
	of     string // place of the letter

	published []string // ids of events that are safe
	refused   []string // reasons of those that the broker refused
	trouble   error    // what may pass
}

// MaxRecordBytes implements ingest.Publisher. A raw record is never too large,
// since none is published: events name it.
func (p *letterPublisher) MaxRecordBytes(topic string) int {
	if topic == p.topics.Raw {
		return 0
	}
	return p.to.MaxRecordBytes(topic)
}

// Deliver implements ingest.Publisher.
func (p *letterPublisher) Deliver(ctx context.Context, recs []broker.Record, d broker.Durability) ([]bool, error) {
	errs := make([]error, len(recs))
	var events []broker.Record
	var places []int
	for i := range recs {
		switch recs[i].Topic {
		case p.topics.Raw:
		case p.topics.Deadletter:
			errs[i] = errStillDead
		default:
			events, places = append(events, p.marked(&recs[i])), append(places, i)
		}
	}
	if err := p.deliver(ctx, events, places, errs, d); err != nil {
		p.trouble = err
		return nil, err
	}
	if slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		return nil, &broker.PublishError{Errs: errs}
	}
	return nil, nil
}

// marked is an event's record with the header that says where it is from.
func (p *letterPublisher) marked(r *broker.Record) broker.Record {
	out := *r
	out.Headers = append(slices.Clone(r.Headers), broker.Header{Key: HeaderRedriveOf, Value: []byte(p.of)})
	return out
}

// deliver publishes events and tells in errs, at their places, how each ended.
func (p *letterPublisher) deliver(ctx context.Context, events []broker.Record, places []int, errs []error, d broker.Durability) error {
	if len(events) == 0 {
		return nil
	}
	_, err := p.to.Deliver(ctx, events, d)
	outcome, told := errors.AsType[*broker.PublishError](err)
	if err != nil && !told {
		return err //nolint:wrapcheck // it says who it is
	}
	for i := range events {
		var failed error
		if told {
			failed = outcome.Errs[i]
		}
		errs[places[i]] = failed
		p.tell(&events[i], failed)
	}
	return nil
}

// tell notes how one event's record ended. The copy in the topic of all events is
// told only where it is in trouble that may pass.
func (p *letterPublisher) tell(r *broker.Record, failed error) {
	isCopy := r.Topic == p.topics.All
	switch {
	case failed == nil && !isCopy:
		p.published = append(p.published, recordID(r))
	case failed == nil:
	case errors.Is(failed, broker.ErrTooLarge):
		p.refuse(ingest.ReasonTooLarge, isCopy)
	case errors.Is(failed, broker.ErrInvalid):
		p.refuse(ingest.ReasonRefused, isCopy)
	default:
		p.trouble = failed
	}
}

func (p *letterPublisher) refuse(reason string, isCopy bool) {
	if !isCopy {
		p.refused = append(p.refused, reason)
	}
}

// recordID is the id in the headers of an event's record.
func recordID(r *broker.Record) string {
	for _, h := range r.Headers {
		if h.Key == "ce_id" {
			return string(h.Value)
		}
	}
	return ""
}

// idText is an event id as it is written.
func idText(id [16]byte) string { return hex.EncodeToString(id[:]) }
