package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// marker names one event. It travels inside the event, and everything else in
// the event follows from it: what is read back can be judged without keeping
// what was sent.
type marker struct {
	serial uint32 // counts the events of a run; grows within a stream
	stream uint32 // the message the event is about, and so its record's key
	seq    uint32 // place in the stream, from 0
	native uint32 // the serial whose provider id it carries; another's for a conflict
}

// String is the form in which a marker travels.
func (m marker) String() string {
	return fmt.Sprintf("%d.%d.%d.%d", m.serial, m.stream, m.seq, m.native)
}

// parseMarker reads a marker that travelled.
func parseMarker(s string) (marker, bool) {
	var n [4]uint32
	parts := strings.Split(s, ".")
	if len(parts) != len(n) {
		return marker{}, false
	}
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return marker{}, false
		}
		n[i] = uint32(v)
	}
	return marker{n[0], n[1], n[2], n[3]}, true
}

// source is one configured source of the receiver and how its provider writes.
type source struct {
	name       string
	provider   string
	durability string
	kinds      []kind
	write      func(g *generator, k kind, m marker) string
	derived    bool // the event's id is made of its content
}

// kind is one type of event of a provider; an empty word stands for an item
// without a type, which can only become a dead letter.
type kind struct{ word, topic string }

// deadTopic is the topic, after the prefix, of what cannot become an event.
const deadTopic = "deadletter"

// sources lists the receiver's sources: each built-in provider, and one of them
// a second time with every record through the spool.
func sources() []source {
	vfs := []kind{{"Delivered", "delivered"}, {"Opened", "opened"}, {"Levitated", "unknown"}, {"", deadTopic}}
	return []source{
		{
			name: "jetemail", provider: "jetemail", durability: "broker_then_spool", write: (*generator).jetemail,
			kinds: []kind{{"outbound.delivered", "delivered"}, {"outbound.opened", "opened"}, {"outbound.levitated", "unknown"}, {"", deadTopic}},
		},
		{
			name: "cmcom", provider: "cmcom", durability: "broker_then_spool", write: (*generator).cmcom, derived: true,
			kinds: []kind{{"delivered", "delivered"}, {"sent", "sent"}, {"levitated", "unknown"}, {"", deadTopic}},
		},
		{name: "velma", provider: "vfs", durability: "broker_then_spool", write: (*generator).vfs, kinds: vfs},
		{name: "velma-first", provider: "vfs", durability: "spool_first", write: (*generator).vfs, kinds: vfs},
	}
}

// The plan of a stream's number: its source and its kind.
const (
	sourceCount = 4
	kindCount   = 4
	streamBlock = sourceCount * kindCount // streams that one sender owns
)

// generator writes events. It is not changed while it is used.
type generator struct {
	run     string // tells this run's events from others'
	begun   time.Time
	sources []source
}

// newGenerator makes the generator of one run.
func newGenerator(run string, begun time.Time) *generator {
	return &generator{run: run, begun: begun, sources: sources()}
}

// of returns a stream's source and kind.
func (g *generator) of(stream uint32) (source, kind) {
	s := g.sources[stream%sourceCount]
	return s, s.kinds[stream/sourceCount%kindCount]
}

// item writes one event as its provider would, in the canonical form of JSON.
func (g *generator) item(m marker) string {
	s, k := g.of(m.stream)
	return s.write(g, k, m)
}

// fill is text that only this marker has: 32 to 1,500 letters.
func (g *generator) fill(m marker) string {
	sum := sha256.Sum256([]byte(g.run + "/" + m.String()))
	text := hex.EncodeToString(sum[:])
	size := 32 + int(sum[0])
	if sum[1] < 8 { // one in 32 is long
		size = 1500
	}
	return strings.Repeat(text, size/len(text)+1)[:size]
}

// message is the provider's id of a stream's message.
func (g *generator) message(m marker) string { return g.run + "-m" + strconv.Itoa(int(m.stream)) }

// recipient is the address that a stream's message went to.
func (g *generator) recipient(m marker) string {
	return "r" + strconv.Itoa(int(m.stream)) + "@example.net"
}

// nativeID is the provider's id of the event.
func (g *generator) nativeID(m marker) string { return g.run + "-e" + strconv.Itoa(int(m.native)) }

// typeMember is the JSON member of the type with what stands around it; nothing
// where the item has no type.
func typeMember(before, word, after string) string {
	if word == "" {
		return ""
	}
	return before + `"type":"` + word + `"` + after
}

func (g *generator) jetemail(k kind, m marker) string {
	return `{"created_at":` + strconv.FormatInt(g.begun.Unix(), 10) +
		`,"data":{"fill":"` + g.fill(m) + `","from":"news@example.com","mark":"` + g.mark(m) + `","to":"` + g.recipient(m) +
		`","uid":"` + g.message(m) + `"},"id":"` + g.nativeID(m) + `","service":"outbound"` + typeMember(",", k.word, "") + `}`
}

func (g *generator) cmcom(k kind, m marker) string {
	return `{"createdAt":"` + g.begun.UTC().Format(time.RFC3339) +
		`","data":{"fill":"` + g.fill(m) + `","from":"news@example.com","mark":"` + g.mark(m) + `","to":"` + g.recipient(m) +
		`"},"messageId":"` + g.message(m) + `"` + typeMember(",", k.word, "") + `}`
}

func (g *generator) vfs(k kind, m marker) string {
	return `{"attr":{"fill":"` + g.fill(m) + `","mark":"` + g.mark(m) + `"},"eventId":"` + g.nativeID(m) +
		`","itemId":"` + g.message(m) + `","timestamp":"` + strconv.FormatInt(g.begun.Unix(), 10) + `"` + typeMember(",", k.word, "") + `}`
}

// mark is a marker with the run it belongs to.
func (g *generator) mark(m marker) string { return g.run + ":" + m.String() }

// ownMarker reads a mark; false if it is of another run, or none.
func (g *generator) ownMarker(mark string) (marker, bool) {
	run, rest, ok := strings.Cut(mark, ":")
	if !ok || run != g.run {
		return marker{}, false
	}
	return parseMarker(rest)
}

// eventID is the id that the event must have, as docs/events.md defines it.
func (g *generator) eventID(m marker) string {
	s, k := g.of(m.stream)
	native := g.nativeID(m)
	if s.derived {
		sum := sha256.Sum256([]byte(g.item(m)))
		native = hex.EncodeToString(sum[:])
	}
	sum := sha256.Sum256([]byte(s.provider + "\x00" + s.name + "\x00" + native + "\x00" + k.word))
	return hex.EncodeToString(sum[:16])
}

// recordKey is the key that the event's record must have.
func (g *generator) recordKey(m marker) string {
	s, _ := g.of(m.stream)
	return s.provider + "/" + s.name + "/" + g.message(m)
}
