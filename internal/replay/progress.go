package replay

import (
	"encoding/json"
	"time"
)

// State is where a run stands.
type State string

// The states of a run. Completed and Cancelled are final; the others can be resumed.
const (
	Running     State = "running"
	Completed   State = "completed"
	Cancelled   State = "cancelled"
	Interrupted State = "interrupted" // stopped by a signal, or its process died
	Failed      State = "failed"
)

// Progress is how far a run is.
type Progress struct {
	Time     time.Time `json:"time"`
	State    State     `json:"state"`
	Read     int64     `json:"read"`     // records looked at
	Selected int64     `json:"selected"` // of them
	Replayed int64     `json:"replayed"` // copies left out
	// Undecodable records hold no event, of whose fields the selection asks.
	Undecodable int64 `json:"undecodable,omitempty"`
	Delivered   int64 `json:"delivered"`
	Failed      int64 `json:"failed"` // refused by the target for good
	// Rate is records delivered a second, lately. ETA is how long the rest takes at
	// the pace of reading lately; negative: not known.
	Rate float64       `json:"rate"`
	ETA  time.Duration `json:"eta"`
	Last time.Time     `json:"last,omitzero"` // timestamp of the latest record delivered
	// Partitions are in the order of the plan's ranges.
	Partitions []PartitionProgress `json:"partitions"`
}

// PartitionProgress is how far one range is.
type PartitionProgress struct {
	Topic       string `json:"topic"`
	Partition   int    `json:"partition"`
	From        int64  `json:"from"`
	To          int64  `json:"to"`
	Next        int64  `json:"next"` // everything below is done
	Read        int64  `json:"read"`
	Selected    int64  `json:"selected"`
	Replayed    int64  `json:"replayed,omitempty"`
	Undecodable int64  `json:"undecodable,omitempty"`
	Delivered   int64  `json:"delivered"`
	Failed      int64  `json:"failed,omitempty"`
}

// Run is one execution of a plan, as the journal's topic remembers it.
type Run struct {
	ID      string    `json:"id"` // a UUID, version 7
	State   State     `json:"state"`
	Plan    Plan      `json:"plan"`
	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"` // a running one is updated every few seconds
	Ended   time.Time `json:"ended,omitzero"`
	Host    string    `json:"host,omitempty"` // where it runs
	PID     int       `json:"pid,omitempty"`
	Resumed int       `json:"resumed,omitempty"` // how often
	// Progress is a checkpoint: what is below each partition's Next is durable at
	// the target.
	Progress Progress `json:"progress"`
	Gaps     []Gap    `json:"gaps,omitempty"` // the first hundred
	GapsLeft int      `json:"gaps_left,omitempty"`
	// Failures are the first hundred records that the target refused for good.
	Failures    []Failure       `json:"failures,omitempty"`
	Sink        json.RawMessage `json:"sink,omitempty"` // what the target needs to go on
	Error       string          `json:"error,omitempty"`
	CancelledBy string          `json:"cancelled_by,omitempty"`
}

// Failure is a record that the target refused for good.
type Failure struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	Error     string `json:"error"`
}

// emptyProgress is that of a plan of which nothing is done.
func emptyProgress(plan *Plan, now time.Time) Progress {
	p := Progress{Time: now, State: Running, ETA: -1, Partitions: make([]PartitionProgress, len(plan.Ranges))}
	for i, r := range plan.Ranges {
		p.Partitions[i] = PartitionProgress{Topic: r.Topic, Partition: r.Partition, From: r.From, To: r.To, Next: r.From}
	}
	return p
}

// sum fills in the totals from the partitions.
func (p *Progress) sum() {
	p.Read, p.Selected, p.Replayed, p.Undecodable, p.Delivered, p.Failed = 0, 0, 0, 0, 0, 0
	for i := range p.Partitions {
		q := &p.Partitions[i]
		p.Read += q.Read
		p.Selected += q.Selected
		p.Replayed += q.Replayed
		p.Undecodable += q.Undecodable
		p.Delivered += q.Delivered
		p.Failed += q.Failed
	}
}

// left is how many offsets are still to be read.
func (p *Progress) left() (n int64) {
	for i := range p.Partitions {
		n += p.Partitions[i].To - p.Partitions[i].Next
	}
	return n
}
