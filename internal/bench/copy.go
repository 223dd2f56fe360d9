package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go" //nolint:depguard // what a replay is measured against
	"golang.org/x/sync/errgroup"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/pkg/event"
)

// copying measures a replay from topic to topic beside the least that any program
// must do: raw copying with kafka-go (fetch, produce, no decoding of values), of the
// same records in the same run, in turn.
type copying struct {
	options  options
	dir      string // for temporary data
	brokers  []string
	client   *broker.Client
	source   string
	prefix   string
	journal  string                     // the topic that remembers replays
	held     map[int]broker.OffsetRange // of the source
	progress io.Writer
}

// pair is one raw copy and one replay, one right after the other.
type pair struct {
	Round  int    `json:"round"`
	Raw    copied `json:"raw"`
	Replay copied `json:"replay"`
	Ratio  number `json:"ratio"` // of records a second
	First  string `json:"first"` // which went first
}

// copied is one way of copying, measured.
type copied struct {
	Seconds   number `json:"seconds"`
	PerSecond number `json:"records_per_second"`
	CPU       number `json:"cpu_seconds_per_100k"` // of this process, an embedded broker's included
}

// copyBenchmark is a whole run of -copy.
func copyBenchmark(ctx context.Context, o options, args []string, out, progress io.Writer) error {
	var pairs []pair
	err := withRecords(ctx, o, progress, func(c *copying) (err error) {
		pairs, err = c.rounds(ctx)
		return err
	})
	if err != nil {
		return err
	}
	r := newCopyReport(o, args, pairs)
	r.Commit = o.version(ctx)
	return r.write(out, o.output)
}

// withRecords calls do with a topic full of records.
func withRecords(ctx context.Context, o options, progress io.Writer, do func(c *copying) error) (err error) {
	dir, err := os.MkdirTemp(o.dir, "postrider-bench-")
	if err != nil {
		return fmt.Errorf("bench: temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c := &copying{options: o, dir: dir, prefix: "bench-" + randomHex()[:8], progress: progress}
	stop, err := c.connect(dir) //nolint:contextcheck // an embedded broker lives until it is closed
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := c.fill(ctx); err != nil {
		return err
	}
	return do(c)
}

// where says which broker is measured.
func (o *options) where() string {
	if o.brokers != nil {
		return "a Kafka on " + strings.Join(o.brokers, ",")
	}
	return "the embedded broker in the same process"
}

// connect reaches the cluster, or starts an embedded broker.
func (c *copying) connect(dir string) (stop func() error, err error) {
	c.brokers, stop = c.options.brokers, func() error { return nil }
	if c.brokers == nil {
		b, err := embedded.Start(embedded.Options{
			Listen: "127.0.0.1:0", Dir: filepath.Join(dir, "broker"), MaxBytesPerPartition: 8 << 30, SegmentBytes: 64 << 20,
		})
		if err != nil {
			return stop, fmt.Errorf("bench: %w", err)
		}
		c.brokers, stop = []string{b.Addr()}, b.Close
	}
	if c.client, err = broker.Dial(broker.Options{Brokers: c.brokers, Timeout: time.Minute}); err != nil {
		return stop, err
	}
	end := stop
	return func() error {
		c.client.Close()
		return end()
	}, nil
}

// api is a kafka-go client that knows what topics there are now.
func (c *copying) api() (api *kafka.Client, end func()) {
	transport := &kafka.Transport{}
	return &kafka.Client{Addr: kafka.TCP(c.brokers...), Transport: transport}, transport.CloseIdleConnections
}

// topic makes an empty topic and returns how to remove it.
func (c *copying) topic(ctx context.Context, name string) (remove func() error, err error) {
	spec := broker.TopicSpec{
		Name: name, Partitions: c.options.partitions, Embedded: c.options.brokers == nil,
		Configs: map[string]string{"retention.ms": "3600000", "retention.bytes": "-1"},
	}
	if _, err := c.client.EnsureTopics(ctx, []broker.TopicSpec{spec}, true); err != nil {
		return nil, err
	}
	return func() error {
		api, end := c.api()
		defer end()
		_, err := api.DeleteTopics(context.WithoutCancel(ctx), &kafka.DeleteTopicsRequest{Topics: []string{name}})
		return err
	}, nil
}

// fill publishes the records that are copied.
func (c *copying) fill(ctx context.Context) error {
	c.source = c.prefix + ".source"
	c.journal = c.prefix + ".replays"
	for _, name := range []string{c.source, c.journal} {
		if _, err := c.topic(ctx, name); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.progress, "publishing %d records\n", c.options.records)
	p := broker.NewPublisher(c.client, broker.PublisherOptions{Now: time.Now, Budget: time.Minute})
	const batch = 1000
	now := time.Now()
	for from := 0; from < c.options.records; from += batch {
		var recs []broker.Record
		for i := from; i < min(from+batch, c.options.records); i++ {
			recs = append(recs, c.record(i, now.Add(time.Duration(i)*time.Millisecond)))
		}
		if err := p.Publish(ctx, recs); err != nil {
			return err
		}
	}
	if err := p.Close(ctx); err != nil {
		return err
	}
	var err error
	c.held, err = c.client.Offsets(ctx, c.source)
	return err
}

// record is an event as the receiver publishes it.
func (c *copying) record(i int, at time.Time) broker.Record {
	e := event.Event{
		Schema: event.Schema, ID: fmt.Sprintf("%032x", i), Type: event.Bounced, Family: event.Bounced.Family(), Direction: event.Outbound,
		Provider: "jetemail", Source: "bench", ProviderType: "email.bounced", ProviderEventID: "evt_" + strconv.Itoa(i),
		OccurredAt: event.NewTime(at, 3), ReceivedAt: event.NewTime(at, 3), MessageID: fmt.Sprintf("message-%08d", i),
		Recipient: fmt.Sprintf("recipient-%d@example.com", i), Sender: "sender@example.net", Subject: "Your order has been dispatched",
		Tags: []string{"orders", "dispatch"}, Metadata: map[string]string{"customer": strconv.Itoa(i % 1000), "campaign": "autumn"},
		SMTP:   &event.SMTP{Code: 550, Enhanced: "5.1.1", Response: "550 5.1.1 <recipient@example.com>: Recipient address rejected: User unknown in virtual mailbox table"},
		Bounce: &event.Bounce{Class: event.Hard, Category: event.InvalidRecipient}, RawID: fmt.Sprintf("%032x", i*7),
	}
	return broker.Record{Topic: c.source, Key: []byte(e.Key()), Value: e.AppendJSON(nil), Headers: e.AppendHeaders(nil, event.Stamp{Mapper: 1}), Time: at}
}

// rounds measures the pairs; who goes first takes turns. A first pair warms up and
// does not count.
func (c *copying) rounds(ctx context.Context) ([]pair, error) {
	pairs := make([]pair, 0, c.options.rounds)
	for round := range c.options.rounds + 1 {
		p, err := c.pair(ctx, round)
		if err != nil {
			return nil, err
		}
		if round > 0 {
			pairs = append(pairs, p)
		}
		fmt.Fprintf(c.progress, "round %d/%d  raw %8.0f records/s  replay %8.0f records/s  ratio %.2f\n",
			round, c.options.rounds, float64(p.Raw.PerSecond), float64(p.Replay.PerSecond), float64(p.Ratio))
	}
	return pairs, nil
}

// pair measures both ways once.
func (c *copying) pair(ctx context.Context, round int) (p pair, err error) {
	p = pair{Round: round, First: "raw"}
	order := []func() error{
		func() (err error) { p.Raw, err = c.measure(ctx, "raw", c.copyRaw); return err },
		func() (err error) { p.Replay, err = c.measure(ctx, "replay", c.copyReplay); return err },
	}
	if round%2 == 1 {
		p.First, order[0], order[1] = "replay", order[1], order[0]
	}
	for _, step := range order {
		if err := step(); err != nil {
			return p, err
		}
	}
	p.Ratio = p.Replay.PerSecond / p.Raw.PerSecond
	return p, nil
}

// measure copies everything into a new topic by one way, and counts what is there.
func (c *copying) measure(ctx context.Context, way string, do func(ctx context.Context, target string) error) (m copied, err error) {
	target := c.prefix + "." + way + "-" + randomHex()[:8]
	remove, err := c.topic(ctx, target)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	stop, err := c.profile(way)
	if err != nil {
		return m, err
	}
	before, start := processSeconds(os.Getpid()), time.Now()
	err = do(ctx, target)
	took, cpu := time.Since(start).Seconds(), processSeconds(os.Getpid())-before
	stop()
	if err != nil {
		return m, fmt.Errorf("bench: %s: %w", way, err)
	}
	n := number(c.options.records)
	m = copied{Seconds: number(took), PerSecond: n / number(took), CPU: cpu / n * 100_000}
	return m, c.complete(ctx, target)
}

// profile writes where the processor's time goes in a way of copying, if asked to;
// the last round's is kept.
func (c *copying) profile(way string) (stop func(), err error) {
	if c.options.profile == "" {
		return func() {}, nil
	}
	f, err := os.Create(c.options.profile + "." + way)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}

// complete wants every record in the target, once.
func (c *copying) complete(ctx context.Context, target string) error {
	held, err := c.client.Offsets(ctx, target)
	if err != nil {
		return err
	}
	got := int64(0)
	for _, p := range held {
		got += p.Next - p.First
	}
	if got != int64(c.options.records) {
		return fmt.Errorf("bench: %s holds %d records, want %d", target, got, c.options.records)
	}
	return nil
}

// copyRaw copies each partition by itself, all at once: fetch, produce with all
// acknowledgements, and so on.
func (c *copying) copyRaw(ctx context.Context, target string) error {
	api, end := c.api()
	defer end()
	return c.each(ctx, func(ctx context.Context, p int, next int64) (int64, error) {
		return c.copyBatch(ctx, api, target, p, next)
	})
}

// each goes through all partitions at once, each from what it holds first to its end. step
// does a part, and returns what is next.
func (c *copying) each(ctx context.Context, step func(ctx context.Context, partition int, next int64) (int64, error)) error {
	all, ctx := errgroup.WithContext(ctx)
	for p, held := range c.held {
		all.Go(func() error {
			for next := held.First; next < held.Next; {
				var err error
				if next, err = step(ctx, p, next); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return all.Wait()
}

// copyBatch copies what one fetch brings and returns what is next.
func (c *copying) copyBatch(ctx context.Context, api *kafka.Client, target string, partition int, next int64) (int64, error) {
	got, err := api.Fetch(ctx, &kafka.FetchRequest{
		Topic: c.source, Partition: partition, Offset: next, MinBytes: 1, MaxBytes: rawFetch, MaxWait: time.Second,
	})
	if err == nil {
		err = got.Error
	}
	if err != nil {
		return 0, err
	}
	recs := &counted{from: got.Records, next: next}
	put, err := api.Produce(ctx, &kafka.ProduceRequest{
		Topic: target, Partition: partition, RequiredAcks: kafka.RequireAll, Records: recs,
	})
	if err == nil {
		err = put.Error
	}
	if errors.Is(err, kafka.NotLeaderForPartition) || errors.Is(err, kafka.UnknownTopicOrPartition) {
		return next, nil // the topic is new: again
	}
	return recs.next, err
}

// rawFetch is how much one fetch asks for, in bytes: what it brings must fit into one
// batch, which brokers take up to 1 MiB of.
const rawFetch = 960 << 10

// counted passes records on and notes the offset behind the last.
type counted struct {
	from kafka.RecordReader
	next int64
}

// ReadRecord implements kafka.RecordReader.
func (c *counted) ReadRecord() (*kafka.Record, error) {
	for {
		r, err := c.from.ReadRecord()
		if err != nil {
			return nil, err
		}
		if r.Offset >= c.next { // an answer may begin earlier than asked for
			c.next = r.Offset + 1
			return r, nil
		}
	}
}
