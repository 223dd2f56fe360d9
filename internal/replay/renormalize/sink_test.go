package renormalize_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/replay/renormalize"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// traffic has repeats, conflicts, repeats of conflicts, dead letters, and what a
// query says.
func (r *rig) traffic(src *ingest.Source) {
	r.Helper()
	batch := func(items ...string) string { return "[" + strings.Join(items, ",") + "]" }
	r.accept(src, "campaign=spring", batch(delivered("a", "one"), delivered("b", "one"), `17`))
	r.accept(src, "campaign=spring", batch(delivered("b", "one"), delivered("a", "two"), `17`, `18`))
	r.accept(src, "campaign=autumn", batch(delivered("b", "one"), delivered("a", "two"), delivered("c", "one"), delivered("c", "two"), `{}`))
	r.accept(src, "campaign=autumn", batch(delivered("c", "two"), delivered("d", "one"), delivered("b", "one")))
	r.accept(src, "", "not json")
	r.accept(src, "", "not json")
	r.accept(src, "", `[]`)
	r.accept(src, "", delivered("d", "one"))
	r.accept(src, "", jetEvent("e", "outbound.bounced", "", "550 5.1.1 no"))
	r.signed(src, "n1", delivered("s1", "one"))
	r.signed(src, "n1", batch(delivered("s2", "one"), delivered("s1", "one"), delivered("s1", "two")))
}

// signed takes a request through the live pipeline whose signature covers its id.
func (r *rig) signed(src *ingest.Source, nonce, body string) {
	r.Helper()
	cfg := webhook.Config{
		Type: "hmac", Header: "X-Sig", IDHeader: "X-Id", Timestamp: "X-Time", Template: "{id}.{timestamp}.{body}",
		Secrets: []webhook.Secret{{ID: "a", Value: []byte("whsec_6Tq2wL9vXr4nB8mZ")}}, Tolerance: 24 * time.Hour,
	}
	verifier, err := webhook.New(cfg)
	if err != nil {
		r.Fatal(err)
	}
	req := r.request(nil, body)
	req.Header = http.Header{"X-Id": {nonce}}
	if err := webhook.Sign(cfg, cfg.Secrets[0], &req, req.ReceivedAt); err != nil {
		r.Fatal(err)
	}
	v, err := webhook.Verify(verifier, req)
	if err != nil {
		r.Fatal(err)
	}
	r.acceptVerified(src, v)
}

// The same mapping makes the same records: topics, keys, ids, headers and values,
// whatever became of repeats when the requests came and whatever would today.
func TestWhatLiveDidIsDoneAgain(t *testing.T) {
	for _, mode := range []dedupe.Mode{dedupe.Drop, dedupe.Mark, dedupe.Off} {
		t.Run(mode.String(), func(t *testing.T) {
			r := newRig(t, 3)
			r.traffic(newSource(mode))
			_, failed := r.renormalize(r.options(newSource((mode + 1) % 3)))
			if len(failed) != 0 {
				t.Errorf("failures: %+v", failed)
			}
			originals, copies := r.typed()
			if diff := cmp.Diff(originals, copies); diff != "" {
				t.Errorf("originals and copies (-want +got):\n%s", diff)
			}
			if all := strings.Join(originals, ""); strings.Count(all, "conflict=true") < 4 && mode != dedupe.Off {
				t.Error("there are no conflicts to speak of")
			}
			if n := len(r.read(r.topics.Raw)); n == 0 || n != len(slices.Compact(rawIDs(r))) {
				t.Errorf("%d raw records: renormalizing adds none", n)
			}
		})
	}
}

func rawIDs(r *rig) (ids []string) {
	for _, m := range r.read(r.topics.Raw) {
		ids = append(ids, header(&m, "id"))
	}
	slices.Sort(ids)
	return ids
}

// A copy says where it is from, and its time is now.
func TestCopiesAreMarked(t *testing.T) {
	r := newRig(t, 1)
	src := newSource(dedupe.Drop)
	r.accept(src, "", delivered("a", "one"))
	began := time.Now().Truncate(time.Millisecond)
	r.renormalize(r.options(mappedBy(src, func(*provider.Result) {})))
	raw := r.read(r.topics.Raw)[0]
	got := r.read(r.topics.Typed[event.Route{Direction: event.Outbound, Type: event.Delivered}])
	if len(got) != 2 {
		t.Fatalf("%d records", len(got))
	}
	c := &got[1]
	for name, want := range map[string]string{
		"replay-id": "run-1", "replay-of": r.topics.Raw + "/0/0", "replay-by": "somebody", "replay-hops": "1",
		"replay-timestamp": raw.Time.Format("2006-01-02T15:04:05.000Z"), "mapper-version": strconv.Itoa(src.Normalize.Mapper + 1),
		"ce_id": header(&got[0], "ce_id"),
	} {
		if h := header(c, name); h != want {
			t.Errorf("%s: got %q, want %q", name, h, want)
		}
	}
	if c.Time.Before(began) || !got[0].Time.Equal(raw.Time) {
		t.Errorf("the copy is of %s, the original of %s", c.Time, got[0].Time)
	}
}

// A request of a source that was renamed, and kept its id, finds it.
func TestSourcesOfThen(t *testing.T) {
	r := newRig(t, 1)
	src := newSource(dedupe.Drop)
	r.accept(src, "", delivered("a", "one"))
	renamed := *src
	renamed.Name, renamed.Normalize.Name = "new", "new"
	if _, failed := r.renormalize(r.options(&renamed)); len(failed) != 0 {
		t.Errorf("renamed: %+v", failed)
	}
	_, copies := r.typed()
	if len(copies) != 2 || !strings.Contains(copies[0], "source=new\n") {
		t.Errorf("renamed: got %v", copies)
	}
	other := *src
	other.Normalize.Provider = "cmcom"
	for want, list := range map[string][]*ingest.Source{"is not configured any more": nil, "belongs to cmcom now": {&other}} {
		_, failed := r.renormalize(r.options(list...))
		if len(failed) != 1 || !strings.Contains(failed[0].Error, want) || failed[0].Topic != r.topics.Raw || failed[0].Offset != 0 {
			t.Errorf("want %q, got %+v", want, failed)
		}
	}
}

// What becomes of items that are no event: before and now, before only, now only.
func TestDeadLettersAreCountedAndNotWritten(t *testing.T) {
	r := newRig(t, 1)
	src := newSource(dedupe.Drop)
	live := mappedBy(src, func(p *provider.Result) { // cannot read b yet
		if strings.Contains(string(p.Item), `"b"`) {
			p.Malformed = &provider.Malformed{Reason: provider.ReasonMissingType}
		}
	})
	r.accept(live, "", "["+delivered("a", "one")+","+delivered("b", "one")+","+delivered("c", "one")+",17]")
	before := len(r.read(r.topics.Deadletter))
	today := mappedBy(src, func(p *provider.Result) { // breaks c
		if strings.Contains(string(p.Item), `"c"`) {
			p.Malformed = &provider.Malformed{Reason: provider.ReasonMissingType, Detail: "no type"}
		}
	})
	run, failed := r.renormalize(r.options(today))
	if len(failed) != 1 || failed[0].Error != "item 2 would become a dead letter (missing_type, stage parse): no type" {
		t.Errorf("failures: %+v", failed)
	}
	var got renormalize.Totals
	if err := json.Unmarshal(run.Sink, &got); err != nil {
		t.Fatal(err)
	}
	if want := (renormalize.Totals{Requests: 1, Records: 4, Dead: 1, Rescued: 1, Broken: 1}); got != want {
		t.Errorf("totals: got %+v, want %+v", got, want)
	}
	if n := len(r.read(r.topics.Deadletter)); n != before || n != 2 {
		t.Errorf("%d dead letters, before %d", n, before)
	}
	d := r.diff(r.options(today), true)
	if d.DeadLetters != 1 || d.Rescued != 1 || d.Gone != 1 || d.New != 1 || d.Equal != 1 || d.Changed != 0 {
		t.Errorf("diff: %+v", d)
	}
	o := r.options(today)
	o.State = run.Sink
	if again, _ := r.renormalize(o); !strings.Contains(string(again.Sink), `"requests":2`) {
		t.Errorf("a run that is resumed counts on: %s", again.Sink)
	}
}

// An event that its topic does not take is a failure of its request alone.
func TestEventOverTheLimit(t *testing.T) {
	r := newRig(t, 1)
	src := newSource(dedupe.Drop)
	r.accept(src, "", "["+delivered("a", "one")+","+delivered("b", "one")+"]")
	r.accept(src, "", delivered("c", "one"))
	today := mappedBy(src, func(p *provider.Result) {
		if p.Event.ProviderEventID == "b" {
			p.Event.Reason = strings.Repeat("x", 60_000)
		}
	})
	r.pub.SetLimit(r.topics.Typed[event.Route{Direction: event.Outbound, Type: event.Delivered}], 50_000)
	r.pub.SetLimit(r.topics.All, 50_000)
	_, failed := r.renormalize(r.options(today))
	if len(failed) != 1 || failed[0].Offset != 0 || !strings.HasPrefix(failed[0].Error, "2 items: an event would become a dead letter (stage publish)") {
		t.Errorf("failures: %+v", failed)
	}
	if _, copies := r.typed(); len(copies) != 4 {
		t.Errorf("%d copies, want those of a and c in two topics", len(copies))
	}
}

// What is no raw record fails, and nothing else.
func TestOtherRecordsFail(t *testing.T) {
	r := newRig(t, 1)
	sink, err := renormalize.NewSink(r.options(newSource(dedupe.Drop)))
	if err != nil {
		t.Fatal(err)
	}
	failed, err := sink.Deliver(r.ctx, []broker.Message{
		{Topic: "x", Partition: 1, Offset: 7, Value: []byte("{}")},
		{Topic: "x", Offset: 8, Headers: []broker.Header{
			{Key: "source", Value: []byte("jet")},
			{Key: "provider", Value: []byte("jetemail")},
			{Key: "id", Value: []byte("i")},
			{Key: "received_at", Value: []byte("2026-01-01T00:00:00.000Z")},
			{Key: "left-out", Value: []byte("3-1")},
		}},
	})
	if err != nil || len(failed) != 2 || failed[0].Offset != 7 || failed[0].Partition != 1 || !strings.Contains(failed[1].Error, "left-out") {
		t.Errorf("got %+v, %v", failed, err)
	}
}

// The events of one message come in the order of their requests, on however many
// cores they are made.
func TestOrderOfAMessageIsKept(t *testing.T) {
	r := newRig(t, 3)
	src := newSource(dedupe.Drop)
	const messages, each = 7, 60
	for i := range each {
		var items []string
		for m := range messages {
			items = append(items, jetEvent(strconv.Itoa(m)+"-"+strconv.Itoa(i), "outbound.delivered", "m"+strconv.Itoa(m), "250"))
		}
		r.accept(src, "", "["+strings.Join(items, ",")+"]")
	}
	r.renormalize(r.options(src))
	last := map[string]int{}
	copies := 0
	for _, m := range r.inOrder(r.topics.Typed[event.Route{Direction: event.Outbound, Type: event.Delivered}]) {
		if !replay.Marked(m.Headers) {
			continue
		}
		e, err := event.Decode(m.Value)
		if err != nil {
			t.Fatal(err)
		}
		_, n, _ := strings.Cut(e.ProviderEventID, "-")
		if i, _ := strconv.Atoi(n); i != last[e.MessageID] {
			t.Fatalf("message %s: event %d where %d belongs", e.MessageID, i, last[e.MessageID])
		}
		last[e.MessageID]++
		copies++
	}
	if copies != messages*each {
		t.Errorf("%d copies, want %d", copies, messages*each)
	}
}

// inOrder returns a topic's records, each partition's in its order.
func (r *rig) inOrder(topic string) []broker.Message {
	r.Helper()
	list := r.read(topic)
	slices.SortFunc(list, func(a, b broker.Message) int { return int(a.Offset - b.Offset) })
	return list
}
