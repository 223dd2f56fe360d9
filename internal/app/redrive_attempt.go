package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/deadletter"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/replay/stored"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Why a dead letter cannot be tried at all; beside these, the reasons of dead
// letters say why it still is one.
const (
	UnusableUnreadable = "unreadable"      // its record is none of ours, or damaged
	UnusableSource     = "unknown_source"  // the source is not configured any more
	UnusableRaw        = "raw_gone"        // what it needs of its request is not in the raw topic any more
	UnusableAddress    = "clear_recipient" // the event in it has an address, which events must not have by now
	UnusableNothing    = "no_item"         // today's mapping finds nothing in it
)

// UnusableError says why a dead letter cannot be taken through the mapping.
type UnusableError struct {
	Why string // one of the words above, or normalize.ReasonInvalidEvent
	Err error
}

// Error implements error.
func (e *UnusableError) Error() string { return e.Why + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UnusableError) Unwrap() error { return e.Err }

func unusable(why, format string, args ...any) error {
	return &UnusableError{Why: why, Err: fmt.Errorf(format, args...)}
}

// Letters takes dead letters through the mapping as it is now, and publishes what
// becomes of them. Attempt may be called from one goroutine at a time, the other
// methods from many.
type Letters struct {
	r    *Redriver
	raws *deadletter.Raws
}

// Letters makes a Letters that can attempt; after Connect of the Redriver it can
// also preview and publish. beat is called now and then while a raw record is
// looked for; nil: nobody.
func (r *Redriver) Letters(reader deadletter.Reader, beat func(context.Context) error) *Letters {
	return &Letters{r: r, raws: &deadletter.Raws{Reader: reader, Topic: r.cfg.Kafka.Topics.Raw(), Beat: beat}}
}

// Attempt is what a dead letter becomes today.
type Attempt struct {
	Letter *deadletter.Letter
	Opened stored.Letter
	Events []normalize.Item       // in the order of the payload
	Dead   []normalize.DeadLetter // items that still are no event

	source   *ingest.Source   // nil: the letter holds the event itself
	proven   webhook.Verified // the request that became this
	conflict bool             // the event had a changed id
}

// Request is the request that became this; the zero one where the letter holds the
// event itself.
func (a *Attempt) Request() webhook.Request { return a.proven.Request() }

// refused reports that there was an event before, which the broker refused:
// receivers know its id, although no topic has it.
func (a *Attempt) refused() bool { return a.Opened.Stage == normalize.StagePublish }

// Mapper is the version of the mapping that made the events.
func (a *Attempt) Mapper() int {
	if a.source == nil {
		return a.Opened.Mapper
	}
	return a.source.Normalize.Mapper
}

// Attempt takes a letter through the mapping of its source as it is configured now,
// also if that has another provider than it had; nothing is published. The error is
// an *UnusableError, or one of the reader.
func (t *Letters) Attempt(ctx context.Context, l *deadletter.Letter) (*Attempt, error) {
	opened, err := l.Open()
	if err != nil {
		return nil, &UnusableError{Why: UnusableUnreadable, Err: err}
	}
	a := &Attempt{Letter: l, Opened: opened}
	if opened.Event() {
		return a, t.attemptEvent(a)
	}
	a.source = t.r.sources[opened.Source]
	if a.source == nil {
		return nil, unusable(UnusableSource, "the source %s is not configured any more", opened.Source)
	}
	if a.proven, err = t.request(ctx, a); err != nil {
		return nil, err
	}
	out, err := normalize.Normalize(ctx, &a.source.Normalize, a.proven, opened.RawID)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says who it is
	}
	if a.Events, a.Dead = out.Events, out.DeadLetters; len(a.Events)+len(a.Dead) == 0 {
		return nil, unusable(UnusableNothing, "the mapping finds nothing to publish in it, and nothing that is wrong with it")
	}
	return a, t.recallConflict(ctx, a)
}

// attemptEvent takes the event out of a letter that holds one.
func (t *Letters) attemptEvent(a *Attempt) error {
	e, err := event.Decode(a.Opened.Body)
	if err != nil {
		return &UnusableError{Why: UnusableUnreadable, Err: err}
	}
	if err := e.Validate(); err != nil {
		return &UnusableError{Why: normalize.ReasonInvalidEvent, Err: err}
	}
	if t.r.cfg.PII.Recipient == "hash" && (e.Recipient != "" || len(e.Recipients) > 0 || len(e.Raw) > 0) {
		return unusable(UnusableAddress, "the event was made before pii.recipient was hash; renormalize the request that raw_id names")
	}
	a.Events = []normalize.Item{{Event: e, Index: a.Opened.Index, Body: a.Opened.Body}}
	return nil
}

// request is the request that the letter stands for: its item, or the whole body,
// with the headers and query it came with. What the letter has not is taken from
// the raw record.
func (t *Letters) request(ctx context.Context, a *Attempt) (webhook.Verified, error) {
	o := &a.Opened
	if o.Complete && !o.BodyLost() {
		return o.Verified, nil
	}
	raw, err := t.raw(ctx, a)
	if err != nil {
		return webhook.Verified{}, err
	}
	query := a.source.Normalize.QueryRecipient != "" || len(a.source.Normalize.QueryMetadata) > 0
	switch {
	case raw == nil && !o.BodyLost() && !query:
		return o.Verified, nil // the headers are nothing that a mapping looks at
	case raw == nil:
		return webhook.Verified{}, unusable(UnusableRaw, "its request is not in the raw topic any more, and with it what the letter does not hold itself")
	case !o.BodyLost():
		return raw.Alone(o.Body), nil
	case o.Index < 0:
		return raw.Verified, nil
	}
	item, err := t.item(ctx, a, raw)
	if err != nil {
		return webhook.Verified{}, err
	}
	return raw.Alone(item), nil
}

// raw is the request of a letter as the raw topic has it; nil if it has not.
func (t *Letters) raw(ctx context.Context, a *Attempt) (*stored.Request, error) {
	if a.Opened.RawID == "" {
		return nil, nil
	}
	m, err := t.raws.Find(ctx, a.Letter)
	if m == nil || err != nil {
		return nil, err //nolint:wrapcheck // it says who it is
	}
	r, err := stored.Raw(m.Headers, m.Value)
	if err != nil {
		return nil, &UnusableError{Why: UnusableUnreadable, Err: err}
	}
	return &r, nil
}

// item is the letter's item in its request's body.
func (t *Letters) item(ctx context.Context, a *Attempt, raw *stored.Request) ([]byte, error) {
	out, err := normalize.Normalize(ctx, &a.source.Normalize, raw.Verified, raw.ID)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says who it is
	}
	for i := range out.Events {
		if out.Events[i].Index == a.Opened.Index {
			return out.Events[i].Body, nil
		}
	}
	for i := range out.DeadLetters {
		if out.DeadLetters[i].Index == a.Opened.Index {
			return out.DeadLetters[i].Item, nil
		}
	}
	return nil, unusable(UnusableNothing, "the mapping finds no item %d in its request", a.Opened.Index)
}

// recallConflict gives a refused event the changed id that it had, where its
// request's raw record says so.
func (t *Letters) recallConflict(ctx context.Context, a *Attempt) error {
	if !a.refused() || len(a.Events) != 1 {
		return nil
	}
	raw, err := t.raw(ctx, a)
	if err != nil || raw == nil {
		return err
	}
	if slices.Contains(raw.Conflicts, a.Opened.Index) {
		id := eventID(&a.Events[0].Event)
		a.change(dedupe.ConflictID(id, a.Events[0].Content()))
	}
	return nil
}

// change gives the only event another id.
func (a *Attempt) change(id [16]byte) {
	a.Events[0].Event.ID, a.conflict = hex.EncodeToString(id[:]), true
}

// eventID is an event's id as bytes.
func eventID(e *event.Event) (id [16]byte) {
	_, _ = hex.Decode(id[:], []byte(e.ID)) // of an event that is valid
	return id
}

// RawPlace is where the raw record of a letter's request is; false if it is not
// there any more.
func (t *Letters) RawPlace(ctx context.Context, l *deadletter.Letter) (broker.Position, bool, error) {
	m, err := t.raws.Find(ctx, l)
	if m == nil || err != nil {
		return broker.Position{}, false, err //nolint:wrapcheck // it says who it is
	}
	return broker.Position{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}, true, nil
}

// errWindow says that nobody knows what was published.
var errWindow = errors.New("app: the ids of accepted events could not be read in time, so that what is published already cannot be told: try again")
