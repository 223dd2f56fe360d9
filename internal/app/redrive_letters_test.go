package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/deadletter"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// forgiving is a mapping that was corrected: an item without a type is a delivery.
type forgiving struct{ provider.Parser }

func (p forgiving) Parse(v webhook.Verified) []provider.Result {
	results := p.Parser.Parse(v)
	for i, r := range results {
		if r.Malformed == nil || r.Malformed.Reason != provider.ReasonMissingType {
			continue
		}
		typed := append([]byte(`{"type":"outbound.delivered",`), bytes.TrimPrefix(r.Item, []byte("{"))...)
		again := p.Parser.Parse(webhook.AssumeProvenForReplayAndTests(webhook.Request{Body: typed}))[0]
		again.Index, again.Item = r.Index, r.Item
		results[i] = again
	}
	return results
}

// typeless is an event that today's mapping refuses for want of a type.
func typeless(id string) string {
	return strings.Replace(jetEvent(id), `"type":"outbound.delivered",`, "", 1)
}

// redrives makes runs of redrive against an App, each like a process of its own.
type redrives struct {
	*running
	t      *testing.T
	client *broker.Client
	parser func(provider.Parser) provider.Parser
}

func newRedrives(t *testing.T, r *running) *redrives {
	t.Helper()
	client, err := app.Dial(r.cfg, r.Info().Brokers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &redrives{running: r, t: t, client: client, parser: func(p provider.Parser) provider.Parser { return p }}
}

// correct corrects the mapping from now on.
func (r *redrives) correct() {
	r.parser = func(p provider.Parser) provider.Parser { return forgiving{p} }
}

// redriver is connected; it is closed at the end of the test at the latest.
func (r *redrives) redriver() *app.Redriver {
	r.t.Helper()
	compiled, err := app.CompileSources(r.cfg, r.cfg.Sources)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range compiled {
		c.Ingest.Normalize.Parser = r.parser(c.Ingest.Normalize.Parser)
	}
	d := app.NewRedriver(r.cfg, compiled, time.Now)
	if err := d.Connect(r.t.Context(), r.client, zap.NewNop()); err != nil {
		r.t.Fatal(err)
	}
	return d
}

func (r *redrives) journal() *deadletter.Journal {
	r.t.Helper()
	topics := r.cfg.Kafka.Topics
	j, err := deadletter.OpenJournal(r.t.Context(), r.client, topics.Replays(), topics.Deadletter(), time.Now)
	if err != nil {
		r.t.Fatal(err)
	}
	return j
}

// run is one run, and in short what came of it: would publish or published, known,
// resolved, failing.
func (r *redrives) run(f deadletter.Filter, execute bool) (*app.LetterReport, string) {
	r.t.Helper()
	d := r.redriver()
	x := &app.LetterRun{
		Redriver: d, Reader: r.client, Journal: r.journal(), Filter: f, Execute: execute,
		Owner: deadletter.Owner{ID: rand.Text(), By: "test"},
	}
	report, err := x.Run(r.t.Context())
	if err := errors.Join(err, d.Close(context.Background())); err != nil {
		r.t.Fatal(err)
	}
	g := &report.Total
	return report, fmt.Sprintf("%d letters, %d published as %d events, %d known, %d resolved, failing %v",
		g.Letters, g.Publishable, g.Events, g.Known, g.Resolved, g.Failing)
}

// reopen takes every mark away.
func (r *redrives) reopen() {
	r.t.Helper()
	j, p := r.journal(), app.NewMarker(r.cfg, r.client, zap.NewNop(), time.Now)
	scan := deadletter.Scan{Reader: r.client, Topic: r.cfg.Kafka.Topics.Deadletter()}
	err := scan.Each(r.t.Context(), func(l *deadletter.Letter) error { j.Reopen(l); return nil })
	if err := errors.Join(err, j.Flush(r.t.Context(), p), p.Close(r.t.Context())); err != nil {
		r.t.Fatal(err)
	}
}

// ends are how many records each topic ever had, those of the marks aside.
func (r *redrives) ends() map[string]int64 {
	r.t.Helper()
	ends := make(map[string]int64)
	for _, spec := range app.EveryTopic(r.cfg, true) {
		if spec.Name == r.cfg.Kafka.Topics.Replays() {
			continue
		}
		ranges, err := r.client.Offsets(r.t.Context(), spec.Name)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, log := range ranges {
			ends[spec.Name] += log.Next
		}
	}
	return ends
}

// written waits until what the receiver has learnt is in its topic, and says what
// has been written since before.
func (r *redrives) written(before map[string]int64) map[string]int64 {
	r.t.Helper()
	diff := make(map[string]int64)
	for topic, n := range r.ends() {
		if n != before[topic] {
			diff[topic] = n - before[topic]
		}
	}
	return diff
}

// records reads a topic.
func (r *redrives) records(topic string) (list []broker.Message) {
	r.t.Helper()
	ranges, err := r.client.Offsets(r.t.Context(), topic)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range slices.Sorted(maps.Keys(ranges)) {
		if err := r.client.Read(r.t.Context(), topic, p, ranges[p].First, ranges[p].Next, func(m broker.Message) error {
			list = append(list, m)
			return nil
		}); err != nil {
			r.t.Fatal(err)
		}
	}
	return list
}

// settled waits until the receiver has written the ids of so many requests.
func (r *redrives) settled() {
	r.t.Helper()
	until(r.t, "the ids of accepted events are written", func() bool {
		_, body := r.get("/metrics")
		return strings.Contains(body, "postrider_dedupe_pending_ids 0")
	})
}

func headerOf(m *broker.Message, key string) string {
	for _, h := range m.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// A mapping refuses an item of a batch; once it is corrected, redriving publishes
// the event under the id that it would have had, and doing it again changes nothing.
func TestRedrivingADeadLetterTwiceChangesNothing(t *testing.T) {
	r := newRedrives(t, run(t, settings(t, "")))
	batch := "[" + jetEvent("evt_1") + ", " + typeless("evt_2") + "," + jetEvent("evt_3") + ", 7]"
	if status := r.post(batch); status != http.StatusOK {
		t.Fatalf("got %d", status)
	}
	r.settled()
	start := r.ends()

	// The mapping is as it was: nothing to publish, and nothing is written.
	if _, got := r.run(deadletter.Filter{}, true); got != "2 letters, 0 published as 0 events, 0 known, 0 resolved, failing map[missing_type:1 not_an_object:1]" {
		t.Errorf("by the same mapping: %s", got)
	}
	if d := r.written(start); len(d) > 0 {
		t.Errorf("by the same mapping, written: %v", d)
	}

	r.correct()
	if _, got := r.run(deadletter.Filter{}, false); got != "2 letters, 1 published as 1 events, 0 known, 0 resolved, failing map[not_an_object:1]" {
		t.Errorf("the plan: %s", got)
	}
	if d := r.written(start); len(d) > 0 {
		t.Errorf("by the plan, written: %v", d)
	}

	report, got := r.run(deadletter.Filter{}, true)
	if got != "2 letters, 1 published as 1 events, 0 known, 0 resolved, failing map[not_an_object:1]" {
		t.Errorf("the run: %s", got)
	}
	if len(report.Failures) != 1 || report.Failures[0].Reason != "not_an_object" || !strings.HasPrefix(report.Failures[0].Place, "email.deadletter/") {
		t.Errorf("failures: %+v", report.Failures)
	}
	if d := cmp.Diff(map[string]int64{"email.delivered": 1, "email.seen": 1}, r.written(start)); d != "" {
		t.Errorf("by the run, written (-want +got):\n%s", d)
	}
	r.holdsTheEvent(batch)

	// Again: the mark says that it is done; without the mark, the ids do.
	start = r.ends()
	if _, got := r.run(deadletter.Filter{}, true); got != "2 letters, 0 published as 0 events, 0 known, 1 resolved, failing map[not_an_object:1]" {
		t.Errorf("a second run: %s", got)
	}
	r.reopen()
	if _, got := r.run(deadletter.Filter{}, true); got != "2 letters, 0 published as 0 events, 1 known, 0 resolved, failing map[not_an_object:1]" {
		t.Errorf("a third run, without marks: %s", got)
	}
	if d := r.written(start); len(d) > 0 {
		t.Errorf("by the later runs, written: %v", d)
	}

	// The provider sends it again: receivers know it, too.
	if _, got := r.run(deadletter.Filter{}, true); got != "2 letters, 0 published as 0 events, 0 known, 1 resolved, failing map[not_an_object:1]" {
		t.Errorf("the mark of what was published before: %s", got)
	}
}

// holdsTheEvent compares the redriven event with what its batch would have given.
func (r *redrives) holdsTheEvent(batch string) {
	r.t.Helper()
	raw := r.records("email.raw")[0]
	letters := r.records("email.deadletter")
	var letter broker.Message
	for _, m := range letters {
		if headerOf(&m, "reason") == "missing_type" {
			letter = m
		}
	}
	compiled, err := app.CompileSources(r.cfg, r.cfg.Sources)
	if err != nil {
		r.t.Fatal(err)
	}
	src := compiled[0].Ingest.Normalize
	src.Parser = r.parser(src.Parser)
	out, err := normalize.Normalize(r.t.Context(), &src, webhook.AssumeProvenForReplayAndTests(webhook.Request{
		Body: []byte(batch), ReceivedAt: raw.Time,
	}), headerOf(&raw, "id"))
	if err != nil {
		r.t.Fatal(err)
	}
	want := &out.Events[1].Event
	for _, m := range r.records("email.delivered") {
		if headerOf(&m, "ce_id") != want.ID {
			continue
		}
		if d := cmp.Diff(string(want.AppendJSON(nil)), string(m.Value)); d != "" {
			r.t.Errorf("event (-want +got):\n%s", d)
		}
		headers := append(want.AppendHeaders(nil, event.Stamp{Mapper: src.Mapper}),
			event.Header{Key: "redrive-of", Value: fmt.Appendf(nil, "email.deadletter/%d/%d", letter.Partition, letter.Offset)})
		if d := cmp.Diff(headers, m.Headers); d != "" || string(m.Key) != want.Key() || !m.Time.Equal(raw.Time) {
			r.t.Errorf("key %s, time %v, headers (-want +got):\n%s", m.Key, m.Time, d)
		}
		return
	}
	r.t.Errorf("no event has the id %s", want.ID)
}

// deadLetter puts a dead letter into its topic, as the receiver or the spool does.
func (r *redrives) deadLetter(rec normalize.Record, at time.Time) {
	r.t.Helper()
	p := app.NewMarker(r.cfg, r.client, zap.NewNop(), time.Now)
	err := p.Publish(r.t.Context(), []broker.Record{{
		Topic: "email.deadletter", Key: []byte(rec.Key), Value: rec.Value, Headers: rec.Headers, Time: at,
	}})
	if err := errors.Join(err, p.Close(r.t.Context())); err != nil {
		r.t.Fatal(err)
	}
}

// What the broker has refused is known by its id, although no topic has it: it has
// to be published all the same, and once.
func TestRedrivingWhatTheBrokerRefused(t *testing.T) {
	r := newRedrives(t, run(t, settings(t, "")))
	for _, id := range []string{"evt_1", "evt_2"} {
		if status := r.post(jetEvent(id)); status != http.StatusOK {
			t.Fatalf("got %d", status)
		}
	}
	r.settled()
	published := r.records("email.delivered")
	slices.SortFunc(published, func(a, b broker.Message) int { return a.Time.Compare(b.Time) })

	// One is refused after its request was answered: the letter holds the event.
	late, err := normalize.RefusedEvent(published[0].Value, published[0].Headers, "too_large", "over the limit")
	if err != nil {
		t.Fatal(err)
	}
	r.deadLetter(late, published[0].Time)
	// The other one at once: the letter holds the item.
	e, err := event.Decode(published[1].Value)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := app.CompileSources(r.cfg, r.cfg.Sources)
	if err != nil {
		t.Fatal(err)
	}
	v := webhook.AssumeProvenForReplayAndTests(webhook.Request{Body: []byte(jetEvent("evt_2")), ReceivedAt: published[1].Time})
	letter := normalize.DeadLetter{Reason: "refused_by_broker", Stage: normalize.StagePublish, Index: 0, Item: []byte(jetEvent("evt_2"))}
	r.deadLetter(normalize.NewEncoder(&compiled[0].Ingest.Normalize, v, e.RawID).Record(&letter), published[1].Time)
	// And one more of it lost its item, which only the raw topic has.
	letter.Item, letter.Reason = nil, "too_large"
	lost := normalize.NewEncoder(&compiled[0].Ingest.Normalize, v, e.RawID).Record(&letter)
	start := r.ends()

	if _, got := r.run(deadletter.Filter{}, true); got != "2 letters, 2 published as 2 events, 0 known, 0 resolved, failing map[]" {
		t.Errorf("the run: %s", got)
	}
	if d := cmp.Diff(map[string]int64{"email.delivered": 2, "email.seen": 1}, r.written(start)); d != "" {
		t.Errorf("written (-want +got):\n%s", d)
	}
	byID := make(map[string][]string)
	for _, m := range r.records("email.delivered") {
		byID[headerOf(&m, "ce_id")] = append(byID[headerOf(&m, "ce_id")], string(m.Key)+string(m.Value)+headerOf(&m, "mapper-version"))
	}
	for id, list := range byID {
		if len(byID) != 2 || len(list) != 2 || list[0] != list[1] {
			t.Errorf("%s: %d records, of %d ids; want two alike of each\n%s", id, len(list), len(byID), strings.Join(list, "\n"))
		}
	}
	r.reopen()
	r.deadLetter(lost, published[1].Time)
	start = r.ends()
	if _, got := r.run(deadletter.Filter{}, true); got != "3 letters, 0 published as 0 events, 3 known, 0 resolved, failing map[]" {
		t.Errorf("the second run: %s", got)
	}
	if d := r.written(start); len(d) > 0 {
		t.Errorf("by the second run, written: %v", d)
	}
}

// Of two events with one id and other content the second has an id of its own, also
// when the broker has refused it.
func TestRedrivingARefusedConflict(t *testing.T) {
	r := newRedrives(t, run(t, settings(t, "")))
	other := strings.Replace(jetEvent("evt_1"), "250 2.0.0 OK", "250 2.0.0 queued", 1)
	for _, body := range []string{jetEvent("evt_1"), other} {
		if status := r.post(body); status != http.StatusOK {
			t.Fatalf("got %d", status)
		}
	}
	r.settled()
	compiled, err := app.CompileSources(r.cfg, r.cfg.Sources)
	if err != nil {
		t.Fatal(err)
	}
	at := r.records("email.delivered")[0].Time
	v := webhook.AssumeProvenForReplayAndTests(webhook.Request{Body: []byte(other), ReceivedAt: at})
	letter := normalize.DeadLetter{Reason: "too_large", Stage: normalize.StagePublish, Index: 0, Item: []byte(other)}
	r.deadLetter(normalize.NewEncoder(&compiled[0].Ingest.Normalize, v, "").WithoutRaw().Record(&letter), at)
	if _, got := r.run(deadletter.Filter{}, true); got != "1 letters, 1 published as 1 events, 0 known, 0 resolved, failing map[]" {
		t.Errorf("the run: %s", got)
	}
	var ids []string
	for _, m := range r.records("email.delivered") {
		if strings.Contains(string(m.Value), "queued") {
			ids = append(ids, headerOf(&m, "ce_id")+" conflict "+headerOf(&m, "conflict"))
		}
	}
	if len(ids) != 2 || ids[0] != ids[1] || !strings.HasSuffix(ids[0], "conflict true") {
		t.Errorf("the second event is there as %v, want twice under one id with the header conflict", ids)
	}
}

// swelling is a mapping whose events are over the limit of their topic.
type swelling struct{ provider.Parser }

func (p swelling) Parse(v webhook.Verified) []provider.Result {
	results := p.Parser.Parse(v)
	for i := range results {
		results[i].Event.Metadata = make(map[string]string)
		for n := range 2000 {
			results[i].Event.Metadata[fmt.Sprintf("name %d", n)] = strings.Repeat("x", 1000)
		}
	}
	return results
}

// What the broker refuses is not taken for published, and a body of which only some
// items are events by now stays a dead letter.
func TestRedrivingOnlyAPart(t *testing.T) {
	r := newRedrives(t, run(t, settings(t, "")))
	compiled, err := app.CompileSources(r.cfg, r.cfg.Sources)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	body := []byte("[" + jetEvent("evt_1") + ",7]")
	v := webhook.AssumeProvenForReplayAndTests(webhook.Request{Body: body, ReceivedAt: at})
	letter := normalize.DeadLetter{Reason: "parser_panic", Stage: normalize.StageNormalize, Index: -1, Item: body}
	r.deadLetter(normalize.NewEncoder(&compiled[0].Ingest.Normalize, v, "").WithoutRaw().Record(&letter), at)

	mapping := r.parser
	r.parser = func(p provider.Parser) provider.Parser { return swelling{p} }
	start := r.ends()
	for range 2 {
		if report, got := r.run(deadletter.Filter{}, true); !strings.HasPrefix(got, "1 letters, 0 published as 0 events, 0 known, 0 resolved") {
			t.Errorf("too large: %s, %+v", got, report.Failures)
		}
		if d := r.written(start); len(d) > 0 {
			t.Errorf("too large: written: %v", d)
		}
	}
	r.parser = mapping
	if _, got := r.run(deadletter.Filter{}, true); got != "1 letters, 0 published as 1 events, 0 known, 0 resolved, failing map[not_an_object:1]" {
		t.Errorf("the run: %s", got)
	}
	if d := cmp.Diff(map[string]int64{"email.delivered": 1, "email.seen": 1}, r.written(start)); d != "" {
		t.Errorf("written (-want +got):\n%s", d)
	}
	start = r.ends()
	if _, got := r.run(deadletter.Filter{}, true); got != "1 letters, 0 published as 0 events, 0 known, 0 resolved, failing map[not_an_object:1]" {
		t.Errorf("the second run: %s", got)
	}
	if d := r.written(start); len(d) > 0 {
		t.Errorf("by the second run, written: %v", d)
	}
}

// What a letter does not hold itself comes from the raw record; what is not there
// either is said.
func TestLettersThatCannotBeTried(t *testing.T) {
	r := newRedrives(t, run(t, settings(t, "")))
	r.correct()
	if status := r.post("[1," + typeless("evt_1") + "]"); status != http.StatusOK {
		t.Fatalf("got %d", status)
	}
	r.settled()
	raw := r.records("email.raw")[0]
	put := func(change func(doc map[string]any)) {
		t.Helper()
		for _, m := range r.records("email.deadletter") {
			if headerOf(&m, "reason") != "missing_type" {
				continue
			}
			var doc map[string]any
			if err := json.Unmarshal(m.Value, &doc); err != nil {
				t.Fatal(err)
			}
			change(doc)
			value, _ := json.Marshal(doc)
			headers := slices.Clone(m.Headers)
			headers[3] = event.Header{Key: "reason", Value: []byte("changed")}
			r.deadLetter(normalize.Record{Key: string(m.Key), Headers: headers, Value: value}, raw.Time)
			return
		}
	}
	put(func(doc map[string]any) { doc["body"] = ""; delete(doc, "headers"); delete(doc, "query") })
	put(func(doc map[string]any) { doc["source"] = "elsewhere" })
	put(func(doc map[string]any) { doc["body"] = ""; delete(doc, "raw_id") })
	put(func(doc map[string]any) { delete(doc, "stage") })
	report, got := r.run(deadletter.Filter{Reasons: []string{"changed"}}, true)
	want := "4 letters, 1 published as 1 events, 0 known, 0 resolved, failing map[raw_gone:1 unknown_source:1 unreadable:1]"
	if got != want || len(report.Failures) != 3 {
		t.Errorf("got %s, %d failures; want %s", got, len(report.Failures), want)
	}
	if n := len(r.records("email.delivered")); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// Two redrives do not run at once, a plan does not mind.
func TestOneRedriveAtATime(t *testing.T) {
	r := newRedrives(t, run(t, settings(t, "")))
	if status := r.post(typeless("evt_1")); status != http.StatusOK {
		t.Fatalf("got %d", status)
	}
	r.correct()
	other, p := r.journal(), app.NewMarker(r.cfg, r.client, zap.NewNop(), time.Now)
	if err := other.Lock(t.Context(), p, deadletter.Owner{ID: "other", By: "somebody", Host: "elsewhere", PID: 4711}); err != nil {
		t.Fatal(err)
	}
	if _, got := r.run(deadletter.Filter{}, false); got != "1 letters, 1 published as 1 events, 0 known, 0 resolved, failing map[]" {
		t.Errorf("the plan: %s", got)
	}
	d := r.redriver()
	x := &app.LetterRun{Redriver: d, Reader: r.client, Journal: r.journal(), Execute: true, Owner: deadletter.Owner{ID: "mine"}}
	_, err := x.Run(t.Context())
	var locked *deadletter.LockedError
	if !errors.As(err, &locked) || !strings.Contains(err.Error(), "process 4711 of somebody on elsewhere") {
		t.Errorf("got %v, want who has the lock", err)
	}
	if n := len(r.records("email.delivered")); n != 0 {
		t.Errorf("%d events, want none", n)
	}
	if err := errors.Join(other.Unlock(t.Context(), p), p.Close(t.Context()), d.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, got := r.run(deadletter.Filter{}, true); got != "1 letters, 1 published as 1 events, 0 known, 0 resolved, failing map[]" {
		t.Errorf("after it ended: %s", got)
	}
}

// A redrive that was held up, so that another may have begun, publishes nothing any
// more: neither the letters that it has in hand when it finds out at the next one,
// nor those when there is no next one.
func TestARedriveThatLostItsLockPublishesNothing(t *testing.T) {
	r := newRedrives(t, run(t, settings(t, "")))
	for _, body := range []string{typeless("evt_1"), "[7]"} {
		if status := r.post(body); status != http.StatusOK {
			t.Fatalf("got %d", status)
		}
	}
	r.correct()
	for name, f := range map[string]deadletter.Filter{"before the next": {}, "before the end": {Reasons: []string{"missing_type"}}} {
		var ahead time.Duration // of the clock, once the run was held up
		topics := r.cfg.Kafka.Topics
		j, err := deadletter.OpenJournal(t.Context(), r.client, topics.Replays(), topics.Deadletter(), func() time.Time { return time.Now().Add(ahead) })
		if err != nil {
			t.Fatal(err)
		}
		d := r.redriver()
		x := &app.LetterRun{
			Redriver: d, Reader: r.client, Journal: j, Filter: f, Execute: true, Owner: deadletter.Owner{ID: rand.Text()},
			Looked: func(records, of int64) {
				if records == of {
					ahead = 2 * time.Minute
				}
			},
		}
		if _, err := x.Run(t.Context()); !errors.Is(err, deadletter.ErrLockLost) {
			t.Errorf("%s: got %v, want ErrLockLost", name, err)
		}
		if err := d.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(r.records("email.delivered")); n != 0 {
			t.Errorf("%s: %d events, want none", name, n)
		}
		r.unlock()
	}
}

// unlock takes the lock away from a run that left it behind.
func (r *redrives) unlock() {
	r.t.Helper()
	p := app.NewMarker(r.cfg, r.client, zap.NewNop(), time.Now)
	err := p.Publish(r.t.Context(), []broker.Record{{Topic: r.cfg.Kafka.Topics.Replays(), Key: []byte("resolved/lock"), Time: time.Now()}})
	if err := errors.Join(err, p.Close(r.t.Context())); err != nil {
		r.t.Fatal(err)
	}
}
