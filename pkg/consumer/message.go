package consumer

import (
	"fmt"
	"time"

	"github.com/postrider/postrider/pkg/event"
)

// Message is one record. A Handler has it to itself while it runs, and must not
// change its slices.
type Message struct {
	Topic     string
	Partition int
	Offset    int64
	Time      time.Time // of the record, UTC
	Key       []byte    // nil when the record has none
	Value     []byte    // nil is a tombstone
	Headers   []event.Header

	// Attempt counts from 1, over process, retry topics and rebalances as far as
	// these are known.
	Attempt int

	event   *event.Event
	problem error // why there is no event
}

// Place is where a record is.
type Place struct {
	Topic     string
	Partition int
	Offset    int64
}

// String is the place as topic/partition/offset, the form of header replay-of.
func (p Place) String() string { return fmt.Sprintf("%s/%d/%d", p.Topic, p.Partition, p.Offset) }

// Header returns the first value of a record header; false if there is none.
func (m *Message) Header(name string) (string, bool) {
	return event.HeaderValue(m.Headers, name)
}

// Event decodes the record's value, once: later calls return the same. The error is
// about a record that holds no event, as dead letters and raw requests do. Whether
// an event keeps the rules is its Validate's question; postrider publishes no others,
// and a later version may know more types than this.
func (m *Message) Event() (*event.Event, error) {
	if m.event == nil && m.problem == nil {
		e, err := event.Decode(m.Value)
		if err != nil {
			m.problem = fmt.Errorf("consumer: %s[%d]@%d holds no event: %w", m.Topic, m.Partition, m.Offset, err)
			return nil, m.problem
		}
		m.event = &e
	}
	return m.event, m.problem
}
