package consumer

import (
	"strconv"
	"time"
)

// Headers of a copy that a replay put into a topic.
const (
	headerReplayID     = "replay-id"
	headerReplayOf     = "replay-of"
	headerReplayAt     = "replay-at"
	headerReplayBy     = "replay-by"
	headerReplayReason = "replay-reason"
	headerReplayTime   = "replay-timestamp"
	headerReplayHops   = "replay-hops"
)

// Replay is what a copy's headers tell of the replay that made it. What they do not
// tell, or tell in another form, is zero.
type Replay struct {
	ID     string    // the run
	Of     Place     // of the record that was copied, which may be a copy itself
	At     time.Time // when the run was started
	By     string    // who started it
	Reason string    // why; "" if nobody said
	Time   time.Time // of the first original
	Hops   int       // how many copies lie between it and the first original, and itself: at least 1
}

// Replay tells of the replay that made the record; false if it is no copy.
func (m *Message) Replay() (Replay, bool) {
	id, copied := m.Header(headerReplayID)
	if !copied {
		return Replay{}, false
	}
	r := Replay{ID: id}
	for i := range m.Headers {
		value := m.Headers[i].Value
		switch m.Headers[i].Key {
		case headerReplayOf:
			r.Of, _ = parsePlace(string(value))
		case headerReplayAt:
			r.At = parseTime(value)
		case headerReplayBy:
			r.By = string(value)
		case headerReplayReason:
			r.Reason = string(value)
		case headerReplayTime:
			r.Time = parseTime(value)
		case headerReplayHops:
			r.Hops, _ = strconv.Atoi(string(value))
		}
	}
	r.Hops = max(r.Hops, 1)
	return r, true
}

// parseTime reads a header's time; the zero time if it is none.
func parseTime(text []byte) time.Time {
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
