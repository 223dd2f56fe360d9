package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// How says in what way a letter is resolved.
type How string

// The ways.
const (
	Redriven  How = "redriven"  // all its events are in their topics
	Dismissed How = "dismissed" // somebody said that it needs nothing
)

// Mark says that a letter is resolved. It is the value of a record of the journal's
// topic, whose key is "resolved/" and the letter's place; a record without a value
// makes the letter open again.
type Mark struct {
	How How       `json:"how"`
	By  string    `json:"by"`
	At  time.Time `json:"at"`
	// IDs are the events that the letter became; of more than a thousand the first.
	IDs []string `json:"ids,omitempty"`
	// Letter is the letter's time. If the topic of dead letters is made anew, other
	// letters come to the same offsets.
	Letter time.Time `json:"letter"`
}

const (
	keyPrefix = "resolved/"
	maxIDs    = 1000 // of a mark
)

// Publisher publishes records; broker.GroupCommitter is one.
type Publisher interface {
	// Publish is that of broker.Publisher.
	Publish(ctx context.Context, recs []broker.Record) error
}

// Journal is what the topic of replays knows of resolved dead letters. It holds a
// few dozen bytes for each. Not safe for concurrent use.
type Journal struct {
	reader Reader
	topic  string // of the journal
	dead   string // of the letters
	now    func() time.Time

	next    map[int]int64 // offset to go on reading from, by partition
	marks   map[spot]mark
	holder  lease
	pending []broker.Record
}

// spot is a place in the topic of dead letters.
type spot struct {
	partition int
	offset    int64
}

// mark is what is held of a Mark, and where the rest is.
type mark struct {
	how       How
	letter    int64 // milliseconds
	partition int
	offset    int64
}

// OpenJournal reads the journal: of a topic of any size, the records that are
// about the letters of the topic dead. A topic that does not exist is empty.
func OpenJournal(ctx context.Context, r Reader, topic, dead string, now func() time.Time) (*Journal, error) {
	j := &Journal{reader: r, topic: topic, dead: dead, now: now, next: make(map[int]int64), marks: make(map[spot]mark)}
	err := j.catchUp(ctx)
	if _, missing := errors.AsType[*broker.UnknownTopicError](err); missing {
		return j, nil
	}
	return j, err
}

// catchUp reads what has come to the topic since it was read last.
func (j *Journal) catchUp(ctx context.Context) error {
	ranges, err := j.reader.Offsets(ctx, j.topic)
	if err != nil {
		return fmt.Errorf("deadletter: what is resolved: %w", err)
	}
	for partition, log := range ranges {
		from := max(j.next[partition], log.First)
		for from < log.Next {
			err := j.reader.Read(ctx, j.topic, partition, from, log.Next, func(m broker.Message) error {
				j.learn(&m)
				from = m.Offset + 1
				return nil
			})
			gap, expired := errors.AsType[*broker.OffsetGapError](err)
			switch {
			case err == nil:
				from = log.Next
			case !expired || gap.Log.First <= from:
				return fmt.Errorf("deadletter: what is resolved: %w", err)
			default:
				from = gap.Log.First
			}
		}
		j.next[partition] = from
	}
	return nil
}

// learn takes in one record. What is not about this topic's letters, or cannot be
// read, is passed over.
func (j *Journal) learn(m *broker.Message) {
	key, ours := strings.CutPrefix(string(m.Key), keyPrefix)
	if !ours {
		return
	}
	if key == lockKey {
		j.learnLease(m)
		return
	}
	at, ok := j.spot(key)
	if !ok {
		return
	}
	if len(m.Value) == 0 {
		delete(j.marks, at)
		return
	}
	var k Mark
	if err := json.Unmarshal(m.Value, &k); err != nil {
		return
	}
	j.marks[at] = mark{how: k.How, letter: k.Letter.UnixMilli(), partition: m.Partition, offset: m.Offset}
}

// spot reads a key behind its prefix.
func (j *Journal) spot(key string) (spot, bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 3 || parts[0] != j.dead {
		return spot{}, false
	}
	partition, errP := strconv.ParseInt(parts[1], 10, 32)
	offset, errO := strconv.ParseInt(parts[2], 10, 64)
	return spot{int(partition), offset}, errP == nil && errO == nil
}

// How says in what way a letter is resolved; "": it is open.
func (j *Journal) How(l *Letter) How {
	k, ok := j.marks[spot{l.Partition, l.Offset}]
	if !ok || k.letter != l.Time.UnixMilli() {
		return ""
	}
	return k.how
}

// Mark reads all that is known of a resolved letter; nil if it is open.
func (j *Journal) Mark(ctx context.Context, l *Letter) (*Mark, error) {
	k, ok := j.marks[spot{l.Partition, l.Offset}]
	if !ok || j.How(l) == "" {
		return nil, nil
	}
	var out *Mark
	err := j.reader.Read(ctx, j.topic, k.partition, k.offset, k.offset+1, func(m broker.Message) error {
		out = new(Mark)
		return json.Unmarshal(m.Value, out)
	})
	if err != nil {
		return nil, fmt.Errorf("deadletter: %s: what is known of its resolution: %w", l.Place(), err)
	}
	return out, nil
}

// Resolve marks a letter, from Flush on also for others.
func (j *Journal) Resolve(l *Letter, how How, by string, ids []string) error {
	k := Mark{How: how, By: by, At: j.now().UTC(), IDs: ids[:min(len(ids), maxIDs)], Letter: l.Time.UTC()}
	value, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("deadletter: %s: %w", l.Place(), err)
	}
	j.put(spot{l.Partition, l.Offset}, value)
	j.marks[spot{l.Partition, l.Offset}] = mark{how: how, letter: l.Time.UnixMilli(), offset: -1}
	return nil
}

// Reopen takes a letter's mark away, from Flush on also for others.
func (j *Journal) Reopen(l *Letter) {
	j.put(spot{l.Partition, l.Offset}, nil)
	delete(j.marks, spot{l.Partition, l.Offset})
}

// Prune takes the marks away whose letters retention has taken, from Flush on also
// for others, and returns how many there were. log is what the partitions of the
// topic of dead letters hold.
func (j *Journal) Prune(log map[int]broker.OffsetRange) int {
	gone := 0
	for at := range j.marks {
		if at.offset < log[at.partition].First {
			j.put(at, nil)
			delete(j.marks, at)
			gone++
		}
	}
	return gone
}

// put adds a record to those that Flush publishes.
func (j *Journal) put(at spot, value []byte) {
	key := keyPrefix + j.dead + "/" + strconv.Itoa(at.partition) + "/" + strconv.FormatInt(at.offset, 10)
	j.pending = append(j.pending, broker.Record{Topic: j.topic, Key: []byte(key), Value: value, Time: j.now()})
}

// Pending is how many records wait for Flush.
func (j *Journal) Pending() int { return len(j.pending) }

// FlushTogether is how many records are published at a time.
const FlushTogether = 500

// Flush publishes what Resolve, Reopen and Prune have noted. After an error it may
// be called again: a mark that is written twice says the same.
func (j *Journal) Flush(ctx context.Context, p Publisher) error {
	for len(j.pending) > 0 {
		n := min(len(j.pending), FlushTogether)
		if err := p.Publish(ctx, j.pending[:n]); err != nil {
			return fmt.Errorf("deadletter: marking letters as resolved in %s: %w", j.topic, err)
		}
		j.pending = j.pending[n:]
	}
	j.pending = nil
	return nil
}
