package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// journal is the log of a run: a text file that is only ever appended to, one
// line an entry, times in microseconds since the run began.
//
//	P index name ordered|unordered         a phase begins
//	Q request phase first count sha256 retry|once
//	                                       a request was made: its events' serials and its body
//	A request start end status since       one attempt; status 0 is no answer at all, -1 a refused connection;
//	                                       its connection was made at since, never if -1
//	F at kind events rest                  a fault; events the receiver may do again for it
//	S at length                            this program itself was not scheduled for so long
//
// Safe for concurrent use.
type journal struct {
	mu    sync.Mutex
	file  *os.File
	err   error // the first that a write met
	begun time.Time
}

// openJournal makes a journal.
func openJournal(name string, begun time.Time) (*journal, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("chaos: journal: %w", err)
	}
	return &journal{file: f, begun: begun}, nil
}

// line appends one line; a failure is kept for failed.
func (j *journal) line(format string, args ...any) {
	b := fmt.Appendf(make([]byte, 0, 160), format+"\n", args...)
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(b); err != nil && j.err == nil {
		j.err = fmt.Errorf("chaos: journal: %w", err)
	}
}

// failed returns the first error of a write: without its journal a run proves nothing.
func (j *journal) failed() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// at is a time in the journal's unit.
func (j *journal) at(t time.Time) int64 { return t.Sub(j.begun).Microseconds() }

// phase notes the beginning of a phase.
func (j *journal) phase(index int, name string, ordered bool) {
	word := "unordered"
	if ordered {
		word = "ordered"
	}
	j.line("P %d %s %s", index, name, word)
}

// made notes a request.
func (j *journal) made(r *request) {
	word := "retry"
	if r.once {
		word = "once"
	}
	j.line("Q %d %d %d %d %x %s", r.id, r.phase, r.first, r.count, r.sum, word)
}

// attempt notes one attempt at a request on a connection made at since, if any.
func (j *journal) attempt(r *request, start, end time.Time, status int, since time.Time) {
	made := int64(-1)
	if !since.IsZero() {
		made = j.at(since)
	}
	j.line("A %d %d %d %d %d", r.id, j.at(start), j.at(end), status, made)
}

// fault notes what was broken; events is how many the receiver had in its own
// hands, beside the unanswered requests.
func (j *journal) fault(at time.Time, kind string, events int, rest string) {
	j.line("F %d %s %d %s", j.at(at), kind, events, rest)
}

// stall notes that this program was not scheduled.
func (j *journal) stall(at time.Time, length time.Duration) {
	j.line("S %d %d", j.at(at), length.Microseconds())
}

// readJournal hands every line to l. A line that cannot be read is an error: the
// journal is whole, or nothing can be said.
func readJournal(in io.Reader, l *ledger) error {
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		if err := l.line(strings.Fields(lines.Text())); err != nil {
			return fmt.Errorf("chaos: journal: line %d %q: %w", n, lines.Text(), err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("chaos: journal: %w", err)
	}
	return nil
}

// numbers reads decimal fields.
func numbers(fields ...string) ([]int64, error) {
	out := make([]int64, len(fields))
	for i, f := range fields {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("chaos: %w", err)
		}
		out[i] = n
	}
	return out, nil
}

// Bounds of a timeline.
const (
	timelineLines = 20
	timelineSlack = 3_000_000 // microseconds before the request and after its last answer
)

// timeline returns the journal's lines about one request, and the faults at
// that time.
func timeline(file string, request uint32) []string {
	f, err := os.Open(file)
	if err != nil {
		return []string{err.Error()}
	}
	defer f.Close()
	var all, found []string
	from, to := int64(math.MaxInt64), int64(0)
	id := strconv.Itoa(int(request))
	for lines := bufio.NewScanner(f); lines.Scan(); {
		w := strings.Fields(lines.Text())
		switch {
		case len(w) > 3 && (w[0] == "Q" || w[0] == "A") && w[1] == id:
			all = append(all, lines.Text())
			if n, err := numbers(w[2], w[3]); err == nil && w[0] == "A" {
				from, to = min(from, n[0]), max(to, n[1])
			}
		case len(w) > 2 && w[0] == "F":
			all = append(all, lines.Text())
		}
	}
	for _, line := range all {
		if w := strings.Fields(line); w[0] == "F" {
			n, err := numbers(w[1])
			if err != nil || n[0] < from-timelineSlack || n[0] > to+timelineSlack {
				continue
			}
		}
		found = append(found, line)
	}
	return found[:min(len(found), timelineLines)]
}
