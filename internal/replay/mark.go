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
	c := k.copier(0)
	return c.copy(m, topic)
}

// copier makes copies that all have the same time. Not for concurrent use.
type copier struct {
	*Marker
	now   time.Time
	text  []byte // of the marks of several copies, one behind the other
	block int    // of text, bytes
	clock clock
}

// textBlock is how much memory for the marks' text is taken at once when many copies
// are made.
const textBlock = 8 << 10

// copier makes a copier that takes its memory in blocks of so many bytes; 0: as much
// as one copy needs.
func (k *Marker) copier(block int) copier { return copier{Marker: k, now: k.now(), block: block} }

// copy is Marker.Copy.
func (c *copier) copy(m *broker.Message, topic string) broker.Record {
	if need := len(m.Topic) + len("/2147483647/9223372036854775807") + len(timeLayout) + len("9223372036854775807"); cap(c.text)-len(c.text) < need {
		c.text = make([]byte, 0, max(need, c.block))
	}
	headers, timestamp, hops := m.Headers, []byte(nil), 1
	if marked(headers) {
		hops = Hops(headers) + 1
		headers, timestamp = unmarked(headers)
	}
	if timestamp == nil {
		start := len(c.text)
		c.text = c.clock.append(c.text, m.Time)
		timestamp = slices.Clip(c.text[start:])
	}
	return broker.Record{Topic: topic, Key: m.Key, Value: m.Value, Time: c.now, Headers: c.mark(headers, m, timestamp, hops)}
}

// clock writes times in timeLayout. It remembers the last second: records that are
// next to each other are often of the same one.
type clock struct {
	second int64
	text   [len("2006-01-02T15:04:05.")]byte // of second; empty at first
}

// append appends a time.
func (c *clock) append(to []byte, t time.Time) []byte {
	if s := t.Unix(); s != c.second || c.text[0] == 0 {
		c.second = s
		var room [len(timeLayout) + len("-292277022399")]byte
		text := t.UTC().AppendFormat(room[:0], timeLayout)
		if copy(c.text[:], text); len(text) != len(timeLayout) {
			c.text[0] = 0 // a year that has not four digits is written anew each time
			return append(to, text...)
		}
	}
	ms := t.Nanosecond() / int(time.Millisecond)
	const digits = "0123456789"
	return append(append(to, c.text[:]...), digits[ms/100], digits[ms/10%10], digits[ms%10], 'Z')
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

// mark adds the marks to headers.
func (c *copier) mark(to []broker.Header, m *broker.Message, timestamp []byte, hops int) []broker.Header {
	start := len(c.text)
	text := append(append(c.text, m.Topic...), '/')
	text = append(strconv.AppendInt(text, int64(m.Partition), 10), '/')
	text = strconv.AppendInt(text, m.Offset, 10)
	end := len(text)
	c.text = strconv.AppendInt(text, int64(hops), 10)
	of, count := c.text[start:end:end], slices.Clip(c.text[end:])
	to = append(to,
		broker.Header{Key: HeaderID, Value: c.id}, broker.Header{Key: HeaderOf, Value: of},
		broker.Header{Key: HeaderAt, Value: c.at}, broker.Header{Key: HeaderBy, Value: c.by},
	)
	if len(c.reason) > 0 {
		to = append(to, broker.Header{Key: HeaderReason, Value: c.reason})
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
