package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/internal/config"
)

// How long start-up waits for the cluster before it goes on without, with a
// spool that takes events meanwhile and with none, how often it asks again, and
// how long one look at the topics may take.
const (
	spooledPatience = 1500 * time.Millisecond
	connectPatience = 10 * time.Second
	connectRetry    = 2 * time.Second
	topicsTimeout   = 30 * time.Second
	// spooledTopicsTimeout is topicsTimeout at a start with a spool.
	spooledTopicsTimeout = 10 * time.Second
)

// connect brings up the embedded broker or reaches the cluster, and puts the
// topics in order. A cluster that does not answer is no reason not to start:
// events go to the spool or, where there is none, the receiver answers that it is
// busy, so that providers send again; and it keeps trying. A cluster that answers
// and refuses is a matter of configuration, and ends start-up with what it said.
func (a *App) connect(ctx context.Context) error {
	if err := a.startEmbedded(); err != nil { //nolint:contextcheck // it outlives this call
		return err
	}
	client, err := Dial(a.cfg, a.info.Brokers)
	if err != nil {
		return err
	}
	a.client = client
	a.startPublisher(ctx)
	err = a.prepareTopics(ctx, a.firstLook())
	if err != nil && !broker.Unreachable(err) {
		return err
	}
	if err != nil {
		a.publisher.Suspect() // so that the first webhooks need not find out
	}
	a.background.Go(func() {
		if err != nil {
			a.keepConnecting(ctx)
		}
		a.health.watch(ctx, a.probe)
	})
	return nil
}

// probe asks the cluster whether it is there; the publisher need not find out by
// itself that it is not.
func (a *App) probe(ctx context.Context) error {
	err := a.client.Ping(ctx)
	if broker.Unreachable(err) && !errors.Is(ctx.Err(), context.Canceled) {
		a.publisher.Suspect()
	}
	return err
}

// PublisherOptions are a publisher's by cfg, for callers to add to. The embedded broker's
// batches are not compressed: they cross no network.
func PublisherOptions(cfg *config.Config, now func() time.Time, log *zap.Logger) broker.PublisherOptions {
	p := cfg.Kafka.Publish
	o := broker.PublisherOptions{Now: now, Log: log, MaxInFlightBytes: p.MaxInFlightBytes, MaxBatchBytes: p.MaxBatchBytes}
	if !cfg.EmbeddedBroker() {
		o.Compression = broker.Compression(p.Compression)
	}
	return o
}

// startPublisher makes the publisher and puts what an earlier process left in the
// spool in line, before anything new.
func (a *App) startPublisher(ctx context.Context) {
	k := a.cfg.Kafka
	o := PublisherOptions(a.cfg, a.opt.Now, a.log)
	o.Observer, o.Store, o.StandIn = a.metrics, a.store(), StandIn(k.Topics)
	a.publisher = broker.NewPublisher(a.client, o)
	a.health.watchPublisher(a.publisher.Troubles)
	// Until the cluster has told its topics' limits, those that we create them
	// with count: a raw request must not be cut for want of an answer.
	for _, topic := range []string{k.Topics.Raw(), k.Topics.Deadletter()} {
		a.publisher.SetLimit(topic, k.Topics.MaxMessageBytes)
	}
	if a.spool != nil {
		pending := a.spool.Pending()
		a.idsLeft = a.spooledIDs(pending)
		a.publisher.Resume(pending)
		a.background.Go(func() { a.requeue(ctx) })
	}
}

// patience is how long start-up waits for the cluster.
func (a *App) patience() time.Duration {
	if a.spool != nil {
		return spooledPatience
	}
	return connectPatience
}

// firstLook is how long start-up's look at the topics may take. With a spool,
// events are taken while it goes on in the background.
func (a *App) firstLook() time.Duration {
	if a.spool != nil {
		return spooledTopicsTimeout
	}
	return topicsTimeout
}

// startEmbedded starts the broker inside the process where the configuration
// selects it.
func (a *App) startEmbedded() error {
	a.info.Brokers = a.cfg.Kafka.Brokers
	a.health.broker.Kind = "cluster"
	if a.cfg.EmbeddedBroker() {
		e := a.cfg.Kafka.Embedded
		b, err := embedded.Start(embedded.Options{
			Listen: e.Listen, Dir: e.Dir, Sync: e.Sync,
			MaxBytesPerPartition: e.MaxBytes, SegmentBytes: e.SegmentBytes, Log: a.log,
		})
		if err != nil {
			return fmt.Errorf("app: %w", err)
		}
		a.broker = b
		a.info.Brokers = []string{b.Addr()}
		a.info.BrokerNotice = embedded.Notice()
		a.health.embedded(b.Health, damage(b, e.Dir))
		a.log.Warn(embedded.Notice(), zap.String("reason_code", "embedded_broker"))
	}
	a.info.Kafka = strings.Join(a.info.Brokers, ",")
	return nil
}

// damage says in a sentence which partitions' files were damaged.
func damage(b *embedded.Broker, dir string) []string {
	partitions := b.Damage()
	if len(partitions) == 0 {
		return nil
	}
	folder := filepath.Join(dir, embedded.DamagedFolder)
	return []string{fmt.Sprintf("the embedded broker's data was damaged, and records were lost, in %s: the files as they were are in %s; "+
		"remove that folder and restart to end this notice", strings.Join(partitions, ", "), folder)}
}

// Dial makes a client of the brokers by the configuration's TLS and SASL.
func Dial(cfg *config.Config, brokers []string) (*broker.Client, error) {
	k := cfg.Kafka
	o := broker.Options{Brokers: brokers, ClientID: k.ClientID, Now: time.Now}
	for _, spec := range EveryTopic(cfg, cfg.EmbeddedBroker()) {
		o.Topics = append(o.Topics, spec.Name)
	}
	if k.TLS.Enabled {
		o.TLS = &broker.TLSOptions{CAFile: k.TLS.CAFile, CertFile: k.TLS.CertFile, KeyFile: k.TLS.KeyFile, ServerName: k.TLS.ServerName}
	}
	if k.SASL.Mechanism != "" {
		o.SASL = &broker.SASLOptions{
			Mechanism: k.SASL.Mechanism, Username: k.SASL.Username, Password: k.SASL.Password.Reveal(), Region: k.SASL.Region,
		}
	}
	c, err := broker.Dial(o)
	if err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	return c, nil
}

// Brokers is where clients on this machine reach Kafka: the configured cluster,
// or the embedded broker's address.
func Brokers(cfg *config.Config) []string {
	if cfg.EmbeddedBroker() {
		return []string{cfg.Kafka.Embedded.Listen}
	}
	return cfg.Kafka.Brokers
}

// prepareTopics waits a while for the cluster, then creates or checks the topics,
// for as long as look, and tells the publisher their limits.
func (a *App) prepareTopics(ctx context.Context, look time.Duration) error {
	patience, cancel := context.WithTimeout(ctx, a.patience())
	err := a.client.Ping(patience)
	cancel()
	a.health.reached(err)
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	ctx, cancel = context.WithTimeout(ctx, look)
	defer cancel()
	t := a.cfg.Kafka.Topics
	reports, err := a.client.EnsureTopics(ctx, EveryTopic(a.cfg, a.broker != nil), t.Create == "missing")
	if err == nil {
		err = a.settle(ctx, reports)
	}
	warnings := topicWarnings(reports)
	a.health.topicsInOrder(err, warnings)
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	for _, w := range warnings {
		a.log.Warn(w, zap.String("reason_code", "topic_warning"))
	}
	return nil
}

// settle makes the topics ready for the first record: the publisher learns their
// limits, new ones have leaders that answer (they are announced a moment before
// that), and a producer id is there.
func (a *App) settle(ctx context.Context, reports []broker.TopicReport) error {
	names := make([]string, len(reports))
	for i, r := range reports {
		names[i] = r.Name
		a.publisher.SetLimit(r.Name, r.MaxMessageBytes)
		if r.Name == a.cfg.Kafka.Topics.Raw() {
			a.ids.partitions.Store(int64(r.Partitions))
		}
		if !r.Created {
			continue
		}
		if _, err := a.client.Offsets(ctx, r.Name); err != nil {
			return err
		}
	}
	return a.publisher.Warm(ctx, names...)
}

// topicWarnings joins equal warnings about several topics, in order.
func topicWarnings(reports []broker.TopicReport) []string {
	var texts []string
	about := map[string][]string{}
	for _, r := range reports {
		for _, w := range r.Warnings {
			text := strings.TrimPrefix(w, "topic "+r.Name+": ")
			if about[text] == nil {
				texts = append(texts, text)
			}
			about[text] = append(about[text], r.Name)
		}
	}
	for i, text := range texts {
		names := about[text]
		switch n := len(names); n {
		case 1:
			texts[i] = "topic " + names[0] + ": " + text
		default:
			texts[i] = fmt.Sprintf("%d topics, %s to %s: %s", n, names[0], names[n-1], text)
		}
	}
	return texts
}

// keepConnecting tries until the cluster answers and the topics are in order.
func (a *App) keepConnecting(ctx context.Context) {
	every(ctx, connectRetry, func() (done bool) {
		err := a.prepareTopics(ctx, topicsTimeout)
		if err != nil && !broker.Unreachable(err) && ctx.Err() == nil {
			a.log.Error("kafka answers, but the topics are not in order", zap.String("reason_code", "topics"), zap.Error(err))
		}
		return err == nil
	})
}
