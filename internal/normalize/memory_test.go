package normalize_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// asked is a request with its source, and what it comes to in memory of its own.
type asked struct {
	source *normalize.Source
	proven webhook.Verified
	want   string
}

// told is all that an output says.
func told(out normalize.Output) string {
	var b strings.Builder
	for i := range out.Events {
		e := &out.Events[i]
		fmt.Fprintf(&b, "%d %x %s %s\n", e.Index, e.Content(), e.Body, e.Event.AppendJSON(nil))
	}
	for _, d := range out.DeadLetters {
		fmt.Fprintf(&b, "%d %s %s %s %s\n", d.Index, d.Reason, d.Stage, d.Detail, d.Item)
	}
	fmt.Fprint(&b, out.DuplicateNames)
	return b.String()
}

// everything is requests to all providers: samples, arrays of them, and what is none.
func everything(t *testing.T) (list []asked) {
	t.Helper()
	add := func(s *normalize.Source, body string) {
		v := proven("campaign=w", body)
		list = append(list, asked{s, v, told(run(t, s, v, "raw-1"))})
	}
	for k, def := range all.Definitions() {
		p, err := def.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		s := &normalize.Source{Name: def.ID, ID: def.ID, Provider: def.ID, Parser: p, Mapper: def.Mapper, HashRecipient: k%3 == 0}
		if k%2 == 0 {
			s.QueryMetadata = []string{"campaign"}
		}
		var bodies []string
		for i, sample := range def.Samples() {
			bodies = append(bodies, providertest.Fill(sample.Body, i))
			add(s, bodies[i])
		}
		add(s, "["+strings.Join(bodies, " , ")+"]")
		add(s, strings.Join(bodies, "\n"))
		add(s, `[{"event":"delivered"},7,{"type":"x","data":{"a":{"b":[1,"c"]}}}]`)
		add(s, `{"event":`)
	}
	return list
}

// Memory that is used again gives what memory of one's own gives, and the events of
// one request hold nothing of another, also where many are in progress.
func TestMemoryUsedAgainLeaksNothing(t *testing.T) {
	list := everything(t)
	pool := sync.Pool{New: func() any { return new(normalize.Memory) }}
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 8))
			for range 1500 {
				m, _ := pool.Get().(*normalize.Memory) // it holds nothing else
				a := &list[random.IntN(len(list))]
				out, err := m.Normalize(t.Context(), a.source, a.proven, "raw-1")
				if got := told(out); err != nil || got != a.want {
					t.Errorf("%s (%v): in memory that was used before\n%s\nwant\n%s", a.source.Name, err, got, a.want)
					return
				}
				m.Reset()
				pool.Put(m)
			}
		})
	}
	workers.Wait()
}

// Texts and ids may be kept when the memory serves another request.
func TestTextsOutliveTheMemory(t *testing.T) {
	def, m := definition(t, "sendgrid"), new(normalize.Memory)
	p, _ := def.New(nil)
	s := &normalize.Source{Name: "s", ID: "s", Provider: "sendgrid", Parser: p}
	body := func(i int) string {
		return fmt.Sprintf(`[{"event":"delivered","sg_event_id":"event-%d","email":"r%d@example.com","timestamp":1767323045,"note":"note %d"}]`, i, i, i)
	}
	first, err := m.Normalize(t.Context(), s, proven("", body(1)), "raw-1")
	if err != nil || len(first.Events) != 1 {
		t.Fatal(err, first)
	}
	e := first.Events[0].Event
	id, recipient, note := e.ID, e.Recipient, e.Metadata["note"]
	m.Reset()
	if _, err := m.Normalize(t.Context(), s, proven("", body(2)), "raw-2"); err != nil {
		t.Fatal(err)
	}
	if id != normalize.EventID("sendgrid", "s", "event-1", "delivered") || recipient != "r1@example.com" || note != "note 1" {
		t.Errorf("after another request: %s, %s, %s", id, recipient, note)
	}
}

// careless is a parser that leaves most of an event alone, and breaks down on demand.
func careless() provider.Reading {
	return provider.Reading{Item: func(o jsondoc.Object, at provider.Place, e *event.Event) (string, *provider.Malformed) {
		e.Type, e.Direction, e.ProviderType = event.Delivered, event.Outbound, "t"
		if o.Peek("subject") != "" {
			e.Subject, e.SMTP = o.String("subject"), at.SMTP(event.SMTP{Code: 250})
			e.Metadata, e.Tags = o.Rest(nil), o.Strings("tags")
		}
		if o.Peek("panic") != "" {
			panic(errors.New("on demand"))
		}
		return o.String("id"), nil
	}}
}

// What a parser that broke down left behind does not come out of the next request.
func TestNothingIsLeftOfAPanic(t *testing.T) {
	m, s := new(normalize.Memory), source(careless())
	for range 3 {
		out, err := m.Normalize(t.Context(), s, proven("", `[{"id":"1","subject":"secret","a":"b","tags":["x"]},{"id":"2","subject":"secret","panic":"now"}]`), "raw-1")
		if err != nil || len(out.DeadLetters) != 1 || out.DeadLetters[0].Reason != normalize.ReasonParserPanic {
			t.Fatal(err, out)
		}
		m.Reset()
		next := proven("", `[{"id":"3"},{"id":"4"},{"id":"5"}]`)
		got, err := m.Normalize(t.Context(), s, next, "raw-2")
		if want := told(run(t, s, next, "raw-2")); err != nil || told(got) != want {
			t.Errorf("after a panic (%v)\n%s\nwant\n%s", err, told(got), want)
		}
		m.Reset()
	}
}

// definition is a provider's, by its id.
func definition(t testing.TB, id string) provider.Definition {
	t.Helper()
	for _, def := range all.Definitions() {
		if def.ID == id {
			return def
		}
	}
	t.Fatalf("no provider %s", id)
	return provider.Definition{}
}

// What reading and normalizing a request may allocate, in memory that is used again:
// its ids, a reader where the type has details, and next to nothing an event.
const (
	allocsSingle = 2
	allocsBatch  = 20 // in all of 1,000 events
)

func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("pools drop values at random")
	}
	for _, c := range []struct {
		provider, body string
		events         int
		limit          float64
	}{
		{"jetemail", jetSingle, 1, allocsSingle},
		{"sendgrid", sendGridBatch(1000), 1000, allocsBatch},
	} {
		s, v := benchSource(t, c.provider), proven("", c.body)
		m := new(normalize.Memory)
		got := testing.AllocsPerRun(50, func() {
			if out, err := m.Normalize(t.Context(), s, v, "raw-1"); err != nil || len(out.Events) != c.events {
				t.Fatal(err, out.DeadLetters)
			}
			m.Reset()
		})
		if got > c.limit {
			t.Errorf("%s: %v allocations for %d events, at most %v are wanted", c.provider, got, c.events, c.limit)
		}
	}
}

const jetSingle = `{"id":"evt_1","service":"outbound","type":"outbound.delivered","created_at":1767323045,"data":{"uid":"m-1","from":"shop@shop.example",` +
	`"to":"customer@mail.example","subject":"Your invoice","mx":"mx.mail.example","host":"192.0.2.25","ip":"192.0.2.17","response":"250 2.0.0 OK queued"}}`

func sendGridBatch(events int) string {
	items := make([]string, events)
	for i := range items {
		items[i] = fmt.Sprintf(`{"email":"customer.%08x@mail.example","event":"delivered","ip":"192.0.2.17","response":"250 2.0.0 OK 1767323045 queued",`+
			`"sg_event_id":"ZGVsaXZlcmVkLTAt%016x","sg_message_id":"4nG7kWbQTtmB%012x.recvd-5f6c9d-bzq8k-1-67A0.0",`+
			`"smtp-id":"<%012x@shop.example>","category":["orders","shipped"],"tls":1,"timestamp":1767323045}`, i, i, i, i)
	}
	return "[" + strings.Join(items, ",") + "]"
}

func benchSource(t testing.TB, id string) *normalize.Source {
	t.Helper()
	p, err := definition(t, id).New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &normalize.Source{Name: "s", ID: "s", Provider: id, Parser: p}
}

// BenchmarkRead measures a request from its body to events with the hashes of their
// contents, in memory that is used again.
func BenchmarkRead(b *testing.B) {
	for _, c := range []struct{ provider, body string }{{"jetemail", jetSingle}, {"sendgrid", sendGridBatch(1000)}} {
		b.Run(c.provider, func(b *testing.B) {
			s, v, m := benchSource(b, c.provider), proven("", c.body), new(normalize.Memory)
			b.ReportAllocs()
			b.SetBytes(int64(len(c.body)))
			for b.Loop() {
				out, err := m.Normalize(b.Context(), s, v, "raw-1")
				if err != nil {
					b.Fatal(err)
				}
				for i := range out.Events {
					out.Events[i].Content()
				}
				m.Reset()
			}
		})
	}
}
