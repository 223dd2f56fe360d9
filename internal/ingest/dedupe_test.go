package ingest_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
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
		Window: dedupe.New(dedupe.Options{Window: time.Hour, MaxIDs: 1000, Now: time.Now}), Recycle: true,
	}
	if change != nil {
		change(&o)
	}
	l.p = ingest.NewPipeline(o)
	t.Cleanup(l.closed)
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

// closed checks the accounts when nothing is in progress.
func (l *line) closed() {
	l.t.Helper()
	l.balance(0)
	received, settled := gathered(l.t, l.m, "postrider_events_received_total"), gathered(l.t, l.m, "postrider_events_total")
	if left := gathered(l.t, l.m, "postrider_events_in_progress"); left != 0 || received != settled {
		l.t.Errorf("%v items received, %v settled, %v in progress", received, settled, left)
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
			var labels []string
			for _, l := range sample.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			match := f.GetName() == name
			for _, p := range pairs {
				match = match && slices.Contains(labels, p)
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

// An id is known only once its event is safe: the retry of a request that failed
// is published.
func TestFailedRequestIsForgotten(t *testing.T) {
	l := newLine(t, nil)
	l.pub.fail = func(broker.Record) error { return broker.ErrDeadline }
	if r, err := l.accept(jetEvent("a"), `{}`); err == nil || r != ingest.ResultUnpublished {
		t.Fatalf("got %q, %v; want it unpublished", r, err)
	}
	l.pub.fail = nil
	l.want(ingest.ResultPublished, jetEvent("a"), `{}`)
	l.want(ingest.ResultDuplicate, jetEvent("a"), `{}`)
	l.wantPublished("a")
	if got := gathered(t, l.m, "postrider_events_total", "result=unpublished"); got != 2 {
		t.Errorf("%v items unpublished, want 2", got)
	}
}

// twins sends the same request twice at once, lets the first end with err, and
// returns the second's result.
func twins(t *testing.T, err error) (l *line, second ingest.Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l = newLine(t, nil)
		l.pub.entered, l.pub.release = make(chan struct{}, 2), make(chan struct{})
		first := true
		l.pub.fail = func(broker.Record) error {
			if first {
				return err
			}
			return nil
		}
		results := [2]chan ingest.Result{make(chan ingest.Result, 1), make(chan ingest.Result, 1)}
		send := func(n int) {
			r, _ := l.accept(jetEvent("a"))
			results[n] <- r
		}
		go send(0)
		<-l.pub.entered
		go send(1)
		synctest.Wait()
		if len(l.pub.entered)+len(results[1]) != 0 {
			t.Errorf("the second of two like requests did not wait")
		}
		l.pub.release <- struct{}{}
		<-results[0]
		first = false
		close(l.pub.release)
		second = <-results[1]
	})
	l.t = t // the bubble's is over
	return l, second
}

func TestTwinOfAnAcceptedRequestIsARepeat(t *testing.T) {
	l, second := twins(t, nil)
	if second != ingest.ResultDuplicate {
		t.Errorf("the second is %q", second)
	}
	l.wantPublished("a")
}

func TestTwinOfAFailedRequestGoesOn(t *testing.T) {
	l, second := twins(t, broker.ErrDeadline)
	if second != ingest.ResultPublished {
		t.Errorf("the second is %q", second)
	}
	l.wantPublished("a")
}

// Whoever panics holds nothing any more, and is accounted for.
func TestPanicReleasesWhatItHeld(t *testing.T) {
	l := newLine(t, nil)
	l.pub.fail = func(broker.Record) error { panic("broken") }
	func() {
		defer func() { _ = recover() }()
		_, err := l.accept(jetEvent("a"))
		t.Errorf("no panic, but %v", err)
	}()
	l.balance(0)
	l.pub.fail = nil
	l.want(ingest.ResultPublished, jetEvent("a"))
}

func TestMarkPublishesRepeats(t *testing.T) {
	l := newLine(t, nil)
	l.src.Dedupe = dedupe.Mark
	l.want(ingest.ResultPublished, with("a", "one"), `{}`)
	l.want(ingest.ResultPublished, with("a", "two"), with("a", "one"), `{}`)
	l.want(ingest.ResultPublished, with("a", "two"))
	l.wantPublished("a a! a+ a!+")
	dead := l.pub.topic("deadletter")
	if got := []string{header(dead[0], "duplicate"), header(dead[1], "duplicate")}; len(dead) != 2 || got[0] != "" || got[1] != "" {
		t.Errorf("dead letters marked %q: the second stands in another place", got)
	}
	l.want(ingest.ResultPublished, with("a", "one"), `{}`)
	if dead := l.pub.topic("deadletter"); len(dead) != 3 || header(dead[2], "duplicate") != "true" {
		t.Errorf("%d dead letters, or the repeated one is not marked", len(dead))
	}
	if got := gathered(t, l.m, "postrider_events_marked_total"); got != 3 {
		t.Errorf("%v marked, want 3", got)
	}
}

// Two requests with a body that nobody can read are told apart by what of their
// query is kept; what is not kept makes no difference.
func TestUnreadableBodiesAreToldApartByTheQuery(t *testing.T) {
	l := newLine(t, nil)
	l.src.Normalize.QueryRecipient, l.src.Normalize.QueryMetadata = "rcpt", []string{"campaign"}
	for _, tt := range []struct {
		query string
		want  ingest.Result
	}{
		{"rcpt=a@example.com", ingest.ResultPublished},
		{"rcpt=b@example.com", ingest.ResultPublished},
		{"rcpt=b@example.com&campaign=spring", ingest.ResultPublished},
		{"rcpt=a@example.com&try=2", ingest.ResultDuplicate},
	} {
		query, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.acceptVerified(webhook.AssumeProvenForReplayAndTests(webhook.Request{
			Method: http.MethodPost, Header: http.Header{}, Body: []byte("not json"), Query: query, ReceivedAt: time.Now(),
		}), l.src)
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.query, got, err, tt.want)
		}
	}
	if got := len(l.pub.topic("deadletter")); got != 3 {
		t.Errorf("%d dead letters, want 3", got)
	}
}

func TestOffPublishesEverything(t *testing.T) {
	l := newLine(t, nil)
	l.src.Dedupe = dedupe.Off
	for range 2 {
		l.want(ingest.ResultPublished, with("a", "one"), with("a", "two"))
	}
	l.src.Dedupe = dedupe.Drop
	l.want(ingest.ResultPublished, with("a", "one"))
	l.wantPublished(strings.Repeat(" a", 5)[1:])
}

// What was sent again on purpose, later than the source's window, comes through.
func TestOldRepeatComesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, nil)
		l.src.DedupeWindow = time.Minute
		l.want(ingest.ResultPublished, jetEvent("a"))
		<-time.After(59 * time.Second)
		l.want(ingest.ResultDuplicate, jetEvent("a"))
		<-time.After(time.Second)
		l.want(ingest.ResultPublished, jetEvent("a"))
		l.want(ingest.ResultDuplicate, jetEvent("a"))
	})
}

// Of a request of which a part failed, only that part is published again, unless
// the request itself, or the event's copy, is not safe.
func TestRetryAfterAPartFailed(t *testing.T) {
	for name, tt := range map[string]struct {
		fails string // the topic whose records fail, "outbound.delivered" only for b
		want  string
	}{
		"an event":      {"outbound.delivered", "a b"},
		"the raw copy":  {"raw", "a b a b"},
		"the all topic": {"all", "a b a b"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, func(o *ingest.PipelineOptions) { o.Topics.All = "all" })
			l.pub.fail = func(r broker.Record) error {
				if r.Topic == tt.fails && (r.Topic != "outbound.delivered" || strings.Contains(string(r.Value), `"b"`)) {
					return broker.ErrDeadline
				}
				return nil
			}
			if _, err := l.accept(jetEvent("a"), jetEvent("b")); err == nil {
				t.Fatal("accepted")
			}
			l.pub.fail = nil
			l.want(ingest.ResultPublished, jetEvent("a"), jetEvent("b"))
			l.want(ingest.ResultDuplicate, jetEvent("a"), jetEvent("b"))
			l.wantPublished(tt.want)
		})
	}
}

// An event that the broker refuses is kept as a dead letter, once.
func TestRefusedEventIsARepeatToo(t *testing.T) {
	l := newLine(t, nil)
	l.pub.fail = func(r broker.Record) error {
		if r.Topic == "outbound.delivered" {
			return broker.ErrTooLarge
		}
		return nil
	}
	l.want(ingest.ResultPublished, jetEvent("a"))
	l.want(ingest.ResultDuplicate, jetEvent("a"))
	if n := len(l.pub.topic("deadletter")); n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
}

// The raw record says how many records its request became.
func TestRawRecordCountsTheItems(t *testing.T) {
	l := newLine(t, nil)
	l.want(ingest.ResultPublished, jetEvent("a"))
	l.want(ingest.ResultPublished, jetEvent("b"), `{}`, jetEvent("a"), `17`, `{"id":"x","type":"nobody-knows"}`)
	raw := l.pub.topic("raw")[1]
	if got := header(raw, "events") + " " + header(raw, "dead-letters") + " " + header(raw, "repeats"); got != "2 2 1" {
		t.Errorf("events, dead letters and repeats are %s, want 2 2 1", got)
	}
	if n := len(l.pub.topic("outbound.unknown")); n != 1 {
		t.Errorf("%d events of unknown type", n)
	}
}

// header is the value of a record's header.
func header(r broker.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
