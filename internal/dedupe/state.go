package dedupe

import "time"

// State is how a Journal and its Window are doing.
type State struct {
	IDs     int           // that the window knows
	Loaded  bool          // the topic was read; until then more repeats are published again
	Pending int           // ids that are not in the topic yet
	Oldest  time.Duration // how long the first of them has been waiting; 0: there is none
	GivenUp uint64        // ids that will never be in the topic, because too many waited
	Behind  int64         // records of the topic that are not read yet, as far as is known
	Problem string        // what keeps it from reading or else from writing; "": nothing
}

// State tells how the journal is doing.
func (j *Journal) State() State {
	s := State{IDs: j.window.IDs()}
	select {
	case <-j.loaded:
		s.Loaded = true
	default:
	}
	first, waiting := j.first(&s)
	if waiting {
		s.Oldest = j.window.age(first)
	}
	return s
}

// first fills in the journal's own part of s and returns when the first pending
// entry was accepted.
func (j *Journal) first(s *State) (at stamp, waiting bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s.Pending, s.GivenUp = len(j.pending), j.lost
	for _, n := range j.behind {
		s.Behind += n
	}
	if s.Problem = j.reading; s.Problem == "" {
		s.Problem = j.failure
	}
	if len(j.pending) == 0 {
		return 0, false
	}
	return j.pending[0].at, true
}

// Loaded is closed when the topic was read to what was its end when that began.
func (j *Journal) Loaded() <-chan struct{} { return j.loaded }
