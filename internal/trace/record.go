package trace

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/event"
)

// Place is where a record is.
type Place struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
}

// String is the place as the program prints it: topic[partition]@offset.
func (p Place) String() string { return fmt.Sprintf("%s[%d]@%d", p.Topic, p.Partition, p.Offset) }

// comparePlaces orders places.
func comparePlaces(a, b Place) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
}

func placeOf(m *broker.Message) Place { return Place{m.Topic, m.Partition, m.Offset} }

// Observation is one record of an event.
type Observation struct {
	Place

	Time  time.Time // the record's
	Event event.Event
	// Mapper is the version of the mapping that made the event; 0 if it does not say.
	Mapper    int
	Conflict  bool    // its id was known with other content
	Duplicate bool    // a repeat that was published because the source asks for it
	Replay    *Replay // nil: it came from a webhook

	key string
}

// Replay is what the marks of a copy say.
type Replay struct {
	ID     string `json:"id"`               // of the run
	Of     string `json:"of,omitempty"`     // what it is a copy of: topic/partition/offset
	At     string `json:"at,omitempty"`     // when the run began
	By     string `json:"by,omitempty"`     // who wanted it
	Reason string `json:"reason,omitempty"` // why
}

// The headers of a copy that a replay makes.
const (
	headerReplayID     = "replay-id"
	headerReplayOf     = "replay-of"
	headerReplayAt     = "replay-at"
	headerReplayBy     = "replay-by"
	headerReplayReason = "replay-reason"
)

// replayOf reads a copy's marks; nil if the record has none.
func replayOf(headers []event.Header) *Replay {
	r := &Replay{ID: event.HeaderText(headers, headerReplayID)}
	if r.ID == "" {
		return nil
	}
	r.Of, r.At, r.By = event.HeaderText(headers, headerReplayOf), event.HeaderText(headers, headerReplayAt), event.HeaderText(headers, headerReplayBy)
	r.Reason = event.HeaderText(headers, headerReplayReason)
	return r
}

// observe reads a record of a typed topic.
func observe(m *broker.Message) (Observation, error) {
	e, err := event.Decode(m.Value)
	if err != nil {
		return Observation{}, errors.New("its value is no JSON object with an event's fields")
	}
	if e.ID == "" || e.Schema != event.Schema {
		return Observation{}, errors.New("its value is no event of the schema " + event.Schema)
	}
	o := Observation{
		Place: placeOf(m), Time: m.Time, Event: e, Replay: replayOf(m.Headers), key: string(m.Key),
		Conflict: headerIs(m.Headers, "conflict", "true"), Duplicate: headerIs(m.Headers, "duplicate", "true"),
	}
	o.Mapper, _ = strconv.Atoi(event.HeaderText(m.Headers, "mapper-version")) // 0 without
	return o, nil
}

// Unreadable is a matching record that holds no event.
type Unreadable struct {
	Record  Place  `json:"record"`
	Problem string `json:"problem"`
}

// Request is the record of a request that events came with.
type Request struct {
	RawID      string     `json:"raw_id"`
	Provider   string     `json:"provider"`
	Source     string     `json:"source"`
	ReceivedAt event.Time `json:"received_at"`
	// State is RequestFound, RequestExpired, RequestNotFound or RequestNotLooked.
	State  string `json:"state"`
	Record *Place `json:"record,omitempty"` // where it is, if found
	// How many events and dead letters the request became, and how many items were
	// left out as repeats; the events of other messages count.
	Events      int    `json:"events,omitempty"`
	DeadLetters int    `json:"dead_letters,omitempty"`
	Repeats     int    `json:"repeats,omitempty"`
	Auth        string `json:"auth,omitempty"` // how it was proven
}

// The states of a request.
const (
	RequestFound     = "found"
	RequestExpired   = "expired"   // the raw topic does not reach back to it any more
	RequestNotFound  = "not_found" // it is not near its time
	RequestNotLooked = "not_looked_for"
)

// key is the key of the request's record and of its dead letters.
func (r *Request) key() string { return r.Source + "/" + r.RawID }

// found fills in what the request's record says.
func (r *Request) found(m *broker.Message) {
	number := func(name string) int {
		n, _ := strconv.Atoi(event.HeaderText(m.Headers, name)) // 0 without: a version that did not count
		return n
	}
	p := placeOf(m)
	r.State, r.Record, r.Auth = RequestFound, &p, event.HeaderText(m.Headers, "auth")
	r.Events, r.DeadLetters, r.Repeats = number("events"), number("dead-letters"), number("repeats")
}

// DeadLetter is an item that did not become an event.
type DeadLetter struct {
	Record Place     `json:"record"`
	Time   time.Time `json:"time"` // the record's
	// Why is DeadOfRequest or DeadNames.
	Why      string `json:"why"`
	Provider string `json:"provider"`
	Source   string `json:"source"`
	RawID    string `json:"raw_id,omitempty"`
	Reason   string `json:"reason"`
	Stage    string `json:"stage"`
	Detail   string `json:"detail,omitempty"`
	Index    *int   `json:"index,omitempty"` // place in the payload, from 0
	Mapper   int    `json:"mapper,omitempty"`

	ReceivedAt event.Time `json:"received_at,omitzero"`
}

// Why a dead letter is told of.
const (
	DeadOfRequest = "same_request" // it came with an event of the story
	DeadNames     = "names_it"     // its body holds what was asked for
)

// readDeadLetter reads a dead letter and the item in it.
func readDeadLetter(m *broker.Message) (d DeadLetter, body []byte, err error) {
	v := struct {
		*DeadLetter

		Body []byte `json:"body"`
	}{DeadLetter: &d}
	if err := json.Unmarshal(m.Value, &v); err != nil {
		return d, nil, errors.New("its value is no JSON object with a dead letter's fields")
	}
	d.Record, d.Time, d.Why = placeOf(m), m.Time, ""
	return d, v.Body, nil
}
