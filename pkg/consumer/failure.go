package consumer

import (
	"errors"
	"time"
)

// failure is an error that says what is to be done.
type failure struct {
	err    error
	action action
	after  time.Duration
}

// action is what becomes of a record whose handler failed.
type action uint8

const (
	retry       action = iota // in place, then later, then dead letter
	permanent                 // dead letter
	later                     // retry topic
	unavailable               // pause
	stop                      // end Run
)

// Error implements error.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap returns the error itself.
func (f *failure) Unwrap() error { return f.err }

// Permanent says that trying again is of no use: the record becomes a dead letter
// at once. nil stays nil, here and below.
func Permanent(err error) error { return wrap(err, permanent, 0) }

// Later says that trying again soon is of no use: the record goes to the next retry
// topic without further attempts in place.
func Later(err error) error { return wrap(err, later, 0) }

// RetryAfter says when to try again at the earliest, for instance because a server
// said so. It is at most Retry.MaxAfter.
func RetryAfter(err error, d time.Duration) error { return wrap(err, retry, d) }

// Unavailable says that the record is not to blame: what the handler depends on is
// down. The consumer pauses as a whole, tries one record from time to time, and goes
// on when that succeeds. It does not count as an attempt.
func Unavailable(err error) error { return wrap(err, unavailable, 0) }

// Stop ends Run with err. The record is not finished: the next Run begins with it.
func Stop(err error) error { return wrap(err, stop, 0) }

// ErrSkip says that the record is not for the Handler: it is done with, as with nil, but
// it tells nothing about what the Handler depends on. A consumer that is paused stays
// so, and asks another record.
var ErrSkip = errors.New("consumer: the record is not for this handler")

func wrap(err error, a action, after time.Duration) error {
	if err == nil {
		return nil
	}
	return &failure{err: err, action: a, after: after}
}

// classify returns what an error wants.
func classify(err error) (action, time.Duration) {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.action, f.after
	}
	return retry, 0
}
