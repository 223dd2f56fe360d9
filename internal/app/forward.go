package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/forward"
)

// ForwardOptions is what NewForward takes from its process.
type ForwardOptions struct {
	// Names are the subscriptions to run; empty: all.
	Names   []string
	Log     *zap.Logger
	Now     func() time.Time
	Version string
	// ReadyFile, when set, is written (as JSON) once everything listens and Wait
	// was called; tests wait for it.
	ReadyFile string
}

// Forward is one process that delivers events by HTTP. Start it once, Wait until it
// ended.
type Forward struct {
	cfg       *config.Config
	opt       ForwardOptions
	forwarder *forward.Forwarder
	client    *broker.Client
	registry  *prometheus.Registry
	health    *forwardHealth
	server    *admin.Server
	info      ForwardInfo

	cancel                 func()
	forwarding, background sync.WaitGroup
	failed                 chan error // how the listener ended
}

// ForwardInfo tells people where things are.
type ForwardInfo struct {
	Version, Listen, Kafka string
	Targets                []forward.Target
}

// NewForward makes a Forward of the configuration's subscriptions. It connects to
// nothing yet.
func NewForward(cfg *config.Config, o ForwardOptions) (*Forward, error) {
	chosen, err := chooseSubscriptions(cfg, o.Names)
	if err != nil {
		return nil, err
	}
	k := cfg.Kafka
	opt := forward.Options{
		Kafka: consumerKafka(cfg), KeyKind: k.Topics.Key, StopTimeout: cfg.Server.ShutdownTimeout, Replication: k.Topics.Replication,
		NoCreate: k.Topics.Create == "never", Log: o.Log, Now: o.Now,
	}
	for i := range chosen {
		opt.Subscriptions = append(opt.Subscriptions, subscription(cfg, &chosen[i]))
	}
	f := &Forward{cfg: cfg, opt: o, registry: prometheus.NewRegistry(), failed: make(chan error, 1)}
	if f.forwarder, err = forward.New(opt); err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	if f.client, err = Dial(cfg, Brokers(cfg)); err != nil {
		return nil, err
	}
	f.health = &forwardHealth{forwarder: f.forwarder, version: o.Version, started: o.Now().UTC(), log: o.Log, now: o.Now}
	f.health.broker.Kind = "cluster"
	if cfg.EmbeddedBroker() {
		f.health.broker.Kind = "embedded"
	}
	f.register()
	return f, nil
}

// register sets up what /metrics serves.
func (f *Forward) register() {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "postrider", Name: "build_info", Help: "Constant 1; the version is the label.",
		ConstLabels: prometheus.Labels{"version": f.opt.Version},
	})
	info.Set(1)
	f.registry.MustRegister(info, f.forwarder, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// Start opens the listener for health and begins to deliver. Wait has to follow.
func (f *Forward) Start(ctx context.Context) error {
	socket, err := listen(ctx, "forward.listen", f.cfg.Forward.Listen)
	if err != nil {
		f.client.Close()
		return err
	}
	f.server = admin.NewPlain(f.health.status, f.registry, f.opt.Log)
	f.info = ForwardInfo{
		Version: f.opt.Version, Listen: socket.Addr().String(), Kafka: strings.Join(Brokers(f.cfg), ","), Targets: f.forwarder.Targets(),
	}
	ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	f.background.Go(func() { f.failed <- f.server.Serve(socket) })
	f.probe(ctx)
	f.background.Go(func() { every(ctx, probeInterval, func() (done bool) { f.probe(ctx); return false }) })
	f.forwarding.Go(func() { f.forwarder.Run(ctx) })
	for _, n := range f.cfg.Notices {
		f.opt.Log.Warn(n, zap.String("reason_code", "config_notice"))
	}
	f.opt.Log.Info("forwarding", zap.String("listen", f.info.Listen), zap.String("kafka", f.info.Kafka), zap.Int("subscriptions", len(f.info.Targets)))
	return nil
}

// Info tells where things are, once started.
func (f *Forward) Info() ForwardInfo { return f.info }

// Wait blocks until ctx ends or the listener breaks, then lets deliveries in progress
// finish. It returns nil after an orderly stop.
func (f *Forward) Wait(ctx context.Context) error {
	err := writeReadyFile(f.opt.ReadyFile, Info{Version: f.info.Version, Admin: f.info.Listen})
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-f.failed:
		}
	}
	f.cancel()
	f.forwarding.Wait()
	err = errors.Join(err, f.shutdown()) //nolint:contextcheck // the context it would get is over
	f.background.Wait()
	f.client.Close()
	f.opt.Log.Info("stopped", zap.Error(err))
	return err
}

// shutdown ends the listener for health, which tells the state to the end.
func (f *Forward) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return f.server.Shutdown(ctx) //nolint:wrapcheck // it says who it is
}

// probe asks Kafka whether it is there.
func (f *Forward) probe(ctx context.Context) {
	ask, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := f.client.Ping(ask); ctx.Err() == nil {
		f.health.reached(err)
	}
}
