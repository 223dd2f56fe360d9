package ingest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// line is a pipeline without a server before it.
type line struct {
	t   *testing.T
	pub *fakePublisher
	m   *metrics.Metrics
	src *ingest.Source
	p   *ingest.Pipeline
	n   int
}

// newLine makes a pipeline with a window of an hour.
func newLine(t *testing.T, change func(*ingest.PipelineOptions)) *line {
	t.Helper()
	l := &line{t: t, pub: &fakePublisher{}, m: metrics.New("test")}
	l.src = newSource(t, l.m, "jet", "jetemail")
	o := ingest.PipelineOptions{
		Publisher: l.pub, Topics: typedTopics(), Key: "message", Outcomes: &outcomes{}, Log: zap.NewNop(), Now: time.Now,
		Window: dedupe.New(dedupe.Options{Window: time.Hour, MaxIDs: 1000, Now: time.Now}),
	}
	if change != nil {
		change(&o)
	}
	l.p = ingest.NewPipeline(o)
	t.Cleanup(func() { l.balance(0) })
	return l
}

func typedTopics() ingest.Topics {
	topics := ingest.Topics{Typed: map[event.Route]string{}, Raw: "raw", Deadletter: "deadletter"}
	for _, route := range event.Routes() {
		topics.Typed[route] = string(route.Direction) + "." + string(route.Type)
	}
	return topics
}

// accept takes a batch of items through the pipeline.
func (l *line) accept(items ...string) (ingest.Result, error) {
	return l.acceptBody("["+strings.Join(items, ",")+"]", l.src)
}

func (l *line) acceptBody(body string, src *ingest.Source) (ingest.Result, error) {
	return l.acceptVerified(webhook.AssumeProvenForReplayAndTests(webhook.Request{
		Method: http.MethodPost, Header: http.Header{}, Body: []byte(body), ReceivedAt: time.Now(),
	}), src)
}

func (l *line) acceptVerified(v webhook.Verified, src *ingest.Source) (ingest.Result, error) {
	l.n++
	ctx, cancel := context.WithTimeout(l.t.Context(), 10*time.Second)
	defer cancel()
	return l.p.Accept(ctx, src, v, "raw-"+string(rune('a'+l.n%26)))
}

// want takes a batch through the pipeline and checks its result.
func (l *line) want(result ingest.Result, items ...string) {
	l.t.Helper()
	if got, err := l.accept(items...); err != nil || got != result {
		l.t.Errorf("got %q, %v; want %q", got, err, result)
	}
}

// balance checks the gauge of what is unaccounted for.
func (l *line) balance(want float64) {
	l.t.Helper()
	if got := gathered(l.t, l.m, "postrider_events_unaccounted"); got != want {
		l.t.Errorf("%v items unaccounted for, want %v", got, want)
	}
}

// gathered is the sum of a metric's samples whose labels hold all pairs.
func gathered(t *testing.T, m *metrics.Metrics, name string, pairs ...string) (sum float64) {
	t.Helper()
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, sample := range f.GetMetric() {
			labels := ""
			for _, l := range sample.GetLabel() {
				labels += l.GetName() + "=" + l.GetValue() + ","
			}
			match := f.GetName() == name
			for _, p := range pairs {
				match = match && strings.Contains(","+labels, ","+p+",")
			}
			if match {
				sum += sample.GetCounter().GetValue() + sample.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// with is a JetEmail event with this reply.
func with(id, reply string) string {
	return strings.Replace(jetEvent(id), "250 2.0.0 OK", reply, 1)
}

// published are the provider ids of the typed records, in order, with the marks
// of their headers: ! for a conflict, + for a duplicate.
func (l *line) published() string {
	l.t.Helper()
	var list []string
	for _, rec := range l.pub.topic("outbound.delivered") {
		e, err := event.Decode(rec.Value)
		if err != nil {
			l.t.Fatal(err)
		}
		name := e.ProviderEventID
		for _, h := range rec.Headers {
			switch h.Key {
			case "conflict":
				name += "!"
			case "duplicate":
				name += "+"
			case "ce_id":
				if string(h.Value) != e.ID {
					l.t.Errorf("the header says id %s, the event %s", h.Value, e.ID)
				}
			}
		}
		list = append(list, name)
	}
	return strings.Join(list, " ")
}

func (l *line) wantPublished(want string) {
	l.t.Helper()
	if got := l.published(); got != want {
		l.t.Errorf("published %q, want %q", got, want)
	}
}

func TestRepeatIsLeftOut(t *testing.T) {
	l := newLine(t, nil)
	l.want(ingest.ResultPublished, jetEvent("a"), jetEvent("b"))
	l.want(ingest.ResultDuplicate, jetEvent("b"))
	l.want(ingest.ResultPublished, jetEvent("b"), "  "+strings.ReplaceAll(jetEvent("a"), ":", " : "), jetEvent("c"))
	l.want(ingest.ResultDuplicate, jetEvent("b"), jetEvent("c"), jetEvent("c"))
	l.wantPublished("a b c")
	if n := len(l.pub.topic("raw")); n != 2 {
		t.Errorf("%d raw records, want 2: a request of which nothing is new leaves none", n)
	}
	if got := gathered(t, l.m, "postrider_events_total", "result=duplicate"); got != 6 {
		t.Errorf("%v duplicates counted, want 6", got)
	}
}

func TestOtherContentUnderAKnownIDIsPublishedOnce(t *testing.T) {
	l := newLine(t, nil)
	l.want(ingest.ResultPublished, with("a", "one"))
	l.want(ingest.ResultPublished, with("a", "two"), with("b", "one"), with("b", "two"))
	l.want(ingest.ResultDuplicate, with("a", "two"), with("a", "one"), with("b", "two"))
	l.wantPublished("a a! b b!")
	if got := gathered(t, l.m, "postrider_events_conflicting_total", "source=jet"); got != 2 {
		t.Errorf("%v conflicts counted, want 2", got)
	}
}
