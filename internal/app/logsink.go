package app

import (
	"io"
	"sync"
	"time"
)

const (
	// maxPendingLog bounds what waits to be written, in bytes.
	maxPendingLog = 1 << 20
	// logPatience bounds how long Sync waits for a reader that may not read.
	logPatience = time.Second
)

// logSink writes log lines without ever keeping their author waiting: whoever
// reads standard error (journald, a container runtime, a pipe) may stop reading,
// and webhooks must go on. What does not fit into memory is dropped and counted,
// and the count is written when the reader is back. Safe for concurrent use.
type logSink struct {
	w      io.Writer
	notice func(dropped int) []byte // the line that tells how many are missing

	mu      sync.Mutex
	pending []byte        // whole lines, in order
	dropped int           // lines since the last notice
	idle    chan struct{} // closed when all is written; nil: all is
}

// Write implements io.Writer. It takes one line and never fails.
func (s *logSink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending)+len(line) > maxPendingLog {
		s.dropped++
		return len(line), nil
	}
	s.tellDropped()
	s.pending = append(s.pending, line...)
	if s.idle == nil {
		s.idle = make(chan struct{})
		go s.drain(s.idle)
	}
	return len(line), nil
}

// drain writes until nothing is pending. There is one at a time.
func (s *logSink) drain(idle chan struct{}) {
	defer close(idle)
	var spare []byte
	for {
		lines := s.take(spare)
		if lines == nil {
			return
		}
		_, _ = s.w.Write(lines) // nobody is left to be told
		spare = lines
	}
}

// take returns what is pending, and leaves spare's memory for what comes; nil
// when there is nothing, which ends the drain.
func (s *logSink) take(spare []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellDropped()
	if len(s.pending) == 0 {
		s.idle = nil
		return nil
	}
	lines := s.pending
	s.pending = spare[:0]
	return lines
}

// tellDropped puts the notice where the missing lines would be. The lock is held.
func (s *logSink) tellDropped() {
	if s.dropped > 0 {
		s.pending = append(s.pending, s.notice(s.dropped)...)
		s.dropped = 0
	}
}

// Sync waits until all is written, but not for long.
func (s *logSink) Sync() error {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	if idle == nil {
		return nil
	}
	patience := time.NewTimer(logPatience)
	defer patience.Stop()
	select {
	case <-idle:
	case <-patience.C:
	}
	return nil
}
