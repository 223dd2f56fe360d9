package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/metrics"
)

// errNotStarted says that there is nothing to reload yet.
var errNotStarted = errors.New("app: not started")

// Reload reads the configuration anew and takes over what a running process can:
// the sources with all that belongs to them, the log level, the trusted proxies
// and Kafka's user name and password. Everything is checked first; on any problem
// all stays as it was, and the error, which is logged, says what is wrong. Keys
// that need a restart keep their value and are named in the log. Requests in
// progress end as they began. Safe for concurrent use, after Start.
func (a *App) Reload(read func() (*config.Config, error)) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	if a.ingest == nil {
		return errNotStarted
	}
	if err := a.reload(read); err != nil {
		a.metrics.Reloaded(metrics.ReloadRefused)
		a.logRefusal(err)
		return err
	}
	a.metrics.Reloaded(metrics.ReloadDone)
	a.metrics.ConfigLoaded(a.opt.Now())
	return nil
}

// reload checks everything, and then changes what there is to change.
func (a *App) reload(read func() (*config.Config, error)) error {
	given, err := read()
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	next, kept := a.cfg.Reload(given)
	sources, _, err := Sources(next, false, rand.Reader)
	if err != nil {
		return err
	}
	compiled, err := CompileSources(next, sources)
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	if err := a.spoolSuits(next, compiled); err != nil {
		return fmt.Errorf("app: %w", err)
	}
	level, err := zapcore.ParseLevel(next.Log.Level)
	if err != nil {
		return fmt.Errorf("app: log.level: %w", err)
	}
	if err := a.newCredentials(next.Kafka.SASL); err != nil {
		return err
	}
	if a.opt.Level != nil {
		a.opt.Level.SetLevel(level)
	}
	a.install(compiled)
	a.ingest.Swap(ingestSources(compiled), next.Server.TrustedProxies)
	a.logReload(next, kept, len(compiled))
	return nil
}

// newCredentials makes new connections to Kafka log in anew, if there is
// anything new to log in with.
func (a *App) newCredentials(s config.SASL) error {
	if s.Username == a.login.Username && s.Password == a.login.Password || s.Mechanism == "" {
		return nil
	}
	if err := a.client.SetCredentials(s.Username, s.Password.Reveal()); err != nil {
		return fmt.Errorf("app: kafka.sasl: %w", err)
	}
	a.login = s
	return nil
}

// install binds compiled sources to what outlives them.
func (a *App) install(compiled []*CompiledSource) {
	a.installShadows(compiled)
	names := make([]string, len(compiled))
	for i, s := range compiled {
		names[i] = s.Ingest.Name
		s.Ingest.Metrics = a.metrics.Source(s.Ingest.Name, s.Config.Provider)
		s.Ingest.Answers = a.outages.of(s.Ingest.Name, s.Def.Policy.RetryHorizon)
		for _, w := range s.Warnings {
			a.log.Warn(w, zap.String("reason_code", "source_warning"), zap.String("source", s.Ingest.Name))
		}
	}
	a.outages.keep(names)
	a.health.setDurability(compiled)
}

// logReload says what came of a reload that was taken over.
func (a *App) logReload(next *config.Config, kept []string, sources int) {
	for _, n := range next.Notices {
		a.log.Warn(n, zap.String("reason_code", "config_notice"))
	}
	if len(kept) > 0 {
		a.log.Warn("these keys have new values that need a restart; the old ones stay in force",
			zap.String("reason_code", "reload_needs_restart"), zap.Strings("keys", kept))
	}
	a.log.Info("the configuration was read anew", zap.String("reason_code", "reload"), zap.String("file", next.File), zap.Int("sources", sources))
}

// logRefusal logs every problem of a configuration that was not taken over.
func (a *App) logRefusal(err error) {
	lines := []string{err.Error()}
	if problems, ok := errors.AsType[*config.Problems](err); ok {
		lines = strings.Split(problems.Error(), "\n")
	}
	a.log.Error("the new configuration is not taken over, the old one stays in force",
		zap.String("reason_code", "reload_refused"), zap.Strings("problems", lines))
}
