package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/metrics"
)

// How often the cluster is asked whether it is there, and how long one question
// may take.
const (
	probeInterval = 2 * time.Second
	probeTimeout  = 1500 * time.Millisecond
)

// health is the present state, put together from the probe of the cluster, the
// outcome of the last publish and the life cycle. Safe for concurrent use.
type health struct {
	now      func() time.Time
	log      *zap.Logger
	metrics  *metrics.Metrics
	version  string
	started  time.Time
	instance string

	mu       sync.Mutex
	broker   admin.Broker
	storage  func() error // of the embedded broker: why it takes no records
	damage   []string     // of the embedded broker's data
	topicsOK bool
	topics   string      // why the topics are not in order
	warnings []string    // found at start, for a person
	failing  string      // why the last publish failed; "" if it did not
	failedAt time.Time   // when it did
	lasting  bool        // for a reason that somebody has to do something about
	failed   atomic.Bool // failing is not ""; spares the lock on the hot path
	serving  bool        // webhooks are taken
	draining bool

	outages    *outages
	spool      func() admin.Spool // the spool's state; of no spool until it is open
	durability map[string]string  // by source, as configured
	quarantine string             // why there is none; "" if there is, or is to be none
	bursts     func() map[string]bool
	troubles   func() map[string]error // of the publisher, by topic; nil before there is one
	seen       func() dedupe.State     // of the window of accepted events; nil before there is one
}

// newHealth is the state before anything is known.
func newHealth(cfg *config.Config, o Options, m *metrics.Metrics, out *outages) *health {
	return &health{
		now: o.Now, log: o.Log, metrics: m, version: o.Version, topics: "not looked at yet",
		started: o.Now().UTC(), instance: Instance(cfg), outages: out,
		spool: func() admin.Spool { return admin.Spool{State: admin.SpoolOff} },
	}
}

// Instance is a short name of the installation that a configuration describes:
// the hash of the addresses it listens on, and of its brokers or its data folder.
// A receiver says it at /readyz, so that whoever asks there can tell whether that
// is the one meant.
func Instance(cfg *config.Config) string {
	parts := []string{cfg.Server.Listen, cfg.Admin.Listen}
	if cfg.EmbeddedBroker() {
		parts = append(parts, cfg.Kafka.Embedded.Listen)
	} else {
		parts = append(parts, cfg.Kafka.Brokers...)
	}
	if cfg.EmbeddedBroker() || !cfg.SourcesGiven {
		dir, err := filepath.Abs(DataDir(cfg))
		if err != nil {
			dir = DataDir(cfg)
		}
		parts = append(parts, dir)
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:6])
}

// embedded makes the embedded broker's state count.
func (h *health) embedded(storage func() error, damage []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broker.Kind, h.storage, h.damage = "embedded", storage, damage
}

// Published records the outcome of a publish; it implements ingest.Outcomes.
func (h *health) Published(err error) {
	if err == nil && !h.failed.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing, h.lasting = "", false
	if err != nil {
		h.failing, h.failedAt, h.lasting = err.Error(), h.now(), !passing(err)
	}
	h.failed.Store(err != nil)
}

// passing says that a publish failed for want of time or room, or because the
// cluster was not there: the next one may succeed.
func passing(err error) bool {
	for _, passing := range []error{broker.ErrDeadline, broker.ErrUnknownOutcome, broker.ErrOverloaded} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return broker.Unreachable(err)
}

// review ends what was wrong before and is not now, although no request has come
// that would show it; the caller holds the lock.
func (h *health) review() {
	kafka := h.away() == "" && !h.lasting && (h.troubles == nil || len(h.troubles()) == 0)
	if kafka && h.failing != "" && h.now().Sub(h.failedAt) >= quiet {
		h.failing = ""
		h.failed.Store(false)
	}
	h.outages.review(kafka)
}

// serves says that webhooks are taken from now on.
func (h *health) serves() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serving = true
}

// drain makes the receiver not ready for good.
func (h *health) drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// topicsInOrder records the outcome of the topic check.
func (h *health) topicsInOrder(err error, warnings []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.topicsOK, h.topics, h.warnings = err == nil, "", warnings
	if err != nil {
		h.topics = err.Error()
	}
}

// reached records whether the cluster answered, and ends what is over with that.
func (h *health) reached(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(err)
	h.review()
}

// note records whether the cluster answered and logs a change; the caller holds
// the lock.
func (h *health) note(err error) {
	if noteBroker(&h.broker, err, h.now().UTC(), h.log) {
		h.metrics.BrokerUp(err == nil)
	}
}

// noteBroker records whether the cluster answered. It logs a change, and reports whether
// there was one.
func noteBroker(b *admin.Broker, err error, now time.Time, log *zap.Logger) bool {
	up := err == nil
	b.Checked, b.Detail = now, ""
	if err != nil {
		b.Detail = err.Error()
	}
	if up == b.Reachable && !b.Since.IsZero() {
		return false
	}
	b.Reachable, b.Since = up, now
	if up {
		log.Info("kafka reachable", zap.String("reason_code", "broker_up"))
	} else {
		log.Error("kafka not reachable", zap.String("reason_code", "broker_down"), zap.Error(err))
	}
	return true
}

// watch probes the cluster until ctx ends.
func (h *health) watch(ctx context.Context, ping func(context.Context) error) {
	every(ctx, probeInterval, func() (done bool) {
		probe, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		if err := ping(probe); ctx.Err() == nil {
			h.reached(err)
		}
		return false
	})
}
