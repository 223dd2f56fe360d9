package renormalize_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/replay/renormalize"
	"github.com/postrider/postrider/internal/selection"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// brokersVar names real brokers.
const brokersVar = "POSTRIDER_TEST_BROKERS"

// bound ends a test that hangs.
const bound = 5 * time.Minute

// rig is a broker with the topics of a receiver, and the receiver's pipeline.
type rig struct {
	*testing.T

	ctx    context.Context
	client *broker.Client
	pub    *broker.GroupCommitter
	topics ingest.Topics
	live   *ingest.Pipeline
	now    time.Time // of the requests
}

// newRig starts a broker, or takes those of POSTRIDER_TEST_BROKERS.
func newRig(t *testing.T, partitions int) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	r := &rig{T: t, ctx: ctx, now: time.Now().Add(-time.Hour).Truncate(time.Millisecond)}
	var err error
	if r.client, err = broker.Dial(broker.Options{Brokers: brokers(t), ClientID: "test"}); err != nil {
		t.Fatal(err)
	}
	r.pub = broker.NewPublisher(r.client, broker.PublisherOptions{Now: time.Now, Budget: 20 * time.Second})
	t.Cleanup(r.close)
	r.makeTopics("t"+strings.ReplaceAll(uuid.NewString(), "-", "")[:12], partitions)
	r.live = ingest.NewPipeline(ingest.PipelineOptions{
		Publisher: r.pub, Topics: r.topics, Key: "message", Outcomes: unwatched{}, Log: zap.NewNop(), Now: time.Now,
		Window: dedupe.New(dedupe.Options{Window: time.Hour, MaxIDs: 100_000, Now: time.Now}),
	})
	return r
}

func brokers(t *testing.T) []string {
	t.Helper()
	if list := os.Getenv(brokersVar); list != "" {
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

func (r *rig) close() {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if err := r.pub.Close(ctx); err != nil {
		r.Error(err)
	}
	r.client.Close()
}

// makeTopics makes the topics of a prefix.
func (r *rig) makeTopics(prefix string, partitions int) {
	r.Helper()
	r.topics = ingest.Topics{Typed: map[event.Route]string{}, Raw: prefix + ".raw", Deadletter: prefix + ".deadletter", All: prefix + ".all"}
	names := []string{r.topics.Raw, r.topics.Deadletter, r.topics.All}
	for _, route := range event.Routes() {
		r.topics.Typed[route] = prefix + "." + string(route.Direction) + "." + string(route.Type)
		names = append(names, r.topics.Typed[route])
	}
	var specs []broker.TopicSpec
	for _, name := range names {
		specs = append(specs, broker.TopicSpec{Name: name, Partitions: partitions, Embedded: true, Configs: map[string]string{"max.message.bytes": "2000000"}})
	}
	if _, err := r.client.EnsureTopics(r.ctx, specs, true); err != nil {
		r.Fatal(err)
	}
}

type unwatched struct{}

func (unwatched) Published(error) {}

// newSource makes a JetEmail source that copies the parameter campaign.
func newSource(mode dedupe.Mode) *ingest.Source {
	def, _ := all.Lookup("jetemail")
	parser, err := def.New(nil)
	if err != nil {
		panic(err)
	}
	return &ingest.Source{
		Name: "jet", Dedupe: mode, Metrics: metrics.New("").Source("jet", "jetemail"),
		Normalize: normalize.Source{
			Name: "jet", ID: "jet", Provider: "jetemail", Parser: parser, Mapper: def.Mapper, QueryMetadata: []string{"campaign"},
		},
	}
}

// changed is a parser whose results another mapping changes.
type changed struct {
	provider.Parser

	change func(*provider.Result)
}

// Parse implements provider.Parser.
func (c changed) Parse(v webhook.Verified) []provider.Result {
	list := c.Parser.Parse(v)
	for i := range list {
		c.change(&list[i])
	}
	return list
}

// mappedBy is a source with a mapping of the next version.
func mappedBy(src *ingest.Source, change func(*provider.Result)) *ingest.Source {
	c := *src
	c.Normalize.Parser = changed{src.Normalize.Parser, change}
	c.Normalize.Mapper++
	return &c
}

// jetEvent is a JetEmail event of a message.
func jetEvent(id, typ, message, reply string) string {
	return fmt.Sprintf(`{"id":%q,"service":"outbound","type":%q,"created_at":1704825600,`+
		`"data":{"uid":%q,"from":"sender@example.com","to":"recipient@example.com","bounce_type":"soft","response":%q}}`, id, typ, message, reply)
}

func delivered(id, reply string) string { return jetEvent(id, "outbound.delivered", "m", reply) }

// accept takes a request through the live pipeline.
func (r *rig) accept(src *ingest.Source, query, body string) {
	r.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		r.Fatal(err)
	}
	r.acceptVerified(src, webhook.AssumeProvenForReplayAndTests(r.request(values, body)))
}

func (r *rig) request(query url.Values, body string) webhook.Request {
	r.now = r.now.Add(time.Millisecond)
	return webhook.Request{
		Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Query: query, Body: []byte(body), ReceivedAt: r.now,
	}
}

func (r *rig) acceptVerified(src *ingest.Source, v webhook.Verified) {
	r.Helper()
	if _, err := r.live.Accept(r.ctx, src, v, uuid.NewString()); err != nil {
		r.Fatal(err)
	}
}

// options are those of renormalizing with some sources.
func (r *rig) options(list ...*ingest.Source) renormalize.Options {
	return renormalize.Options{
		Sources: list, Topics: r.topics, Key: "message", Now: time.Now, Publisher: r.pub, Reader: r.client,
		Marker: replay.NewMarker("run-1", "somebody", "", time.Now(), time.Now),
	}
}

// plan is that of all raw requests.
func (r *rig) plan() *replay.Plan {
	r.Helper()
	p := &replay.Plan{Request: replay.Request{
		Select: selection.Selection{Topics: []string{r.topics.Raw}, All: true}, To: replay.Target{Kind: replay.ToRenormalize},
	}}
	for partition, o := range r.offsets(r.topics.Raw) {
		p.Ranges = append(p.Ranges, replay.Range{Topic: r.topics.Raw, Partition: partition, From: o.First, To: o.Next})
	}
	return p
}

func (r *rig) offsets(topic string) map[int]broker.OffsetRange {
	r.Helper()
	found, err := r.client.Offsets(r.ctx, topic)
	if err != nil {
		r.Fatal(err)
	}
	return found
}

// read returns a topic's records by time.
func (r *rig) read(topic string) (list []broker.Message) {
	r.Helper()
	for partition, o := range r.offsets(topic) {
		if o.First == o.Next {
			continue
		}
		err := r.client.Scan(r.ctx, topic, partition, o.First, o.Next, broker.ScanOptions{}, func(c broker.Chunk) error {
			list = append(list, c.Messages...)
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
	}
	slices.SortStableFunc(list, func(a, b broker.Message) int { return a.Time.Compare(b.Time) })
	return list
}

// renormalize delivers all raw requests and returns the failures. It is a run, as a
// journal has it.
func (r *rig) renormalize(o renormalize.Options) (replay.Run, []replay.Failure) {
	r.Helper()
	run := replay.Run{ID: "run-1", Plan: *r.plan(), Started: time.Now(), State: replay.Completed}
	sink, err := renormalize.NewSink(o)
	if err != nil {
		r.Fatal(err)
	}
	failed, err := sink.Deliver(r.ctx, r.read(r.topics.Raw))
	if err != nil {
		r.Fatal(err)
	}
	if run.Sink, err = sink.Flush(r.ctx); err != nil {
		r.Fatal(err)
	}
	if err := sink.Close(r.ctx); err != nil {
		r.Fatal(err)
	}
	run.Ended = time.Now()
	return run, failed
}

// diff compares all raw requests with what is published.
func (r *rig) diff(o renormalize.Options, exact bool) replay.Diff {
	r.Helper()
	d, err := renormalize.Diff(r.ctx, o, r.plan(), exact)
	if err != nil {
		r.Fatal(err)
	}
	return *d
}

// typed returns the records of all events as texts without their marks, the
// originals and the copies, each sorted.
func (r *rig) typed() (originals, copies []string) {
	r.Helper()
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	topics := []string{r.topics.All}
	for _, topic := range r.topics.Typed {
		topics = append(topics, topic)
	}
	for _, topic := range topics {
		wg.Go(func() {
			for _, m := range r.read(topic) {
				text := textOf(&m)
				mu.Lock()
				if replay.Marked(m.Headers) {
					copies = append(copies, text)
				} else {
					originals = append(originals, text)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(originals)
	slices.Sort(copies)
	return originals, copies
}

// textOf is what a copy has in common with the record that it is like.
func textOf(m *broker.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", m.Topic, m.Key)
	for _, h := range m.Headers {
		if !strings.HasPrefix(h.Key, replay.HeaderPrefix) {
			fmt.Fprintf(&b, "%s=%s\n", h.Key, h.Value)
		}
	}
	b.Write(m.Value)
	return b.String()
}

// header is a header's value.
func header(m *broker.Message, name string) string {
	for _, h := range m.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// rawMessage is a request's raw record as it is read back.
func rawMessage(src *ingest.Source, v webhook.Verified, offset int64) broker.Message {
	raw := normalize.RawRecord(&src.Normalize, v, uuid.NewString(), normalize.Counts{Events: 1})
	return broker.Message{Topic: "raw", Offset: offset, Time: v.Request().ReceivedAt, Key: []byte(raw.Key), Value: raw.Value, Headers: raw.Headers}
}
