package ingest

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Publisher makes records safe.
type Publisher interface {
	// Deliver is that of broker.GroupCommitter. Once it has returned nil, nil it
	// reads nothing of recs any more; see PipelineOptions.Recycle.
	Deliver(ctx context.Context, recs []broker.Record, d broker.Durability) (spooled []bool, err error)
	// MaxRecordBytes is the largest record the topic takes, 0 if not known.
	MaxRecordBytes(topic string) int
}

// Window knows what was accepted lately.
type Window interface {
	// Claim is that of dedupe.Window.
	Claim(ctx context.Context, events []dedupe.Event, window time.Duration) (*dedupe.Claim, error)
}

// Outcomes is told how each publish ended; nil is success.
type Outcomes interface {
	Published(err error)
}

// Topics names the topics.
type Topics struct {
	Typed      map[event.Route]string
	Raw        string
	Deadletter string
	All        string // "" for none
}

// PipelineOptions is what a Pipeline needs.
type PipelineOptions struct {
	Publisher Publisher
	Window    Window // nil: repeats are published like anything else
	Topics    Topics
	Key       string // message | recipient | event
	Outcomes  Outcomes
	Log       *zap.Logger
	Now       func() time.Time

	// Recycle says that the Publisher keeps nothing of records, neither the list nor
	// keys, values or headers, once Deliver has said that all of them are
	// acknowledged and none is stored. Their memory is then used for the next
	// request. After any other outcome it never is.
	Recycle bool
}

// Pipeline takes a proven request to its acknowledged records. Safe for
// concurrent use.
type Pipeline struct {
	opt     PipelineOptions
	batches sync.Pool // of *batch, emptied
}

// NewPipeline makes a Pipeline.
func NewPipeline(o PipelineOptions) *Pipeline { return &Pipeline{opt: o} }

// ResultDuplicate is the result of a request of which nothing was left to
// publish: all of it was published before.
const ResultDuplicate Result = "duplicate"

// Accept normalizes and publishes a proven request and returns when every event
// is safe: acknowledged by all in-sync replicas, or in the spool, or kept as a
// dead letter. What was published before is left out, marked or published again,
// as the source wants it; of two like requests in progress the second waits for
// the first. The request is named id in the raw topic. An error means that the
// provider must send the request again, or, if it is a *webhook.RefusedError,
// that the request is somebody else's; parts of it may be published, under ids
// that stay, and those parts count as published before when it comes again.
func (p *Pipeline) Accept(ctx context.Context, src *Source, v webhook.Verified, id string) (Result, error) {
	start := p.opt.Now()
	b := p.take()
	defer p.giveBack(b) // after all else is done
	err := b.normalize(ctx, src, v, id)
	if err != nil {
		return ResultUnpublished, err
	}
	if b.items() == 0 {
		return ResultNothing, nil
	}
	src.Metrics.Enter(b.items())
	defer p.settle(b) // also when something panics: what has no fate by then is unpublished
	if err := p.claim(ctx, b); err != nil {
		return ResultUnpublished, err
	}
	defer b.release()
	if !p.makeRecords(b) {
		b.commit()
		b.unread = true
		return ResultDuplicate, nil
	}
	err = p.publish(ctx, b)
	p.opt.Outcomes.Published(err)
	if err != nil {
		return ResultUnpublished, err
	}
	b.commit()
	src.Metrics.Acked(p.opt.Now().Sub(start))
	p.report(b)
	return ResultPublished, nil
}

// maxRounds is how often what the broker refuses for itself is turned into
// something smaller: an event into a dead letter, a dead letter into one
// without its body.
const maxRounds = 3

// publish publishes the batch. What the broker refuses for what it is (too
// large, invalid) becomes a dead letter and fails no neighbour; any other
// failure is the request's.
func (p *Pipeline) publish(ctx context.Context, b *batch) error {
	pending := b.load
	for round := range maxRounds {
		spooled, err := p.opt.Publisher.Deliver(ctx, pending.records, b.src.Durability)
		var outcome *broker.PublishError
		switch {
		case err == nil:
			b.safe(pending.entries, spooled, nil)
			b.unread = round == 0 && spooled == nil
			return nil
		case !errors.As(err, &outcome):
			b.fail(pending.entries, nil)
			return err
		}
		b.safe(pending.entries, spooled, outcome.Errs)
		again, err := p.rescue(b, &pending, outcome.Errs)
		if err != nil {
			b.fail(pending.entries, outcome.Errs)
			return err
		}
		if pending = again; len(pending.entries) == 0 {
			return nil
		}
	}
	b.fail(pending.entries, nil)
	return errUnkeepable
}

// errUnkeepable says that an item fits nowhere: neither the raw nor the
// dead-letter topic takes it whole. It is not accepted, however often it comes.
var errUnkeepable = errors.New("ingest: neither the raw nor the dead-letter topic takes this request (raise their max.message.bytes, see kafka.topics.max_message_bytes)")

// rescue sorts out what became of each entry: acknowledged ones are done,
// refused ones get a smaller stand-in, and any other failure fails the request.
func (p *Pipeline) rescue(b *batch, sent *load, errs []error) (load, error) {
	var again load
	for i, err := range errs {
		switch {
		case err == nil:
		case refusedForItself(err):
			if sent.entries[i].kind == kindDeadLetter && b.rawOmitted {
				return load{}, errUnkeepable // it would be the last copy
			}
			p.standIn(b, &again, &sent.entries[i], err)
		default:
			return load{}, &broker.PublishError{Errs: errs}
		}
	}
	return again, nil
}

// refusedForItself reports that the broker refuses a record for what it is, as
// often as it is sent.
func refusedForItself(err error) bool {
	return errors.Is(err, broker.ErrTooLarge) || errors.Is(err, broker.ErrInvalid)
}

// standIn adds what is published in place of a refused entry: nothing for a raw
// copy or a copy in the topic of all events, which are left out.
func (p *Pipeline) standIn(b *batch, to *load, e *entry, err error) {
	switch e.kind {
	case kindEvent:
		d := b.events[e.item].DeadLetter(refusalReason(err), normalize.StagePublish, err.Error())
		b.dead = append(b.dead, d)
		p.addDeadLetter(b, to, e.item, &d)
	case kindDeadLetter:
		d := *e.dead
		d.Item = nil
		d.Detail += "; the item itself is over the dead-letter topic's limit: look for it in the raw topic"
		p.addDeadLetter(b, to, e.item, &d)
	case kindRaw:
		b.rawOmitted = true
	case kindCopy:
	}
}

// Reasons of dead letters that the publish stage gives.
const (
	ReasonTooLarge = "too_large"         // over the typed topic's limit
	ReasonRefused  = "refused_by_broker" // the broker calls the record invalid
)

// refusalReason is the machine-readable form of a record's refusal.
func refusalReason(err error) string {
	if errors.Is(err, broker.ErrTooLarge) {
		return ReasonTooLarge
	}
	return ReasonRefused
}

// settle tells the fate of every item of the batch.
func (p *Pipeline) settle(b *batch) {
	now, m := p.opt.Now(), b.src.Metrics
	m.Settling()
	for i, fate := range b.fates {
		var route event.Route
		if i < len(b.events) {
			e := &b.events[i].Event
			route = e.Route()
			if fate == metrics.Published {
				m.Acknowledged(e.OccurredAt.Time(), now)
			}
		}
		m.Settle(route, fate)
	}
	m.Settled(b.items())
}

// report counts and logs what a person should know of a published batch.
func (p *Pipeline) report(b *batch) {
	if b.conflicts > 0 {
		b.src.Metrics.Conflicting(b.conflicts)
	}
	if b.marked > 0 {
		b.src.Metrics.Marked(b.marked)
	}
	if len(b.dead) == 0 && !b.rawOmitted {
		return
	}
	log := p.opt.Log.With(zap.String("source", b.src.Name), zap.String("raw_id", b.id))
	for i, d := range b.dead {
		if b.left(len(b.events) + i) {
			continue
		}
		b.src.Metrics.DeadLettered(d.Reason, d.Stage)
		log.Warn("item kept in the dead-letter topic", zap.String("reason_code", d.Reason), zap.String("stage", d.Stage),
			zap.Int("index", d.Index), zap.String("detail", d.Detail), zap.ByteString("stack", d.Stack))
	}
	if b.rawOmitted {
		b.src.Metrics.RawOmitted()
		log.Warn("request published without its raw copy: it is over the raw topic's limit", zap.String("reason_code", "raw_omitted"))
	}
}
