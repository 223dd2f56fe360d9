// Package app wires the receiver together: configuration in, a running process
// out. Commands and end-to-end tests use the same New, Start and Wait. It is the
// only package that reads the real clock.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/quarantine"
	"github.com/postrider/postrider/internal/shadow"
	"github.com/postrider/postrider/internal/spool"
	"github.com/postrider/postrider/pkg/webhook"
)

// Options is what an App takes from its process.
type Options struct {
	Log     *zap.Logger
	Now     func() time.Time
	Version string
	// Level is the level of Log, for a reload to change; nil: it stays.
	Level *zap.AtomicLevel
	// Collector is how the garbage collector was set; the zero value leaves it.
	Collector Collector
	// ReadyFile, when set, is written (as JSON, the Info without secrets) once
	// everything listens and Wait was called; tests wait for it.
	ReadyFile string
	// Confirmer calls the addresses that providers want called before they send
	// events; nil: one that calls public addresses by https.
	Confirmer ingest.Confirmer
}

// App is one receiver process. Start it once, Wait until it ended.
type App struct {
	cfg     *config.Config
	opt     Options
	log     *zap.Logger
	metrics *metrics.Metrics
	health  *health
	outages *outages
	info    Info
	ids     *requestIDs

	broker     *embedded.Broker // nil on a cluster
	client     *broker.Client
	spool      *spool.Spool     // nil where no source uses it
	quarantine *quarantine.Ring // nil: refused requests are not kept
	publisher  *broker.GroupCommitter
	window     *dedupe.Window  // of accepted events
	seen       *dedupe.Journal // keeps the window
	idsLeft    [][]byte        // of events, which an earlier process left in the spool; until the window has them
	ingest     *ingest.Server
	admin      *admin.Server
	api        *api // of the admin listener

	shadows   *shadow.Runner
	shadowing func(context.Context, *normalize.Source, webhook.Verified, string) (normalize.Output, error) // how shadows read; nil: as always

	webhooks, adminSocket net.Listener

	background sync.WaitGroup
	cancel     context.CancelFunc
	failed     chan error // a listener that broke

	reloading sync.Mutex
	login     config.SASL // in force; under reloading
}

// New checks what can be checked without touching anything outside.
func New(cfg *config.Config, o Options) (*App, error) {
	a := &App{cfg: cfg, opt: o, log: o.Log, metrics: metrics.New(o.Version), failed: make(chan error, 2)}
	a.ids = &requestIDs{now: o.Now}
	a.login = cfg.Kafka.SASL
	a.outages = newOutages(o.Now, o.Log)
	a.health = newHealth(cfg, o, a.metrics, a.outages)
	a.metrics.Watch(a.health)
	a.metrics.ConfigLoaded(o.Now())
	a.shadows = shadow.New(shadow.Options{Observer: a.metrics, Now: o.Now, Normalize: a.readShadow})
	if cfg.SourcesGiven {
		if _, err := CompileSources(cfg, cfg.Sources); err != nil {
			return nil, err
		}
	}
	var err error
	a.api, err = newAPI(cfg, o, a.shadows)
	return a, err
}

// Start brings everything up: the ports are looked at first, because a taken one is
// the likeliest trouble, then Kafka, then the receiver. On an error everything is
// down again.
func (a *App) Start(ctx context.Context) error {
	ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := a.start(ctx); err != nil {
		return errors.Join(err, a.stop()) //nolint:contextcheck // stopping has its own bounds: the context it would get is over
	}
	return nil
}

// start is Start without the cleaning up.
func (a *App) start(ctx context.Context) error {
	if err := a.listen(ctx); err != nil {
		return err
	}
	if err := a.openSpool(); err != nil {
		return err
	}
	if err := a.connect(ctx); err != nil {
		return err
	}
	a.startWindow(ctx)
	if err := a.listenForWebhooks(ctx); err != nil {
		return err
	}
	if err := a.build(); err != nil {
		return err
	}
	if err := a.openAPI(ctx); err != nil {
		return err
	}
	a.background.Go(func() { a.outages.watch(ctx) })
	a.background.Go(func() { a.shadows.Run(ctx) })
	a.background.Go(func() { a.opt.Collector.follow(ctx, a.window.IDs) })
	a.serve("server.listen", func() error { return a.ingest.Serve(a.webhooks) })
	a.health.serves()
	for _, n := range a.cfg.Notices {
		a.log.Warn(n, zap.String("reason_code", "config_notice"))
	}
	a.log.Info("receiving webhooks", zap.String("listen", a.info.Listen), zap.String("kafka", a.info.Kafka), zap.Int("sources", len(a.info.Sources)))
	return nil
}

// listen takes the admin port, so that start-up can be watched, and looks whether
// the others can be had. Every port that is taken is reported at once, the
// embedded broker's too.
func (a *App) listen(ctx context.Context) error {
	var errs [3]error
	errs[0] = free(ctx, "server.listen", a.cfg.Server.Listen)
	a.adminSocket, errs[1] = listen(ctx, "admin.listen", a.cfg.Admin.Listen)
	if a.cfg.EmbeddedBroker() {
		errs[2] = free(ctx, "kafka.embedded.listen", a.cfg.Kafka.Embedded.Listen)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	a.info = Info{Version: a.opt.Version, Admin: a.adminSocket.Addr().String()}
	a.admin = admin.New(a.health, a.metrics.Gatherer(), a.api.API, a.log)
	a.serve("admin.listen", func() error { return a.admin.Serve(a.adminSocket) })
	return nil
}

// listenForWebhooks takes the port for webhooks, when everything else is there: a
// port that is taken queues requests, and their senders would wait for start-up.
func (a *App) listenForWebhooks(ctx context.Context) (err error) {
	a.webhooks, err = listen(ctx, "server.listen", a.cfg.Server.Listen)
	if err == nil {
		a.info.Listen = a.webhooks.Addr().String()
	}
	return err
}

// listen opens one TCP port; the error names the configuration key.
func listen(ctx context.Context, key, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		if cause, ok := errors.AsType[*net.OpError](err); ok {
			err = cause.Err // without the address, which is said already
		}
		return nil, fmt.Errorf("app: %s: cannot listen on %s: %w (set %s, or the environment variable %s, to another address)",
			key, address, err, key, "POSTRIDER_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_")))
	}
	return l, nil
}

// free reports whether somebody else could listen there.
func free(ctx context.Context, key, address string) error {
	l, err := listen(ctx, key, address)
	if err != nil {
		return err
	}
	return l.Close()
}

// build makes the sources and the receiver.
func (a *App) build() error {
	sources, created, err := Sources(a.cfg, true, rand.Reader)
	if err != nil {
		return err
	}
	compiled, err := CompileSources(a.cfg, sources)
	if err != nil {
		return err
	}
	a.info.describe(a.cfg, compiled, created)
	a.install(compiled)
	a.openQuarantine()
	a.ingest, err = ingest.New(ingest.Options{
		Limits:         limits(a.cfg),
		Sources:        ingestSources(compiled),
		TrustedProxies: a.cfg.Server.TrustedProxies,
		PublicURL:      a.info.PublicURL,
		Metrics:        a.metrics,
		Log:            a.log,
		Now:            a.opt.Now,
		NewID:          a.ids.next,
		Quarantine:     a.keeper(),
		Confirmer:      a.confirmer(),
		Pipeline: ingest.NewPipeline(ingest.PipelineOptions{
			Publisher: a.publisher, Window: a.window, Topics: TopicNames(a.cfg.Kafka.Topics), Key: a.cfg.Kafka.Topics.Key,
			Outcomes: a.health, Log: a.log, Now: a.opt.Now,
			Recycle: true, // the publisher has copied what is acknowledged
		}),
	})
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	a.watchBursts()
	return nil
}

// confirmer calls the addresses of handshakes.
func (a *App) confirmer() ingest.Confirmer {
	if a.opt.Confirmer != nil {
		return a.opt.Confirmer
	}
	return delivery.NewFetcher(delivery.FetchOptions{})
}

// serve runs one listener in the background; its failure ends Wait.
func (a *App) serve(key string, run func() error) {
	a.background.Go(func() {
		if err := run(); err != nil {
			a.failed <- fmt.Errorf("app: %s: %w", key, err)
		}
	})
}

// Info tells where things are.
func (a *App) Info() Info { return a.info }

// Wait blocks until ctx ends or a listener breaks, then stops everything in
// order. It returns nil after an orderly stop.
func (a *App) Wait(ctx context.Context) error {
	broke := writeReadyFile(a.opt.ReadyFile, a.info)
	if broke == nil {
		select {
		case <-ctx.Done():
		case broke = <-a.failed:
		}
	}
	return errors.Join(broke, a.stop()) //nolint:contextcheck // as above
}

// limits maps the configuration to the receiver's bounds.
func limits(cfg *config.Config) ingest.Limits {
	s := cfg.Server
	return ingest.Limits{
		ReadHeaderTimeout: s.ReadHeaderTimeout, ReadTimeout: s.ReadTimeout,
		WriteTimeout: s.WriteTimeout, IdleTimeout: s.IdleTimeout, RetryAfter: s.RetryAfter,
		Budget: cfg.Kafka.Publish.Budget, MaxHeaderBytes: s.MaxHeaderBytes,
		MaxConnections: s.MaxConnections, MaxConcurrent: s.MaxConcurrent,
		MaxInflatedBytes: s.MaxInflatedBytes, MaxBufferedBytes: s.MaxBufferedBytes,
	}
}
