package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/shadow"
)

// How long a stop waits for replays to write down how far they are, and then for
// what they were told to give up.
const (
	replaysStop  = 10 * time.Second
	replaysAbort = 2 * time.Second
)

// api is the API of replays in a receiver: an engine on connections and a publisher
// of its own, so that replays and webhooks do not wait for each other.
type api struct {
	*admin.API

	client    *broker.Client // nil until opened, as what follows
	replays   *Replays
	interrupt context.CancelFunc // stops runs, which can be resumed
}

// newAPI checks who may use the API. Without tokens it is off.
func newAPI(cfg *config.Config, o Options, shadows *shadow.Runner) (*api, error) {
	opt := admin.APIOptions{
		ConfirmAbove: int64(cfg.Replay.ConfirmAbove), Down: broker.Unreachable, Now: o.Now, Log: o.Log, Shadows: shadows,
		CheckURL: func(address string) error { return delivery.CheckURL(address, nil) },
	}
	for _, t := range cfg.Admin.Tokens {
		opt.Tokens = append(opt.Tokens, admin.Token{ID: t.ID, Role: t.Role, Value: t.Value.Reveal()})
	}
	a, err := admin.NewAPI(opt)
	if err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	return &api{API: a, interrupt: func() {}}, nil
}

// openAPI lets the API in, if anybody may use it. Requests are renormalized with the
// sources as they are now.
func (a *App) openAPI(ctx context.Context) error {
	if len(a.cfg.Admin.Tokens) == 0 {
		return nil
	}
	sources, _, err := Sources(a.cfg, false, rand.Reader)
	if err != nil {
		return err
	}
	compiled, err := CompileSources(a.cfg, sources)
	if err != nil {
		return err
	}
	if a.api.client, err = Dial(a.cfg, a.info.Brokers); err != nil {
		return err
	}
	a.api.replays = NewReplays(a.cfg, a.api.client, ReplayOptions{Log: a.log, Now: a.opt.Now, Stdout: io.Discard, Sources: compiled})
	ctx, a.api.interrupt = context.WithCancel(ctx)
	a.api.Open(ctx, a.api.replays)
	a.log.Info("the admin api is open", zap.String("reason_code", "api_open"), zap.Int("tokens", len(a.cfg.Admin.Tokens)))
	return nil
}

// stop ends the runs, tells those who watch, and gives the connections back. What has
// not come to its end in time is given up: its last checkpoint stands.
func (s *api) stop() error {
	s.interrupt()
	if s.replays == nil {
		s.Close()
		return nil
	}
	over := make(chan struct{})
	go func() { s.replays.Wait(); close(over) }()
	within(over, replaysStop)
	s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), replaysAbort)
	defer cancel()
	err := s.replays.Close(ctx)
	s.client.Close()
	if !within(over, replaysAbort) {
		err = errors.Join(err, errors.New("app: a replay did not stop in time; resume it from its last checkpoint"))
	}
	return err
}

// within waits for something to happen, for so long at most.
func within(happened <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-happened:
		return true
	case <-t.C:
		return false
	}
}
