package replay

import (
	"fmt"
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
// it expire on arrival.
func (k *Marker) Copy(m *broker.Message, topic string) broker.Record {
	headers := make([]broker.Header, 0, len(m.Headers)+7)
	timestamp := []byte(nil)
	for _, h := range m.Headers {
		if h.Key == HeaderTimestamp {
			timestamp = h.Value
		}
		if !strings.HasPrefix(h.Key, HeaderPrefix) {
			headers = append(headers, h)
		}
	}
	if timestamp == nil {
		timestamp = m.Time.UTC().AppendFormat(make([]byte, 0, len(timeLayout)), timeLayout)
	}
	return broker.Record{
		Topic: topic, Key: m.Key, Value: m.Value, Time: k.now(),
		Headers: k.append(headers, m, timestamp),
	}
}

// Marks are the marks of a copy of m alone.
func (k *Marker) Marks(m *broker.Message) []broker.Header {
	return k.append(nil, m, m.Time.UTC().AppendFormat(nil, timeLayout))
}

func (k *Marker) append(to []broker.Header, m *broker.Message, timestamp []byte) []broker.Header {
	of := make([]byte, 0, len(m.Topic)+24)
	of = append(append(of, m.Topic...), '/')
	of = append(strconv.AppendInt(of, int64(m.Partition), 10), '/')
	of = strconv.AppendInt(of, m.Offset, 10)
	to = append(to,
		broker.Header{Key: HeaderID, Value: k.id}, broker.Header{Key: HeaderOf, Value: of},
		broker.Header{Key: HeaderAt, Value: k.at}, broker.Header{Key: HeaderBy, Value: k.by},
	)
	if len(k.reason) > 0 {
		to = append(to, broker.Header{Key: HeaderReason, Value: k.reason})
	}
	return append(to, broker.Header{Key: HeaderTimestamp, Value: timestamp},
		broker.Header{Key: HeaderHops, Value: strconv.AppendInt(nil, int64(Hops(m.Headers)+1), 10)})
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
