package app

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/metrics"
)

// How long start-up waits for the ids that were known before, and a stop for the
// last ones to be written. What is missing costs duplicates, never events.
const (
	seenPatience     = time.Second
	seenFlushTimeout = time.Second
)

// startWindow makes the window of accepted events and fills it with what was
// known before: for as long as seenPatience allows, and then in the background,
// with /readyz degraded.
func (a *App) startWindow(ctx context.Context) {
	a.window = dedupe.New(dedupe.Options{Window: a.cfg.Dedupe.Window, MaxIDs: a.cfg.Dedupe.MaxIDs, Now: a.opt.Now})
	a.seen = dedupe.NewJournal(a.window, dedupe.JournalOptions{
		Topic: a.cfg.Kafka.Topics.Seen(), Publisher: seenPublisher{a.publisher}, Reader: a.client,
		Share: a.cfg.Dedupe.Share, Now: a.opt.Now, Log: a.log,
	})
	for _, ids := range a.idsLeft {
		a.seen.Learn(ids)
	}
	a.idsLeft = nil
	a.metrics.WatchRepeats(a.repeats)
	a.health.watchSeen(a.seen.State)
	a.background.Go(func() { a.seen.Run(ctx) })
	if !a.health.reachable() {
		return // there is nothing to wait for
	}
	if !loaded(ctx, a.seen, seenPatience) && ctx.Err() == nil {
		a.log.Warn("the ids of accepted events are still being read: until then repeats may be published again",
			append(left(a.seen.State()), zap.String("reason_code", "seen_loading"))...)
	}
}

// loaded waits until the topic of ids was read, for as long as patience or until
// ctx ends, and tells whether it was.
func loaded(ctx context.Context, j *dedupe.Journal, patience time.Duration) bool {
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case <-j.Loaded():
		return true
	case <-ctx.Done():
	case <-wait.C:
	}
	return false
}

// left tells how much of the topic is still to be read, where that is known.
func left(s dedupe.State) []zap.Field {
	if s.Behind == 0 {
		return nil
	}
	return []zap.Field{zap.Int64("records_left", s.Behind)}
}

// repeats is the state of the window for a scrape.
func (a *App) repeats() metrics.Repeats {
	s := a.seen.State()
	return metrics.Repeats{IDs: s.IDs, Loaded: s.Loaded, Pending: s.Pending, GivenUp: s.GivenUp, Behind: s.Behind}
}

// flushSeen writes the last ids, while the publisher still takes records.
func (a *App) flushSeen() {
	ctx, cancel := context.WithTimeout(context.Background(), seenFlushTimeout)
	defer cancel()
	if err := a.seen.Flush(ctx); err != nil {
		a.log.Warn("not every id of an accepted event was written: repeats of them may be published again",
			zap.String("reason_code", "seen_unwritten"), zap.Error(err))
	}
}

// watchSeen makes the state of the window count.
func (h *health) watchSeen(state func() dedupe.State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = state
}

// reachable reports whether the cluster answered when it was asked last.
func (h *health) reachable() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.broker.Reachable
}

// judgeSeen says what of the window needs a person. While Kafka is away nothing
// can be read or written, and that is said already.
func (h *health) judgeSeen(v *verdict) {
	if h.seen == nil || !v.Broker.Reachable || v.Status.Status == admin.NotReady {
		return
	}
	switch s := h.seen(); {
	case s.Problem != "":
		v.degraded("the ids of accepted events are not kept in their topic, so that repeats may be published again: " + s.Problem)
	case !s.Loaded:
		v.degraded("the ids of accepted events are still being read: until then repeats may be published again")
	}
}
