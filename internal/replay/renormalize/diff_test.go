package renormalize_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/replay/renormalize"
	"github.com/postrider/postrider/internal/selection"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

func bounced(id string) string {
	return jetEvent(id, "outbound.bounced", "m-"+id, "550 5.1.1 no such person@example.com")
}

// hardened calls soft bounces hard, reads replies with other words, and calls one
// delivery a deferral.
func hardened(p *provider.Result) {
	e := &p.Event
	if e.Bounce != nil {
		b := *e.Bounce
		b.Class = event.Hard
		e.Bounce = &b
	}
	switch e.ProviderEventID {
	case "d2":
		e.Type, e.Family = event.Deferred, event.FamilyDelivery
	case "d3":
		e.Metadata = map[string]string{"note": "secret", "odd name@example.com": "secret"}
		e.Reason = "secret"
	case "d4":
		p.Malformed = &provider.Malformed{Reason: provider.ReasonMissingType}
	}
}

// constructed is requests of which hardened changes a known part.
func (r *rig) constructed() (src, today *ingest.Source) {
	src = newSource(dedupe.Drop)
	live := mappedBy(src, func(p *provider.Result) {
		if p.Event.ProviderEventID == "d5" {
			p.Malformed = &provider.Malformed{Reason: provider.ReasonMissingType}
		}
	})
	r.accept(live, "", "["+bounced("b1")+","+delivered("d1", "one")+","+bounced("b2")+",17]")
	r.accept(live, "", "["+delivered("d2", "one")+","+delivered("d3", "one")+","+delivered("d1", "one")+"]")
	r.accept(live, "", "["+delivered("d4", "one")+","+delivered("d5", "one")+","+delivered("d1", "other")+"]")
	return src, mappedBy(src, hardened)
}

// idOf is the id of a JetEmail event of the source.
func idOf(native, typ string) string { return normalize.EventID("jetemail", "jet", native, typ) }

func TestDiffSaysWhatChanges(t *testing.T) {
	r := newRig(t, 3)
	_, today := r.constructed()
	const d, b = "outbound.delivered", "outbound.bounced"
	old, now := r.topics.Typed[event.Route{Direction: event.Outbound, Type: event.Delivered}], r.topics.Typed[event.Route{Direction: event.Outbound, Type: event.Deferred}]
	want := replay.Diff{
		Exact: true, Requests: 3, Events: 7, Equal: 2, Changed: 4, New: 1, Gone: 1, DeadLetters: 1, Rescued: 1,
		Types: []replay.TypeDiff{
			{Type: "bounced", Changed: 2, Fields: []replay.FieldDiff{
				{Field: "bounce.class", Count: 2, ID: idOf("b1", b), Old: `"soft"`, New: `"hard"`},
			}},
			{Type: "delivered", Changed: 2, New: 1, Gone: 1, Fields: []replay.FieldDiff{
				{Field: "(topic)", Count: 1, ID: idOf("d2", d), Old: fmt.Sprintf("%q", old), New: fmt.Sprintf("%q", now)},
				{Field: "metadata.*", Count: 1, ID: idOf("d3", d)},
				{Field: "metadata.bounce_type", Count: 1, ID: idOf("d3", d)},
				{Field: "metadata.note", Count: 1, ID: idOf("d3", d)},
				{Field: "reason", Count: 1, ID: idOf("d3", d)},
				{Field: "type", Count: 1, ID: idOf("d2", d), Old: `"delivered"`, New: `"deferred"`},
			}},
		},
	}
	for _, exact := range []bool{true, false} {
		got := r.diff(r.options(today), exact)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("exact %v (-want +got):\n%s", exact, diff)
		}
	}
	if originals, copies := r.typed(); len(copies) != 0 || len(originals) != 14 {
		t.Errorf("%d originals and %d copies: a diff publishes nothing", len(originals), len(copies))
	}
}

// After a renormalization nothing is left to change but what it could not.
func TestDiffAfterARunIsEmpty(t *testing.T) {
	r := newRig(t, 3)
	src, today := r.constructed()
	o := r.options(today)
	run, _ := r.renormalize(o)
	o.Runs = func(context.Context) ([]replay.Run, error) { return []replay.Run{{}, run}, nil }
	if got := r.diff(o, true); got.Equal != 7 || got.Changed+got.New != 0 || got.Gone != 1 {
		t.Errorf("after the run: %+v", got)
	}
	o.Sources = []*ingest.Source{src}
	if got := r.diff(o, true); got.Changed != 4 || got.Equal != 4 || got.New+got.Gone != 0 {
		t.Errorf("back to the old mapping, of which d4 is published still and d5 by the run: %+v", got)
	}
	o.Runs = func(context.Context) ([]replay.Run, error) { return nil, errors.New("no journal") }
	if _, err := renormalize.Diff(r.ctx, o, r.plan(), true); err == nil || !strings.Contains(err.Error(), "no journal") {
		t.Errorf("got %v", err)
	}
}

func TestSampleIsTheFirstRequests(t *testing.T) {
	r := newRig(t, 3)
	src := newSource(dedupe.Drop)
	for i := range 20 {
		r.accept(src, "", bounced(fmt.Sprintf("b%d", i)))
	}
	o := r.options(mappedBy(src, hardened))
	o.Sample = 5
	if got := r.diff(o, false); got.Exact || got.Requests != 5 || got.Changed != 5 || got.Gone+got.New != 0 || got.Types[0].Fields[0].ID != idOf("b0", "outbound.bounced") {
		t.Errorf("a sample: %+v", got)
	}
	if got := r.diff(o, true); !got.Exact || got.Changed != 20 {
		t.Errorf("exact: %+v", got)
	}
	p := r.plan()
	p.Request.Select.All, p.Request.Select.Limit, p.Request.Select.Sources = false, 3, []string{"jet"}
	if got, err := renormalize.Diff(r.ctx, o, p, true); err != nil || got.Requests != 3 || got.Changed != 3 {
		t.Errorf("limited: %+v, %v", got, err)
	}
}

// An event that its spool drained late, far behind events of later requests, is
// found, and so is one whose request is late.
func TestWhatIsLateIsFound(t *testing.T) {
	r := newRig(t, 1)
	src := newSource(dedupe.Drop)
	bounces := event.Route{Direction: event.Outbound, Type: event.Bounced}
	for _, id := range []string{"b1", "b2", "b3"} {
		r.accept(src, "", bounced(id))
	}
	raw, typed := r.read(r.topics.Raw), r.read(r.topics.Typed[bounces])
	r.makeTopics("late."+r.topics.Raw, 1)
	r.put(r.topics.Raw, raw[0], raw[2], raw[1])
	r.put(r.topics.Typed[bounces], typed[1], typed[2], typed[0])
	got := r.diff(r.options(mappedBy(src, hardened)), true)
	if got.Changed != 3 || got.New+got.Gone+got.NotCompared != 0 {
		t.Errorf("got %+v", got)
	}
}

// A request that stands far behind later ones, beyond what is looked at together,
// finds its events, which were passed before it came.
func TestLateRequestFindsItsEvents(t *testing.T) {
	r := newRig(t, 1)
	src := newSource(dedupe.Drop)
	for i := range 10 {
		r.accept(src, "", delivered(fmt.Sprintf("d%d", i), strings.Repeat("x", 18<<10)))
	}
	raw := r.read(r.topics.Raw)
	plan := r.plan()
	plan.Ranges[0].From = 10
	r.put(r.topics.Raw, append(slices.Delete(slices.Clone(raw), 1, 2), raw[1])...)
	plan.Ranges[0].To = 20
	o := r.options(src)
	o.Held = 200 << 10
	got, err := renormalize.Diff(r.ctx, o, plan, true)
	if want := (&replay.Diff{Exact: true, Requests: 10, Events: 10, Equal: 10}); err != nil || !cmp.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// put publishes records as they are, one after the other.
func (r *rig) put(topic string, list ...broker.Message) {
	r.Helper()
	for _, m := range list {
		if err := r.pub.Publish(r.ctx, []broker.Record{{Topic: topic, Key: m.Key, Value: m.Value, Headers: m.Headers, Time: m.Time}}); err != nil {
			r.Fatal(err)
		}
	}
}

// What was published with the time of then long after, as dead letters are that were
// redriven, is found by the exact report, and only by it.
func TestWhatWasRedrivenIsFound(t *testing.T) {
	r := newRig(t, 1)
	src := newSource(dedupe.Drop)
	r.accept(mappedBy(src, func(p *provider.Result) {
		p.Malformed = &provider.Malformed{Reason: provider.ReasonMissingType}
	}), "", delivered("a", "one"))
	raw, plan := r.read(r.topics.Raw)[0], r.plan()
	r.now = r.now.Add(2 * time.Hour)
	r.accept(src, "", delivered("b", "one"))
	p := ingest.NewPipeline(ingest.PipelineOptions{
		Publisher: &typedOnly{r}, Topics: r.topics, Key: "message", Outcomes: unwatched{}, Log: zap.NewNop(), Now: time.Now,
	})
	v := webhook.AssumeProvenForReplayAndTests(webhook.Request{Method: http.MethodPost, Body: raw.Value, ReceivedAt: raw.Time})
	if _, err := p.Accept(r.ctx, src, v, header(&raw, "id")); err != nil {
		t.Fatal(err)
	}
	for exact, want := range map[bool]replay.Diff{
		true:  {Exact: true, Requests: 1, Events: 1, Rescued: 1, Equal: 1},
		false: {Exact: true, Requests: 1, Events: 1, Rescued: 1, New: 1, Types: []replay.TypeDiff{{Type: "delivered", New: 1}}},
	} {
		got, err := renormalize.Diff(r.ctx, r.options(src), plan, exact)
		if diff := cmp.Diff(&want, got); diff != "" || err != nil {
			t.Errorf("exact %v: %v (-want +got):\n%s", exact, err, diff)
		}
	}
}

// typedOnly publishes without the raw copy.
type typedOnly struct{ r *rig }

func (p *typedOnly) Deliver(ctx context.Context, recs []broker.Record, _ broker.Durability) ([]bool, error) {
	return nil, p.r.pub.Publish(ctx, slices.DeleteFunc(recs, func(r broker.Record) bool { return r.Topic == p.r.topics.Raw }))
}

func (p *typedOnly) MaxRecordBytes(string) int { return 0 }

// With room for little the report is about what could be compared, and says of the
// rest that it was not.
func TestDiffInLittleMemory(t *testing.T) {
	r := newRig(t, 2)
	src := newSource(dedupe.Drop)
	for i := range 60 {
		r.accept(src, "", "["+bounced(fmt.Sprintf("b%d", i))+","+delivered(fmt.Sprintf("e%d", i), "one")+"]")
	}
	o := r.options(mappedBy(src, func(p *provider.Result) {
		hardened(p)
		p.NativeID += "!" // all are new, and all that is published is gone
	}))
	o.Held = 16 << 10
	got := r.diff(o, true)
	if got.Events != 120 || got.New+got.NotCompared != 120 || got.NotCompared < 60 || got.Gone == 0 {
		t.Errorf("got %+v", got)
	}
	o.Sources = []*ingest.Source{mappedBy(src, hardened)}
	if got := r.diff(o, true); got.Changed != 60 || got.Equal != 60 {
		t.Errorf("nothing has to wait long here: %+v", got)
	}
}

func TestDiffOfNothing(t *testing.T) {
	r := newRig(t, 1)
	want := replay.Diff{Exact: true}
	if got := r.diff(r.options(newSource(dedupe.Drop)), false); !cmp.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	p := r.plan()
	p.Request.Select = selection.Selection{Where: "type ==", Topics: []string{r.topics.Raw}}
	if _, err := renormalize.Diff(r.ctx, r.options(), p, false); err == nil {
		t.Error("a selection that is wrong")
	}
	r.accept(newSource(dedupe.Drop), "", delivered("a", "one"))
	if got := r.diff(r.options(), false); got.Failed != 1 || got.Requests != 1 {
		t.Errorf("without its source: %+v", got)
	}
}
