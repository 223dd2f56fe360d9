package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/quarantine"
)

// openQuarantine opens the folder of refused requests. One that cannot be opened
// is said, in the log and at /readyz, and stops no receiver: nothing that is
// accepted depends on it.
func (a *App) openQuarantine() {
	q := a.cfg.Quarantine
	if !q.Enabled {
		return
	}
	ring, err := quarantine.Open(quarantine.Options{
		Dir: q.Dir, MaxBytes: q.MaxBytes, Keep: q.Keep, Now: a.opt.Now, Observer: a.metrics, Log: a.log,
	})
	if err != nil {
		a.log.Error("refused requests are not kept", zap.String("reason_code", "quarantine_failed"), zap.Error(err))
		a.health.noQuarantine("refused requests are not kept: " + err.Error())
		return
	}
	a.quarantine = ring
}

// keeper is the quarantine as the receiver wants it: nil if there is none.
func (a *App) keeper() ingest.Quarantine {
	if a.quarantine == nil {
		return nil
	}
	return a.quarantine
}

// closeQuarantine writes what waits for the disk.
func (a *App) closeQuarantine() error {
	if err := a.quarantine.Close(); err != nil {
		return fmt.Errorf("app: %w", err)
	}
	return nil
}

// watchBursts makes refusals in numbers count, here and for scrapes.
func (a *App) watchBursts() {
	a.metrics.WatchBursts(a.ingest.AuthBursts)
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	a.health.bursts = a.ingest.AuthBursts
}

// noQuarantine notes why there is none.
func (h *health) noQuarantine(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.quarantine = why
}

// judgeRefusals says what of the refusals needs a person.
func (h *health) judgeRefusals(v *verdict) {
	if h.quarantine != "" {
		v.degraded(h.quarantine)
	}
	if h.bursts == nil {
		return
	}
	all := h.bursts()
	maps.DeleteFunc(all, func(_ string, burst bool) bool { return !burst })
	if names := slices.Sorted(maps.Keys(all)); len(names) > 0 {
		v.degraded("many webhooks carry all the proof that is asked for and are refused: is the secret still the provider's? Sources: " + strings.Join(names, ", "))
	}
}
