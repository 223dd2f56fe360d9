package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Store remembers which ids were handled, for Once. It may be shared by several
// consumers that do the same work, and must be safe for concurrent use. NewMemory
// makes one for a single process; examples/postgres has one in which the id and what
// the Handler writes are one transaction, so that there is exactly one effect whatever
// crashes.
type Store interface {
	// Begin asks whether id was handled. If not, handling it begins; the context
	// returned is the Handler's and may carry a transaction: it is ctx, or made of it.
	// Where the same id is being handled right now, Begin should wait for how that ends.
	Begin(ctx context.Context, id string) (_ context.Context, handled bool, err error)
	// End tells how handling ended: with nil the id is remembered (and a transaction
	// committed), else forgotten (rolled back). An error means that it is not remembered.
	// ctx is the one that Begin returned, but does not end with it. It is called once
	// after each Begin that returned false and no error, also when the Handler panics.
	End(ctx context.Context, id string, err error) error
}

// ReplayPolicy is what Once does with the copies that a replay puts into a topic.
type ReplayPolicy uint8

// The policies.
const (
	ReplayOnce  ReplayPolicy = iota // like any record: left out if its id was handled
	ReplayAgain                     // handled although its id was, once for each replay
	ReplaySkip                      // never handled
)

// OnceOption changes what Once does.
type OnceOption func(*once)

// Replays sets what becomes of copies that a replay put there; default ReplayOnce,
// which repairs what was lost and repeats nothing. ReplayAgain is for replays that
// are to have their effect anew, say after a bug was mended.
func Replays(p ReplayPolicy) OnceOption { return func(o *once) { o.replays = p } }

// Skipped has f told of each record that is left out, on the handlers' goroutines.
func Skipped(f func(*Message)) OnceOption { return func(o *once) { o.skipped = f } }

// once is what Once was told.
type once struct {
	store   Store
	replays ReplayPolicy
	skipped func(*Message)
}

// Once makes a Middleware that leaves out records whose event was handled: with
// at-least-once delivery that makes effectively once. nil is a store in memory, of
// NewMemory's defaults. A record is known by its event's id. One with header conflict is another event under a known id, and is
// known by its id and its place, so that nothing but itself is a repeat of it; so is
// one without an event, by its place alone. Places are those of the originals, of
// copies from retry topics and replays too.
//
// An error of the store's Begin or End is the record's: it is tried again. What the
// Handler did then happens again, unless it was part of the store's transaction.
// What other middlewares do belongs outside of Once, unless it should see no repeats.
func Once(store Store, options ...OnceOption) Middleware {
	if store == nil {
		store = NewMemory(MemoryOptions{})
	}
	o := &once{store: store, skipped: func(*Message) {}}
	for _, option := range options {
		option(o)
	}
	return func(next Handler) Handler {
		return func(ctx context.Context, m *Message) error { return o.handle(ctx, m, next) }
	}
}

// handle hands a record on unless its event was handled.
func (o *once) handle(ctx context.Context, m *Message, next Handler) error {
	id, wanted := o.identity(m)
	if !wanted {
		o.pass(m)
		return nil
	}
	inner, handled, err := o.store.Begin(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("consumer: asking whether the record was handled: %w", err)
	case handled:
		o.pass(m)
		return nil
	}
	return o.begun(inner, m, next, id)
}

// pass leaves a record out.
func (o *once) pass(m *Message) {
	m.passed = true
	o.skipped(m)
}

// errPanicked is what the Store is told of a Handler that did not return.
var errPanicked = errors.New("consumer: the handler panicked")

// begun calls the Handler, and tells the Store how that ended. A panic goes on, with
// the stack that it had.
func (o *once) begun(ctx context.Context, m *Message, next Handler, id string) (err error) {
	err = errPanicked
	defer func() { err = o.end(ctx, id, err) }()
	err = next(ctx, m)
	return err
}

// endTimeout is how long a Store may take to remember what was handled. It has that
// long although the Handler's time is over: what is done should not be done again.
const endTimeout = 5 * time.Second

// end tells the Store, and returns what the record's error is in the end.
func (o *once) end(ctx context.Context, id string, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	switch failed := o.store.End(ctx, id, err); {
	case failed == nil:
		return err
	case err == nil:
		return fmt.Errorf("consumer: remembering that the record was handled: %w", failed)
	default:
		return fmt.Errorf("%w; and forgetting that it was begun: %w", err, failed)
	}
}

// identity is what the record is known by; false if it is not wanted at all.
func (o *once) identity(m *Message) (id string, wanted bool) {
	copied, isCopy := m.Replay()
	if isCopy && o.replays == ReplaySkip {
		return "", false
	}
	if id = m.ID(); id == "" || m.Conflict() {
		id += "@" + m.first(copied.Of).String()
	}
	if isCopy && o.replays == ReplayAgain {
		id = copied.ID + "/" + id
	}
	return id, true
}

// first is the place of the record that this one is: of is that of the record which
// a replay copied, zero for none.
func (m *Message) first(of Place) Place {
	if of.Topic != "" {
		return of
	}
	return m.Origin()
}
