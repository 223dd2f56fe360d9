package replay

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// The headers of a copy. What begins with HeaderPrefix is ours.
const (
	HeaderPrefix    = "replay-"
	HeaderID        = "replay-id"        // the run
	HeaderOf        = "replay-of"        // topic/partition/offset of the record that was copied
	HeaderAt        = "replay-at"        // when, RFC 3339
	HeaderBy        = "replay-by"        // who
	HeaderReason    = "replay-reason"    // why; absent if nobody said
	HeaderTimestamp = "replay-timestamp" // of the first original, RFC 3339 with milliseconds
	HeaderHops      = "replay-hops"      // how many copies lie between it and the first original, and itself
)

// timeLayout is RFC 3339 with milliseconds, as records have them.
const timeLayout = "2006-01-02T15:04:05.000Z"

// Marker makes copies of records. Safe for concurrent use.
type Marker struct {
	id, at, by, reason []byte
	now                func() time.Time
}

// NewMarker makes the Marker of one run.
func NewMarker(id, by, reason string, started time.Time, now func() time.Time) *Marker {
	return &Marker{id: []byte(id), at: []byte(started.UTC().Format(timeLayout)), by: []byte(by), reason: []byte(reason), now: now}
}

// Copy makes the record that is published to a topic in place of m: its key, value
// and headers, and the marks in place of those it may carry. Its time is now, lest
// it expire on arrival. The copy uses m's memory, room behind its headers too: m is
// not used any more.
func (k *Marker) Copy(m *broker.Message, topic string) broker.Record {
	text := make([]byte, 0, len(m.Topic)+24+len(timeLayout)+len("999"))
	headers, timestamp, hops := m.Headers, []byte(nil), 1
	if marked(headers) {
		hops = Hops(headers) + 1
		headers, timestamp = unmarked(headers)
	}
	if timestamp == nil {
		text = m.Time.UTC().AppendFormat(text, timeLayout)
		timestamp = slices.Clip(text)
	}
	return broker.Record{
		Topic: topic, Key: m.Key, Value: m.Value, Time: k.now(),
		Headers: k.append(headers, m, timestamp, hops, text[len(text):]),
	}
}

// marked reports whether any header is a mark.
func marked(headers []broker.Header) bool {
	for i := range headers {
		if strings.HasPrefix(headers[i].Key, HeaderPrefix) {
			return true
		}
	}
	return false
}

// unmarked is the headers without marks, and the time of the first original.
func unmarked(headers []broker.Header) (rest []broker.Header, timestamp []byte) {
	rest = make([]broker.Header, 0, len(headers)+markCount)
	for _, h := range headers {
		if h.Key == HeaderTimestamp {
			timestamp = h.Value
		}
		if !strings.HasPrefix(h.Key, HeaderPrefix) {
			rest = append(rest, h)
		}
	}
	return rest, timestamp
}

// Marks are the marks of a copy of m alone.
func (k *Marker) Marks(m *broker.Message) []broker.Header {
	c := k.Copy(&broker.Message{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time, Headers: marksOf(m.Headers)}, m.Topic)
	return c.Headers
}

// marksOf is the headers that are marks.
func marksOf(headers []broker.Header) (marks []broker.Header) {
	for _, h := range headers {
		if strings.HasPrefix(h.Key, HeaderPrefix) {
			marks = append(marks, h)
		}
	}
	return marks
}

// markCount is how many marks there are.
const markCount = 7

// append adds the marks to headers; text is room for theirs.
func (k *Marker) append(to []broker.Header, m *broker.Message, timestamp []byte, hops int, text []byte) []broker.Header {
	text = append(append(text, m.Topic...), '/')
	text = append(strconv.AppendInt(text, int64(m.Partition), 10), '/')
	text = strconv.AppendInt(text, m.Offset, 10)
	of := slices.Clip(text)
	count := strconv.AppendInt(text[len(text):], int64(hops), 10)
	to = append(to,
		broker.Header{Key: HeaderID, Value: k.id}, broker.Header{Key: HeaderOf, Value: of},
		broker.Header{Key: HeaderAt, Value: k.at}, broker.Header{Key: HeaderBy, Value: k.by},
	)
	if len(k.reason) > 0 {
		to = append(to, broker.Header{Key: HeaderReason, Value: k.reason})
	}
	return append(to, broker.Header{Key: HeaderTimestamp, Value: timestamp}, broker.Header{Key: HeaderHops, Value: count})
}

// Marked reports whether a record is a copy that a replay put there.
func Marked(headers []broker.Header) bool {
	for i := range headers {
		if headers[i].Key == HeaderID {
			return true
		}
	}
	return false
}

// Hops is how many copies lie between a record and the first original, itself
// included: 0 for an original. A copy that does not say is one.
func Hops(headers []broker.Header) int {
	hops := 0
	for i := range headers {
		switch headers[i].Key {
		case HeaderID:
			hops = max(hops, 1)
		case HeaderHops:
			if n, err := strconv.Atoi(string(headers[i].Value)); err == nil && n > 0 {
				hops = max(hops, n)
			}
		}
	}
	return hops
}

// Place is where a record is, as it stands in HeaderOf.
func Place(topic string, partition int, offset int64) string {
	return fmt.Sprintf("%s/%d/%d", topic, partition, offset)
}
