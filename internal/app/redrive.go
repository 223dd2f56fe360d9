package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/internal/quarantine"
	"github.com/postrider/postrider/pkg/webhook"
)

// redriveBudget is how long one request may take until all its records are
// acknowledged. Nobody waits for an answer, so that it outlasts a leader election.
const redriveBudget = 30 * time.Second

// ErrSourceGone says that a request came to a source that is not configured any
// more.
var ErrSourceGone = errors.New("app: the source is not configured any more")

// Redriver takes requests from the quarantine through the proof of their sources,
// as it is now, and through the receiver's own pipeline, with a publisher of its
// own. It runs beside a receiver. Not safe for concurrent use.
type Redriver struct {
	cfg       *config.Config
	sources   map[string]*ingest.Source
	now       func() time.Time
	publisher *broker.GroupCommitter // nil until Connect
	pipeline  *ingest.Pipeline
	ids       *requestIDs
	log       *zap.Logger

	window     *dedupe.Window
	seen       *dedupe.Journal
	known      bool               // the window was filled in time
	stop       context.CancelFunc // of its background
	background sync.WaitGroup
}

// NewRedriver makes a Redriver that can prove; Connect makes it publish.
func NewRedriver(cfg *config.Config, compiled []*CompiledSource, now func() time.Time) *Redriver {
	r := &Redriver{cfg: cfg, now: now, sources: make(map[string]*ingest.Source, len(compiled)), ids: &requestIDs{now: now}}
	counted := metrics.New("") // nobody asks it
	for _, c := range compiled {
		c.Ingest.Metrics = counted.Source(c.Ingest.Name, c.Config.Provider)
		c.Ingest.Durability = broker.BrokerOnly // the spool is the receiver's
		r.sources[c.Ingest.Name] = c.Ingest
	}
	return r
}

// Prove proves a request with the secrets of now and by the time at which it
// came. An address that the provider signs is the one of server.public_url as it
// is now. The error is a *webhook.RefusedError or ErrSourceGone.
func (r *Redriver) Prove(e *quarantine.Entry) (webhook.Verified, error) {
	src := r.sources[e.Source]
	if src == nil {
		return webhook.Verified{}, ErrSourceGone
	}
	req := e.Request
	if i := strings.Index(req.URL, ingest.Path+e.Source); i >= 0 {
		req.URL = r.cfg.PublicURL() + req.URL[i:]
	}
	if err := src.Verifier.Missing(&req); err != nil {
		return webhook.Verified{}, err //nolint:wrapcheck // callers tell refusals apart
	}
	return webhook.Verify(src.Verifier, req) //nolint:wrapcheck // as above
}

// Connect makes the publisher on a client that stays the caller's, and reads what
// receivers know of events. Topics must be there: the receiver made them.
func (r *Redriver) Connect(ctx context.Context, client *broker.Client, log *zap.Logger) error {
	k := r.cfg.Kafka
	reports, err := client.EnsureTopics(ctx, TopicSpecs(k, r.cfg.EmbeddedBroker()), false)
	if err != nil {
		return err //nolint:wrapcheck // it says who it is
	}
	r.publisher = broker.NewPublisher(client, PublisherOptions(r.cfg, r.now, log))
	for _, t := range reports {
		r.publisher.SetLimit(t.Name, t.MaxMessageBytes)
		if t.Name == k.Topics.Raw() {
			r.ids.partitions.Store(int64(t.Partitions))
		}
	}
	r.log = log
	r.startWindow(ctx, client)
	r.pipeline = ingest.NewPipeline(r.pipelineOptions(r.publisher))
	return nil
}

// pipelineOptions are those of the receiver's pipeline, but for who publishes.
func (r *Redriver) pipelineOptions(p ingest.Publisher) ingest.PipelineOptions {
	return ingest.PipelineOptions{
		Publisher: p, Window: r.window, Topics: TopicNames(r.cfg.Kafka.Topics), Key: r.cfg.Kafka.Topics.Key,
		Outcomes: unwatched{}, Log: r.log, Now: r.now,
	}
}

// startWindow makes the window of accepted events and fills it with what
// receivers know, so that an event that its provider has sent again since is not
// published twice, nor one of these when it does so later. What cannot be read in time
// costs duplicates.
func (r *Redriver) startWindow(ctx context.Context, client *broker.Client) {
	r.window = dedupe.New(dedupe.Options{Window: r.cfg.Dedupe.Window, MaxIDs: r.cfg.Dedupe.MaxIDs, Now: r.now})
	r.seen = dedupe.NewJournal(r.window, dedupe.JournalOptions{
		Topic: r.cfg.Kafka.Topics.Seen(), Publisher: r.publisher, Reader: client, Share: true, Now: r.now, Log: r.log,
	})
	ctx, r.stop = context.WithCancel(ctx)
	r.background.Go(func() { r.seen.Run(ctx) })
	r.known = loaded(ctx, r.seen, redriveBudget)
}

// Publish publishes what Prove has proven and returns once all of it is
// acknowledged; known says that all of it was published before. The error may be a
// *webhook.RefusedError: the request is somebody else's after all.
func (r *Redriver) Publish(ctx context.Context, e *quarantine.Entry, v webhook.Verified) (known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, redriveBudget)
	defer cancel()
	result, err := r.pipeline.Accept(ctx, r.sources[e.Source], v, r.ids.next(e.Source))
	return result == ingest.ResultDuplicate, err //nolint:wrapcheck // callers tell refusals apart
}

// Close writes what was learnt and ends the publisher, if there is one.
func (r *Redriver) Close(ctx context.Context) error {
	if r.pipeline == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, redriveBudget)
	defer cancel()
	r.stop()
	r.background.Wait()
	if err := errors.Join(r.seen.Flush(ctx), r.publisher.Close(ctx)); err != nil {
		return fmt.Errorf("app: %w", err)
	}
	return nil
}

// unwatched is outcomes that nobody watches.
type unwatched struct{}

// Published implements ingest.Outcomes.
func (unwatched) Published(error) {}
