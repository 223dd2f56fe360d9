package replay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// patience ends a test that hangs.
const patience = 2 * time.Minute

// engineRig is an engine on the embedded broker, or on those of POSTRIDER_TEST_BROKERS.
type engineRig struct {
	*testing.T
	*replay.Engine

	ctx     context.Context
	brokers []string
	client  *broker.Client
	pub     *broker.GroupCommitter
	prefix  string
	options replay.Options
}

func newEngineRig(t *testing.T, change ...func(*replay.Options)) *engineRig {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r := &engineRig{T: t, ctx: ctx, brokers: testBrokers(t), prefix: "t" + strings.ReplaceAll(uuid.NewString(), "-", "")[:10]}
	var err error
	if r.client, err = broker.Dial(broker.Options{Brokers: r.brokers, ClientID: "test"}); err != nil {
		t.Fatal(err)
	}
	r.pub = broker.NewPublisher(r.client, broker.PublisherOptions{Now: time.Now, Budget: 30 * time.Second})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.pub.Close(ctx); err != nil {
			t.Error(err)
		}
		r.client.Close()
	})
	r.options = replay.Options{
		Client: r.client, Publisher: r.pub, Journal: r.topic("replays"), Raw: r.topic("raw"), Typed: []string{r.topic("a")},
		State: []string{r.topic("replays")}, KeyKind: "message", Stdout: io.Discard, NewID: func() string { return uuid.Must(uuid.NewV7()).String() },
		Host: "here", PID: os.Getpid(), Alive: func(int) bool { return true }, Now: time.Now,
		CreateTopic: func(name string, n int) broker.TopicSpec {
			return broker.TopicSpec{Name: name, Partitions: max(n, 1), Embedded: true, Configs: map[string]string{}}
		},
	}
	for _, c := range change {
		c(&r.options)
	}
	r.Engine = replay.New(r.options)
	r.make("replays", 1)
	return r
}

func testBrokers(t *testing.T) []string {
	t.Helper()
	if list := os.Getenv("POSTRIDER_TEST_BROKERS"); list != "" {
		return strings.Split(list, ",")
	}
	b, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Dir: t.TempDir(), MaxBytesPerPartition: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return []string{b.Addr()}
}

func (r *engineRig) topic(name string) string { return r.prefix + "." + name }

// make makes a topic.
func (r *engineRig) make(name string, partitions int) string {
	r.Helper()
	spec := broker.TopicSpec{Name: r.topic(name), Partitions: partitions, Embedded: true, Configs: map[string]string{}}
	if _, err := r.client.EnsureTopics(r.ctx, []broker.TopicSpec{spec}, true); err != nil {
		r.Fatal(err)
	}
	return spec.Name
}

// fill publishes n events of keys of their own, a second apart and ending now.
func (r *engineRig) fill(topic string, n int) []broker.Record {
	r.Helper()
	begin := time.Now().Add(-time.Duration(n) * time.Second).Truncate(time.Millisecond)
	recs := make([]broker.Record, n)
	for i := range recs {
		recs[i] = broker.Record{
			Topic: topic, Key: fmt.Appendf(nil, "jetemail/jet/m%d", i), Value: fmt.Appendf(nil, `{"n":%d}`, i), Time: begin.Add(time.Duration(i) * time.Second),
			Headers: []broker.Header{{Key: "ce_id", Value: fmt.Appendf(nil, "id%d", i)}, {Key: "provider", Value: []byte("jetemail")}, {Key: "source", Value: []byte("jet")}},
		}
	}
	r.publish(recs)
	return recs
}

func (r *engineRig) publish(recs []broker.Record) {
	r.Helper()
	if err := r.pub.Publish(r.ctx, recs); err != nil {
		r.Fatal(err)
	}
}

// records reads a whole topic.
func (r *engineRig) records(topic string) (all []broker.Message) {
	r.Helper()
	logs, err := r.client.Offsets(r.ctx, topic)
	if err != nil {
		r.Fatal(err)
	}
	for p := range len(logs) {
		log := logs[p]
		err := r.client.Scan(r.ctx, topic, p, log.First, log.Next, broker.ScanOptions{}, func(c broker.Chunk) error {
			all = append(all, c.Messages...)
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
	}
	return all
}

// request is for everything in topic a.
func (r *engineRig) request(to replay.Target) replay.Request {
	return replay.Request{Select: selection.Selection{Topics: []string{r.topic("a")}, All: true}, To: to, By: "tester", Reason: "a test"}
}

func (r *engineRig) run(req replay.Request) replay.Run {
	r.Helper()
	plan, err := r.Plan(r.ctx, req, replay.PlanOptions{})
	if err != nil {
		r.Fatal(err)
	}
	run, err := r.Execute(r.ctx, plan, nil)
	if err != nil {
		r.Fatal(err)
	}
	if run.State != replay.Completed {
		r.Fatalf("the run is %s: %s", run.State, run.Error)
	}
	if !plan.Exact || plan.Matching != run.Progress.Delivered+run.Progress.Failed {
		r.Errorf("planned %d records (exact: %t), delivered %d", plan.Matching, plan.Exact, run.Progress.Delivered)
	}
	return run
}

func headers(m *broker.Message) map[string]string {
	h := map[string]string{}
	for _, e := range m.Headers {
		h[e.Key] = string(e.Value)
	}
	return h
}

func TestCopiesAreWhatTheyWereAndMarked(t *testing.T) {
	t.Parallel()
	r := newEngineRig(t)
	r.fill(r.make("a", 3), 50)
	before := r.records(r.topic("a"))
	began := time.Now().Add(-time.Second)
	run := r.run(r.request(replay.Target{Kind: replay.ToTopic, Topic: r.make("b", 3)}))

	if d := cmp.Diff(before, r.records(r.topic("a"))); d != "" {
		t.Errorf("the source changed:\n%s", d)
	}
	copies := r.records(r.topic("b"))
	if len(copies) != len(before) {
		t.Fatalf("%d copies of %d records", len(copies), len(before))
	}
	for i, c := range copies { // as many partitions: the same order
		o := before[i]
		if string(c.Key) != string(o.Key) || string(c.Value) != string(o.Value) || c.Time.Before(began) {
			t.Errorf("copy %d is %s %s of %v, want %s %s of now", i, c.Key, c.Value, c.Time, o.Key, o.Value)
		}
		want := headers(&o)
		want[replay.HeaderID], want[replay.HeaderOf] = run.ID, replay.Place(o.Topic, o.Partition, o.Offset)
		want[replay.HeaderBy], want[replay.HeaderReason], want[replay.HeaderHops] = "tester", "a test", "1"
		want[replay.HeaderAt] = run.Started.Format("2006-01-02T15:04:05.000Z")
		want[replay.HeaderTimestamp] = o.Time.Format("2006-01-02T15:04:05.000Z")
		if d := cmp.Diff(want, headers(&c)); d != "" {
			t.Fatalf("headers of copy %d (-want +got):\n%s", i, d)
		}
	}
}

func TestAReplayIntoItsOwnTopicEnds(t *testing.T) {
	t.Parallel()
	r := newEngineRig(t)
	r.fill(r.make("a", 2), 40)
	req := r.request(replay.Target{Kind: replay.ToTopic})
	var same *replay.SameTopicError
	if _, err := r.Plan(r.ctx, req, replay.PlanOptions{}); !errors.As(err, &same) {
		t.Fatalf("Plan = %v, want a refusal", err)
	}
	req.AllowSameTopic = true
	r.run(req)
	if n := len(r.records(r.topic("a"))); n != 80 {
		t.Errorf("%d records, want 80", n)
	}
	if again := r.run(req); again.Progress.Delivered != 40 || again.Progress.Replayed != 40 {
		t.Errorf("the second run copied %d and left %d copies out, want 40 and 40", again.Progress.Delivered, again.Progress.Replayed)
	}
	req.Select.Replayed = true
	for _, want := range []int64{120, 240} {
		if run := r.run(req); run.Progress.Delivered != want {
			t.Errorf("%d copies, want %d", run.Progress.Delivered, want)
		}
	}
	// 480 now, of which those that are copies of copies of copies stay behind.
	plan, err := r.Plan(r.ctx, req, replay.PlanOptions{})
	if err != nil || plan.Matching+plan.Replayed != 480 || plan.Replayed == 0 {
		t.Errorf("Plan = %d and %d left out, %v; want the oldest copies left out", plan.Matching, plan.Replayed, err)
	}
}

func TestTheEarliestAreTakenUpToALimit(t *testing.T) {
	t.Parallel()
	r := newEngineRig(t)
	recs := r.fill(r.make("a", 1), 60)
	for i := range recs { // the last partition stays empty
		recs[i].Topic, recs[i].Key = r.topic("wide"), fmt.Append(nil, "k", i%2)
	}
	r.make("wide", 4)
	r.publish(recs)
	req := r.request(replay.Target{Kind: replay.ToTopic, Topic: r.topic("b")})
	req.Select.Topics = []string{r.topic("wide")}
	req.Select.Limit = 7
	r.run(req)
	var got []string
	for _, m := range r.records(r.topic("b")) {
		got = append(got, string(m.Value))
	}
	slices.Sort(got)
	if logs, err := r.client.Offsets(r.ctx, r.topic("b")); err != nil || len(logs) != 4 {
		t.Errorf("the target was made with %d partitions, %v, want the source's 4", len(logs), err)
	}
	if want := []string{`{"n":0}`, `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`, `{"n":5}`, `{"n":6}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want the first seven", got)
	}
}

func TestAStoppedRunGoesOnWithoutGapOrRepeat(t *testing.T) {
	t.Parallel()
	r := newEngineRig(t)
	r.fill(r.make("a", 3), 300)
	req := r.request(replay.Target{Kind: replay.ToTopic, Topic: r.make("b", 3)})
	req.Pace = replay.Pace{MaxInFlight: 10, Rate: 500}
	plan, err := r.Plan(r.ctx, req, replay.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	run, err := r.Execute(ctx, plan, func(p replay.Progress) {
		if p.Delivered > 20 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || run.State != replay.Interrupted || run.Progress.Delivered == 300 {
		t.Fatalf("Execute = %s with %d delivered, %v", run.State, run.Progress.Delivered, err)
	}
	run, err = r.Resume(r.ctx, run.ID[:13], nil)
	if err != nil || run.State != replay.Completed || run.Progress.Delivered != 300 || run.Resumed != 1 {
		t.Fatalf("Resume = %+v, %v", run, err)
	}
	if n := len(r.records(r.topic("b"))); n != 300 {
		t.Errorf("%d copies of 300", n)
	}
	var ended *replay.EndedError
	if _, err := r.Resume(r.ctx, run.ID, nil); !errors.As(err, &ended) {
		t.Errorf("Resume of a completed run = %v", err)
	}
}

func TestARunIsCancelledFromElsewhere(t *testing.T) {
	t.Parallel()
	r := newEngineRig(t)
	r.fill(r.make("a", 1), 200)
	req := r.request(replay.Target{Kind: replay.ToTopic, Topic: r.make("b", 1)})
	req.Pace = replay.Pace{Rate: 20, MaxInFlight: 5}
	plan, err := r.Plan(r.ctx, req, replay.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	began, err := r.Start(r.ctx, plan)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := replay.New(r.options)
	var last replay.Progress
	err = elsewhere.Watch(r.ctx, began.ID, func(p replay.Progress) error {
		if p.State == replay.Running && p.Delivered > 0 {
			if _, err := elsewhere.Cancel(r.ctx, began.ID, "a colleague"); err != nil {
				return err
			}
		}
		last = p
		return nil
	})
	r.Wait()
	if err != nil || last.State != replay.Cancelled || last.Delivered == 200 {
		t.Errorf("Watch ended with %s after %d, %v", last.State, last.Delivered, err)
	}
	run, err := elsewhere.Run(r.ctx, began.ID)
	if err != nil || run.CancelledBy != "a colleague" || run.State != replay.Cancelled {
		t.Errorf("Run = %+v, %v", run, err)
	}
	if n := len(r.records(r.topic("b"))); int64(n) != run.Progress.Delivered {
		t.Errorf("%d copies, and the run says %d", n, run.Progress.Delivered)
	}
}

// Whoever is told that a run ended may ask how, at once.
func TestTheEndIsWrittenDownBeforeItIsTold(t *testing.T) {
	t.Parallel()
	r := newEngineRig(t)
	r.fill(r.make("a", 1), 5)
	plan, err := r.Plan(r.ctx, r.request(replay.Target{Kind: replay.ToTopic, Topic: r.make("b", 1)}), replay.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		begun, err := r.Start(r.ctx, plan)
		if err != nil {
			t.Fatal(err)
		}
		var last replay.Progress
		if err := r.Watch(r.ctx, begun.ID, func(p replay.Progress) error { last = p; return nil }); err != nil {
			t.Fatal(err)
		}
		if run, err := r.Engine.Run(r.ctx, begun.ID); err != nil || run.State != replay.Completed || last.State != replay.Completed {
			t.Errorf("told %s, written down %s, %v", last.State, run.State, err)
		}
	}
	r.Wait()
}

func TestHTTPTargetGetsEachRecordSignedAndInTheOrderOfItsKey(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := map[string][]string{}
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		mu.Lock()
		defer mu.Unlock()
		key := req.Header.Get("Record-Key")
		got[key] = append(got[key], string(body))
		if err != nil || req.Header.Get("Webhook-Signature") == "" || req.Header.Get("Webhook-Id") != req.Header.Get("Record-Ce_id") {
			w.WriteHeader(http.StatusTeapot)
		}
		if string(body) == `{"n":13}` {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}))
	t.Cleanup(target.Close)
	r := newEngineRig(t, func(o *replay.Options) {
		o.HTTP = map[string]delivery.Options{"crm": {
			URL: target.URL, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Now: time.Now,
			Secrets: []delivery.Secret{{ID: "a", Key: "0123456789abcdef0123456789abcdef"}},
		}}
	})
	r.make("a", 2)
	recs := make([]broker.Record, 30)
	for i := range recs {
		recs[i] = broker.Record{
			Topic: r.topic("a"), Key: fmt.Append(nil, "k", i%5), Value: fmt.Appendf(nil, `{"n":%d}`, i), Time: time.Now(),
			Headers: []broker.Header{{Key: "ce_id", Value: fmt.Append(nil, "id", i)}},
		}
	}
	r.publish(recs)
	req := r.request(replay.Target{Kind: replay.ToHTTP, Name: "crm"})
	plan, err := r.Plan(r.ctx, req, replay.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var refused *replay.RefusedError
	if run, err := r.Execute(r.ctx, plan, nil); !errors.As(err, &refused) || run.State != replay.Failed || len(run.Failures) == 0 {
		t.Errorf("Execute = %+v, %v, want that it stops at what the target refuses", run, err)
	}
	mu.Lock()
	clear(got)
	mu.Unlock()
	req.GoOn = true
	run := r.run(req)
	if run.Progress.Delivered != 29 || run.Progress.Failed != 1 || len(run.Failures) != 1 || !strings.Contains(run.Failures[0].Error, "422") {
		t.Errorf("run = %+v", run)
	}
	for k := range 5 {
		var want []string
		for i := k; i < 30; i += 5 {
			want = append(want, fmt.Sprintf(`{"n":%d}`, i))
		}
		if d := cmp.Diff(want, got[fmt.Sprint("k", k)]); d != "" {
			t.Errorf("k%d (-want +got):\n%s", k, d)
		}
	}
}

func TestRequestsThatMakeNoSenseAreRefusedWhole(t *testing.T) {
	t.Parallel()
	r := newEngineRig(t)
	r.make("a", 1)
	req := replay.Request{
		Select: selection.Selection{Topics: []string{r.topic("a")}, Limit: -1}, To: replay.Target{Kind: replay.ToTopic, Topic: r.topic("replays")},
		Pace: replay.Pace{Rate: -1},
	}
	_, err := r.Plan(r.ctx, req, replay.PlanOptions{})
	var bad *replay.RequestError
	if !errors.As(err, &bad) || len(bad.Problems) < 4 {
		t.Errorf("Plan = %v, want all that is wrong", err)
	}
	req = r.request(replay.Target{Kind: replay.ToStdout})
	req.Select.Topics = []string{r.prefix + ".x*"}
	var unmatched *selection.UnmatchedError
	if _, err := r.Plan(r.ctx, req, replay.PlanOptions{}); !errors.As(err, &unmatched) {
		t.Errorf("Plan = %v, want that nothing is called so", err)
	}
	var unknown *replay.UnknownRunError
	if _, err := r.Engine.Run(r.ctx, "0198"); !errors.As(err, &unknown) {
		t.Errorf("Run = %v", err)
	}
}

// A plan may be kept in a file, and be changed there.
func TestAPlanIsCheckedAgain(t *testing.T) {
	t.Parallel()
	r := newEngineRig(t)
	r.fill(r.make("a", 1), 3)
	r.make("secret", 1)
	plan, err := r.Plan(r.ctx, r.request(replay.Target{Kind: replay.ToStdout}), replay.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*replay.Plan){
		"another topic":      func(p *replay.Plan) { p.Ranges[0].Topic = r.topic("secret") },
		"more than there is": func(p *replay.Plan) { p.Ranges[0].To++ },
		"no such partition":  func(p *replay.Plan) { p.Ranges[0].Partition = 7 },
		"backwards":          func(p *replay.Plan) { p.Ranges[0].From = 9 },
		"twice":              func(p *replay.Plan) { p.Ranges = append(p.Ranges, p.Ranges[0]) },
		"into state":         func(p *replay.Plan) { p.Request.To = replay.Target{Kind: replay.ToTopic, Topic: r.topic("replays")} },
		"into where it's of": func(p *replay.Plan) { p.Request.To = replay.Target{Kind: replay.ToTopic} },
		"nobody's":           func(p *replay.Plan) { p.Request.By = "" },
	} {
		changed := *plan
		changed.Ranges = slices.Clone(plan.Ranges)
		change(&changed)
		if run, err := r.Execute(r.ctx, &changed, nil); err == nil || run.ID != "" {
			t.Errorf("%s: Execute = %+v, %v, want a refusal", name, run, err)
		}
	}
}

// An archive may have been written by anybody.
func TestAnArchiveDoesNotGoBackIntoState(t *testing.T) {
	t.Parallel()
	r := newEngineRig(t)
	file := filepath.Join(t.TempDir(), "archive.jsonl")
	for _, topic := range []string{r.topic("replays"), "__consumer_offsets"} {
		line := fmt.Sprintf(`{"v":1,"topic":%q,"partition":0,"offset":0,"timestamp":"2026-11-22T00:00:00.000Z","key":"k","value":"v"}`+"\n", topic)
		if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		req := replay.Request{FromFile: file, Exact: true, To: replay.Target{Kind: replay.ToTopic}, By: "tester"}
		var bad *replay.RequestError
		if _, err := r.Plan(r.ctx, req, replay.PlanOptions{}); !errors.As(err, &bad) || !strings.Contains(err.Error(), topic) {
			t.Errorf("%s: Plan = %v, want a refusal", topic, err)
		}
		req.To.Topic = r.make("restored", 1)
		if _, err := r.Plan(r.ctx, req, replay.PlanOptions{}); err != nil {
			t.Errorf("%s into another topic: %v", topic, err)
		}
	}
}
