package replay

import (
	"errors"
	"fmt"
	"strings"
)

// RequestError is a Request, or a Plan that was kept, which cannot be executed as it
// is.
type RequestError struct{ Problems []string }

// Error implements error.
func (e *RequestError) Error() string {
	if len(e.Problems) == 1 {
		return "replay: " + e.Problems[0]
	}
	return "replay:\n  " + strings.Join(e.Problems, "\n  ")
}

// UnknownRunError says that the journal's topic has no such run.
type UnknownRunError struct {
	ID string
	// Fits is how many runs begin so, where there are several.
	Fits int
}

// Error implements error.
func (e *UnknownRunError) Error() string {
	if e.Fits > 1 {
		return fmt.Sprintf("replay: %d runs begin with %s: give more of the id", e.Fits, e.ID)
	}
	return fmt.Sprintf("replay: there is no run %s (a shortened id needs %d characters); `postrider replay ls` lists them", e.ID, minPrefix)
}

// RunningError says that a run is in progress elsewhere.
type RunningError struct{ Run Run }

// Error implements error.
func (e *RunningError) Error() string {
	return fmt.Sprintf("replay: run %s is in progress on %s, process %d, and was heard of at %s: cancel it there first, or wait until it has been silent for %v",
		e.Run.ID, e.Run.Host, e.Run.PID, e.Run.Updated.Format(timeLayout), silence)
}

// EndedError says that a run is over and cannot be resumed or cancelled.
type EndedError struct{ Run Run }

// Error implements error.
func (e *EndedError) Error() string {
	return fmt.Sprintf("replay: run %s is %s already", e.Run.ID, e.Run.State)
}

// RefusedError says that a run stopped at a record that its target does not take,
// however often it comes.
type RefusedError struct{ Failure Failure }

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("replay: the target does not take %s: %s (--go-on counts such records and goes on)",
		Place(e.Failure.Topic, e.Failure.Partition, e.Failure.Offset), e.Failure.Error)
}

// errCancelled ends a run that somebody cancelled.
var errCancelled = errors.New("replay: cancelled")

// errTakenOver ends a run that another process resumed in the belief that this one
// was dead.
var errTakenOver = errors.New("replay: another process has resumed this run")
