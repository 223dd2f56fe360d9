package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// The keys of the journal's topic. A run is under its id; what belongs to it is
// under its id and one of these. Other keys are other people's.
const (
	checkpointKey = "/checkpoint"
	cancelKey     = "/cancel"
	// ResolvedPrefix begins the keys of dead letters that need nobody any more.
	ResolvedPrefix = "resolved/"
)

// journal keeps runs in a compacted topic: a run when its state changes, and a small
// checkpoint many times in between. Whoever reads the topic knows all runs, and can
// go on with one that died.
type journal struct {
	client    *broker.Client
	publisher *broker.GroupCommitter
	topic     string
	now       func() time.Time
}

// checkpoint is how far a run is: everything it needs to be resumed beside the Run.
type checkpoint struct {
	Progress Progress        `json:"progress"`
	Resumed  int             `json:"resumed"` // of which life of the run it is
	Sink     json.RawMessage `json:"sink,omitempty"`
	Gaps     []Gap           `json:"gaps,omitempty"`
	GapsLeft int             `json:"gaps_left,omitempty"`
	Failures []Failure       `json:"failures,omitempty"`
}

// write writes a run down, and that its checkpoint and the wish to cancel it are
// done with.
func (j *journal) write(ctx context.Context, r *Run) error {
	value, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("replay: journal: %w", err)
	}
	recs := []broker.Record{j.record(r.ID, value)}
	if r.State != Running {
		recs = append(recs, j.record(r.ID+checkpointKey, nil), j.record(r.ID+cancelKey, nil))
	}
	return j.publish(ctx, recs)
}

func (j *journal) checkpoint(ctx context.Context, id string, c *checkpoint) error {
	value, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("replay: journal: %w", err)
	}
	return j.publish(ctx, []broker.Record{j.record(id+checkpointKey, value)})
}

// wish is that a run be cancelled.
type wish struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

func (j *journal) askToCancel(ctx context.Context, id, by string) error {
	value, err := json.Marshal(wish{by, j.now().UTC()})
	if err != nil {
		return fmt.Errorf("replay: journal: %w", err)
	}
	return j.publish(ctx, []broker.Record{j.record(id+cancelKey, value)})
}

func (j *journal) record(key string, value []byte) broker.Record {
	r := broker.Record{Topic: j.topic, Key: []byte(key), Value: value, Time: j.now()}
	if value != nil {
		r.Headers = []broker.Header{{Key: "content-type", Value: []byte("application/json")}}
	}
	return r
}

func (j *journal) publish(ctx context.Context, recs []broker.Record) error {
	if err := j.publisher.Publish(ctx, recs); err != nil {
		return fmt.Errorf("replay: journal %s: %w", j.topic, err)
	}
	return nil
}

// runs reads all runs, each with its last checkpoint.
func (j *journal) runs(ctx context.Context) ([]Run, error) {
	runs, points := map[string]Run{}, map[string]checkpoint{}
	err := j.read(ctx, func(m *broker.Message) {
		key := string(m.Key)
		id, isCheckpoint := strings.CutSuffix(key, checkpointKey)
		switch {
		case strings.Contains(id, "/"):
		case isCheckpoint:
			keep(points, id, m.Value)
		default:
			keep(runs, id, m.Value)
		}
	})
	if err != nil {
		return nil, err
	}
	all := make([]Run, 0, len(runs))
	for id, r := range runs {
		if r.ID != id {
			continue // not ours
		}
		// Clocks have no say: a checkpoint of the same life is later than its beginning,
		// and one that comes after the end is of a process that did not know of it.
		if c, ok := points[id]; ok && c.Resumed == r.Resumed && r.State == Running {
			r.apply(&c)
		}
		all = append(all, r)
	}
	return all, nil
}

// keep keeps the latest value of a key: none after a tombstone, or one that cannot be
// read.
func keep[T any](values map[string]T, id string, value []byte) {
	var v T
	if value == nil || json.Unmarshal(value, &v) != nil {
		delete(values, id)
		return
	}
	values[id] = v
}

// apply brings a run up to a checkpoint.
func (r *Run) apply(c *checkpoint) {
	r.Progress, r.Updated = c.Progress, c.Progress.Time
	r.Sink, r.Gaps, r.GapsLeft, r.Failures = c.Sink, c.Gaps, c.GapsLeft, c.Failures
}

// read reads the whole topic as it is now.
func (j *journal) read(ctx context.Context, fn func(*broker.Message)) error {
	ranges, err := j.client.Offsets(ctx, j.topic)
	if _, missing := errors.AsType[*broker.UnknownTopicError](err); missing {
		return fmt.Errorf("replay: the topic %s, which remembers replays, does not exist: `postrider serve` or `postrider topics` makes it: %w", j.topic, err)
	}
	if err != nil {
		return fmt.Errorf("replay: journal: %w", err)
	}
	for p, log := range ranges {
		err := j.client.Scan(ctx, j.topic, p, log.First, log.Next, broker.ScanOptions{}, func(c broker.Chunk) error {
			for i := range c.Messages {
				fn(&c.Messages[i])
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("replay: journal: %w", err)
		}
	}
	return nil
}

// clocksApart is how far the brokers' clocks may be from ours.
const clocksApart = 10 * time.Minute

// follow tells a run when the journal says that it was cancelled, or that another
// process goes on with it: the one that wrote last. It returns when ctx ends.
func (j *journal) follow(ctx context.Context, r *Run, stop func(err error, by string)) {
	l := &listener{id: r.ID, host: r.Host, pid: r.PID, stop: stop}
	_ = j.client.Follow(ctx, []string{j.topic}, broker.Start{Time: r.Updated.Add(-clocksApart)}, func(m broker.Message) error { // ends with ctx alone
		l.hear(&m)
		return nil
	})
}

// listener hears what the journal says of a run that is in progress here.
type listener struct {
	id, host string
	pid      int
	stop     func(err error, by string)
	ours     bool // what was written before we were is not meant for us
}

func (l *listener) hear(m *broker.Message) {
	switch string(m.Key) {
	case l.id + cancelKey:
		var w wish
		if l.ours && m.Value != nil && json.Unmarshal(m.Value, &w) == nil {
			l.stop(errCancelled, w.By)
		}
	case l.id:
		var writer Run
		if json.Unmarshal(m.Value, &writer) == nil {
			l.written(&writer)
		}
	}
}

// written hears that somebody wrote the run.
func (l *listener) written(r *Run) {
	switch {
	case l.ours && r.State == Cancelled:
		l.stop(errCancelled, r.CancelledBy) // by somebody who thought us dead
	case r.State != Running:
	case r.Host == l.host && r.PID == l.pid:
		l.ours = true
	case l.ours:
		l.stop(errTakenOver, "")
	}
}
