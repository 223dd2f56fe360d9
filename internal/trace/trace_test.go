package trace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/event"
)

// shelf is topics in memory: a Store.
type shelf struct {
	partitions int
	topics     map[string][][]broker.Message
	first      map[string]int64 // of all partitions of a topic: where the log begins

	mu      sync.Mutex
	scanned map[string]int // partitions that were read, by topic
}

func newShelf(partitions int, topics ...string) *shelf {
	s := &shelf{partitions: partitions, topics: map[string][][]broker.Message{}, first: map[string]int64{}, scanned: map[string]int{}}
	for _, topic := range topics {
		s.topics[topic] = make([][]broker.Message, partitions)
	}
	return s
}

// put publishes a record.
func (s *shelf) put(topic, key string, at time.Time, value []byte, headers ...broker.Header) Place {
	p := broker.PartitionFor([]byte(key), s.partitions)
	log := s.topics[topic]
	m := broker.Message{Topic: topic, Partition: p, Offset: int64(len(log[p])), Time: at, Key: []byte(key), Value: value, Headers: headers}
	log[p] = append(log[p], m)
	return placeOf(&m)
}

// event publishes an event under its key, with its headers.
func (s *shelf) event(o Observation, key string, extra ...broker.Header) Place {
	e := &o.Event
	return s.put("email."+string(e.Type), key, e.ReceivedAt.Time(), e.AppendJSON(nil), append(e.AppendHeaders(nil, event.Stamp{Mapper: 3}), extra...)...)
}

func (s *shelf) Offsets(_ context.Context, topic string) (map[int]broker.OffsetRange, error) {
	log, ok := s.topics[topic]
	if !ok {
		return nil, &broker.UnknownTopicError{Topic: topic, Partition: -1}
	}
	ranges := map[int]broker.OffsetRange{}
	for p := range log {
		next := int64(len(log[p]))
		ranges[p] = broker.OffsetRange{First: min(s.first[topic], next), Next: next}
	}
	return ranges, nil
}

func (s *shelf) OffsetsAt(ctx context.Context, topic string, t time.Time) (map[int]int64, error) {
	ranges, err := s.Offsets(ctx, topic)
	at := map[int]int64{}
	for p, r := range ranges {
		at[p] = r.Next
		for o := r.Next - 1; o >= r.First; o-- {
			if !s.topics[topic][p][o].Time.Before(t) {
				at[p] = o
			}
		}
	}
	return at, err
}

func (s *shelf) Scan(ctx context.Context, topic string, partition int, from, to int64, _ broker.ScanOptions, fn func(broker.Chunk) error) error {
	s.mu.Lock()
	s.scanned[topic]++
	s.mu.Unlock()
	chunk := broker.Chunk{Next: to}
	if first := min(s.first[topic], to); from < first {
		chunk.Gaps, from = []broker.OffsetGap{{From: from, To: first, Expired: true}}, first
	}
	for o := from; o < to; o++ {
		chunk.Messages = append(chunk.Messages, s.topics[topic][partition][o])
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fn(chunk)
}

// typedTopics are those of the tests.
func typedTopics() []string {
	var names []string
	for _, t := range event.Types() {
		names = append(names, "email."+string(t))
	}
	return names
}

func newTestShelf() *shelf { return newShelf(4, append(typedTopics(), "email.raw", "email.dead")...) }

func trace(t *testing.T, s Store, key string, q Query, changes ...func(*Options)) *Result {
	t.Helper()
	o := Options{Store: s, Topics: Topics{Typed: typedTopics(), Raw: "email.raw", Deadletter: "email.dead", Key: key}}
	for _, change := range changes {
		change(&o)
	}
	if q.Sources == nil {
		q.Sources = []Source{{"jetemail", "shop"}, {"cmcom", "cm"}}
	}
	res, err := New(o).Trace(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// told are the ids of every story's steps.
func told(res *Result) []string {
	ids := []string{}
	for _, s := range res.Stories {
		for i := range s.Steps {
			ids = append(ids, s.Steps[i].ID)
		}
	}
	return ids
}

func from(raw string) maker { return func(e *event.Event) { e.RawID = raw } }

func message(id string) maker {
	return func(e *event.Event) { e.MessageID, e.ID = id, e.ID+id }
}

// request publishes a raw record of what came at a second.
func (s *shelf) request(raw string, second int, dead string) Place {
	return s.put("email.raw", "shop/"+raw, noon().Add(time.Duration(second)*time.Second), []byte(`{}`),
		broker.Header{Key: "id", Value: []byte(raw)}, broker.Header{Key: "events", Value: []byte("1")},
		broker.Header{Key: "dead-letters", Value: []byte(dead)}, broker.Header{Key: "auth", Value: []byte("token")})
}

// letter publishes a dead letter.
func (s *shelf) letter(t *testing.T, raw, body string, second int) Place {
	t.Helper()
	at := noon().Add(time.Duration(second) * time.Second)
	b, err := json.Marshal(map[string]any{
		"reason": "missing_type", "stage": "parse", "provider": "jetemail", "source": "shop", "received_at": at, "raw_id": raw,
		"mapper": 3, "index": 1, "body": []byte(body),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.put("email.dead", "shop/"+raw, at, b)
}

// TestByMessageID: of every topic the partition of the key alone is read, and other
// keys' records in it are not decoded.
func TestByMessageID(t *testing.T) {
	t.Parallel()
	s := newTestShelf()
	for i := range 50 { // would be unreadable, if they were read
		s.put("email.sent", fmt.Sprintf("jetemail/shop/n%d", i), noon(), []byte("no event"))
	}
	sent, opened := seen(event.Sent, 0, from("r1")), seen(event.Opened, 9, from("r2"))
	s.event(sent, sent.key)
	other := seen(event.Sent, 1, message("m2"))
	s.event(other, other.key)
	place := s.event(opened, opened.key)
	raw := s.request("r1", 1, "1")
	letter := s.letter(t, "r1", `{"x":1}`, 1)
	s.letter(t, "r9", `{"id":"m1"}`, 1)
	res := trace(t, s, "message", Query{MessageID: "m1", Sources: []Source{{"jetemail", "shop"}}})
	if diff := cmp.Diff([]string{"sent-0", "opened-9"}, told(res)); diff != "" {
		t.Error(diff)
	}
	if got := res.Stories[0].Steps[1]; got.Record != place || got.Mapper != 3 {
		t.Errorf("at %v, mapper %d, want %v", got.Record, got.Mapper, place)
	}
	if len(res.Requests) != 2 || res.Requests[0].State != RequestFound || *res.Requests[0].Record != raw ||
		res.Requests[0].DeadLetters != 1 || res.Requests[0].Auth != "token" || res.Requests[1].State != RequestNotFound {
		t.Errorf("requests %+v", res.Requests)
	}
	if len(res.DeadLetters) != 1 || res.DeadLetters[0].Record != letter || res.DeadLetters[0].Why != DeadOfRequest || *res.DeadLetters[0].Index != 1 {
		t.Errorf("dead letters %+v", res.DeadLetters)
	}
	if s.scanned["email.sent"] != 1 || res.Searched.Scan || len(res.Unreadable) != 0 {
		t.Errorf("read %d partitions of one topic, %+v", s.scanned["email.sent"], res)
	}
}

func TestScanFindsWhatAKeyDoesNot(t *testing.T) {
	t.Parallel()
	s := newTestShelf()
	sent := seen(event.Sent, 0, from("r1"))
	s.event(sent, "an older key") // of another partition than the message's key
	for i := range nearRecords + 1 {
		s.put("email.raw", "shop/r1-not", noon().Add(time.Duration(i)*time.Millisecond+time.Second), nil)
	}
	for p := range s.topics["email.raw"] { // the request is behind many others, and older
		s.topics["email.raw"][p] = slices.Clone(s.topics["email.raw"][broker.PartitionFor([]byte("shop/r1-not"), 4)])
	}
	raw := s.request("r1", 1, "0")
	letter := s.letter(t, "r7", `{"id":"m1"}`, 1)
	s.letter(t, "r8", `{"id":"m2"}`, 1)
	if res := trace(t, s, "message", Query{MessageID: "m1"}); !res.Empty() || len(res.Searched.Keys) != 2 {
		t.Errorf("got %+v", res)
	}
	res := trace(t, s, "message", Query{MessageID: "m1", Scan: true})
	if diff := cmp.Diff([]string{"sent-0"}, told(res)); diff != "" || !res.Searched.Scan {
		t.Error(diff, res.Searched)
	}
	if res.Requests[0].State != RequestFound || *res.Requests[0].Record != raw {
		t.Errorf("requests %+v", res.Requests)
	}
	if len(res.DeadLetters) != 1 || res.DeadLetters[0].Record != letter || res.DeadLetters[0].Why != DeadNames {
		t.Errorf("dead letters %+v", res.DeadLetters)
	}
}

func TestByRecipient(t *testing.T) {
	t.Parallel()
	const hash = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	clear := seen(event.Sent, 0)
	hashed := seen(event.Opened, 1, message("m2"), func(e *event.Event) { e.Recipient, e.RecipientHash = "", hash })
	listed := seen(event.Sent, 2, message("m3"), func(e *event.Event) { e.Recipient, e.Recipients = "", []string{"b@example.com", "A@Example.COM"} })
	longer := seen(event.Sent, 3, message("m4"), func(e *event.Event) { e.Recipient = "aa@example.com" })
	quoted := seen(event.Sent, 4, message("m5"), func(e *event.Event) { e.Recipient, e.Subject = "c@example.com", "for a@example.com" })
	for name, c := range map[string]struct {
		key  string
		q    Query
		want []string
		scan bool
	}{
		"address, any case":  {"message", Query{Recipient: " A <a@EXAMPLE.com> "}, []string{"sent-0", "sent-2m3"}, true},
		"address and hash":   {"message", Query{Recipient: "a@example.com", Hashes: []string{hash}}, []string{"sent-0", "opened-1m2", "sent-2m3"}, true},
		"hash alone":         {"message", Query{Hashes: []string{hash}}, []string{"opened-1m2"}, true},
		"of one message":     {"message", Query{MessageID: "m3", Recipient: "b@example.com"}, []string{"sent-2m3"}, false},
		"not of one message": {"message", Query{MessageID: "m3", Recipient: "aa@example.com"}, []string{}, false},
		"keyed":              {"recipient", Query{Recipient: "a@example.com", Hashes: []string{hash}}, []string{"sent-0", "opened-1m2"}, false},
		"keyed, one message": {"recipient", Query{MessageID: "m1", Recipient: "a@example.com"}, []string{"sent-0"}, false},
		"another source's":   {"message", Query{Recipient: "a@example.com", Narrow: true, Sources: []Source{{"cmcom", "cm"}}}, []string{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestShelf()
			for _, o := range []Observation{clear, hashed, listed, longer, quoted} {
				key := o.Event.Key()
				if c.key == "recipient" {
					key = o.Event.RecipientKey()
				}
				s.event(o, key)
			}
			res := trace(t, s, c.key, c.q)
			if diff := cmp.Diff(c.want, told(res)); diff != "" {
				t.Error(diff)
			}
			if res.Searched.Scan != c.scan {
				t.Errorf("scan: %v", res.Searched.Scan)
			}
		})
	}
}

// TestByEventID: the event leads to its message, whatever events are keyed by; where
// they are keyed by their ids, to itself alone.
func TestByEventID(t *testing.T) {
	t.Parallel()
	for key, want := range map[string][]string{
		"message": {"sent-0", "opened-5"}, "recipient": {"sent-0", "opened-5"}, "event": {"opened-5"},
	} {
		s := newTestShelf()
		of := func(o Observation) string {
			switch key {
			case "recipient":
				return o.Event.RecipientKey()
			case "event":
				return o.Event.EventKey()
			}
			return o.Event.Key()
		}
		for _, o := range []Observation{seen(event.Sent, 0), seen(event.Opened, 5), seen(event.Opened, 6, message("m2"))} {
			s.event(o, of(o))
		}
		for _, scan := range []bool{false, true} {
			res := trace(t, s, key, Query{EventID: "opened-5", Scan: scan})
			if diff := cmp.Diff(want, told(res)); diff != "" {
				t.Errorf("%s, %v: %s", key, scan, diff)
			}
		}
		if s.scanned["email.sent"] > 1+5+1+s.partitions || key == "event" && s.scanned["email.sent"] > 0 && trace(t, s, key, Query{EventID: "opened-5"}).Searched.Scan {
			t.Errorf("%s: read %v", key, s.scanned)
		}
	}
}

func TestByTextOfTheSender(t *testing.T) {
	t.Parallel()
	s := newTestShelf()
	mine := func(e *event.Event) { e.SMTPMessageID, e.CustomerRef = `q"1@example.com`, "order 7" }
	jet, cm := seen(event.Sent, 0, mine), seen(event.Delivered, 1, mine, func(e *event.Event) { e.Provider, e.Source, e.MessageID = "cmcom", "cm", "c1" })
	mentioned := seen(event.Sent, 2, message("m2"), func(e *event.Event) { e.Subject = `q"1@example.com order 7` })
	for _, o := range []Observation{jet, cm, mentioned} {
		s.event(o, o.Event.Key())
	}
	res := trace(t, s, "message", Query{SMTPMessageID: `<q"1@example.com>`})
	if len(res.Stories) != 1 || len(res.Stories[0].Steps) != 2 || len(res.Stories[0].Sources) != 2 {
		t.Errorf("by Message-ID: %+v", res.Stories)
	}
	if res = trace(t, s, "message", Query{CustomerRef: "order 7"}); len(res.Stories) != 2 {
		t.Errorf("by reference: %+v", res.Stories)
	}
}

// TestWindow: the time of records bounds it; a record that came late in its
// partition is not passed over.
func TestWindow(t *testing.T) {
	t.Parallel()
	s := newTestShelf()
	for _, second := range []int{0, 10, 30, 11, 40} {
		o := seen(event.Opened, second)
		s.event(o, o.Event.Key())
	}
	at := func(second int) time.Time { return noon().Add(time.Duration(second) * time.Second) }
	res := trace(t, s, "message", Query{MessageID: "m1", From: at(11), To: at(41)})
	if diff := cmp.Diff([]string{"opened-10", "opened-11", "opened-30"}, told(res)); diff != "" {
		t.Error(diff)
	}
}

func TestGapsAreTold(t *testing.T) {
	t.Parallel()
	s := newTestShelf()
	o := seen(event.Opened, 5, from("r1"))
	s.event(seen(event.Opened, 1), o.key)
	place := s.event(o, o.key)
	s.event(seen(event.Sent, 0), o.key)
	s.first["email.opened"], s.first["email.sent"], s.first["email.raw"] = 1, 1, 1
	s.request("r1", 1, "0")
	delete(s.topics, "email.queued")
	res := trace(t, s, "message", Query{MessageID: "m1"})
	want := []Gap{
		{Topic: "email.opened", Partition: place.Partition, To: 1, Until: o.Event.ReceivedAt.Time()},
		{Topic: "email.sent", Partition: place.Partition, To: 1},
	}
	got := slices.DeleteFunc(res.Searched.Gaps, func(g Gap) bool { return g.Partition != place.Partition })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(res.Searched.Missing, []string{"email.queued"}) || res.Searched.Topics != len(typedTopics())+1 {
		t.Errorf("missing %v of %d", res.Searched.Missing, res.Searched.Topics)
	}
	if res.Requests[0].State != RequestExpired {
		t.Errorf("the request is %s", res.Requests[0].State)
	}
	later := trace(t, s, "message", Query{MessageID: "m1", From: noon().Add(7 * time.Second)})
	if len(later.Searched.Gaps) != 1 || later.Searched.Gaps[0].Topic != "email.sent" {
		t.Errorf("gaps before the window: %+v", later.Searched.Gaps)
	}
}

// TestMemoryIsBounded: the latest are kept, and what is not is counted.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	s := newTestShelf()
	for i := range 95 {
		o := seen(event.Opened, i)
		s.event(o, o.Event.Key())
	}
	res := trace(t, s, "message", Query{MessageID: "m1"}, func(o *Options) { o.Max = 10 })
	ids := told(res)
	if len(ids) != 10 || ids[0] != "opened-85" || res.Searched.Omitted != 85 {
		t.Errorf("%v, %d omitted", ids, res.Searched.Omitted)
	}
}

func TestUnreadableRecordsAreTold(t *testing.T) {
	t.Parallel()
	s := newTestShelf()
	s.put("email.sent", "jetemail/shop/m1", noon(), []byte(`{"schema":"other/1","id":"x"}`))
	place := s.put("email.sent", "jetemail/shop/m1", noon(), []byte("\x00"))
	res := trace(t, s, "message", Query{MessageID: "m1"})
	if len(res.Unreadable) != 2 || res.Unreadable[1].Record != place || res.Empty() {
		t.Errorf("%+v", res.Unreadable)
	}
}

// failing fails for one topic.
type failing struct{ *shelf }

var errBroken = errors.New("broken")

func (f failing) Scan(ctx context.Context, topic string, partition int, from, to int64, o broker.ScanOptions, fn func(broker.Chunk) error) error {
	if topic == "email.sent" {
		return errBroken
	}
	return f.shelf.Scan(ctx, topic, partition, from, to, o, fn)
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	s := newTestShelf()
	s.event(seen(event.Sent, 0), "jetemail/shop/m1")
	o := Options{Store: failing{s}, Topics: Topics{Typed: typedTopics(), Raw: "email.raw", Deadletter: "email.dead", Key: "message"}}
	_, err := New(o).Trace(t.Context(), Query{MessageID: "m1", Sources: []Source{{"jetemail", "shop"}}})
	if !errors.Is(err, errBroken) || !strings.HasPrefix(err.Error(), "trace: ") {
		t.Errorf("got %v", err)
	}
}

// TestProgress: it is said what will be read, and how much was.
func TestProgress(t *testing.T) {
	t.Parallel()
	s := newTestShelf()
	for i := range 40 {
		o := seen(event.Sent, i, message(fmt.Sprint("n", i)))
		s.event(o, o.Event.Key())
	}
	var planned, read int64
	var whole bool
	var mu sync.Mutex
	res := trace(t, s, "message", Query{Recipient: "nobody@example.com"}, func(o *Options) {
		o.Plan = func(n int64, scan bool) { planned, whole = n, scan }
		o.Progress = func(n int64) {
			mu.Lock()
			defer mu.Unlock()
			read = max(read, n)
		}
	})
	for _, id := range []string{"n3", "n4"} { // each step of a search begins anew
		var most, last int64
		trace(t, s, "message", Query{EventID: "sent-" + id[1:] + id}, func(o *Options) {
			o.Plan = func(n int64, _ bool) { most = n }
			o.Progress = func(n int64) {
				mu.Lock()
				defer mu.Unlock()
				last = n
			}
		})
		if last > most {
			t.Errorf("%d of %d records", last, most)
		}
	}
	if planned != 40 || read != 40 || !whole || res.Searched.Records != 40 || !res.Empty() {
		t.Errorf("planned %d, read %d, %v: %+v", planned, read, whole, res.Searched)
	}
}
