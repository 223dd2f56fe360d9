package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/spool"
)

// requeueInterval is how often the spool is asked for records that a person
// wants to be tried again.
const requeueInterval = 2 * time.Second

// openSpool opens the spool, before there is a publisher that could need it. A
// spool that cannot be used ends the start, unless no source would use it: a 2xx
// that may mean "it is on the disk" needs a disk.
func (a *App) openSpool() error {
	c, needed := a.cfg.Spool, UsesSpool(a.cfg)
	if _, err := os.Stat(c.Dir); !needed && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s, err := spool.Open(spool.Options{
		Dir: c.Dir, MaxBytes: c.MaxBytes, MinFree: c.MinFree, SegmentBytes: c.SegmentBytes, Now: a.opt.Now, Log: a.log,
	})
	switch {
	case err == nil:
	case needed:
		return fmt.Errorf("app: %w (without a spool every source needs durability: broker)", err)
	default:
		a.log.Warn("the spool cannot be opened; no source uses it, but what an earlier process left in it stays there",
			zap.String("reason_code", "spool_unused"), zap.Error(err))
		return nil
	}
	a.spool = s
	a.health.watchSpool(a.spoolState)
	a.tellRecovery()
	return nil
}

// UsesSpool reports whether a source of the configuration uses the spool, as
// generated ones do.
func UsesSpool(cfg *config.Config) bool {
	return len(cfg.Sources) == 0 || slices.ContainsFunc(cfg.Sources, func(s config.Source) bool { return s.Durability != modeBroker })
}

// spoolSuits refuses sources that need a spool this process started without.
func (a *App) spoolSuits(cfg *config.Config, compiled []*CompiledSource) error {
	var problems config.Problems
	for i, s := range compiled {
		if a.spool == nil && s.Ingest.Durability != broker.BrokerOnly {
			path := fmt.Sprintf("sources[%d].durability", i)
			problems.Add(path, cfg.Place(path), s.Config.Durability+" needs the spool, which this process started without", "restart, or write durability: broker")
		}
	}
	return problems.Err()
}

// tellRecovery says what an earlier process left, and what is wrong with the
// folder. Damage the spool itself tells of.
func (a *App) tellRecovery() {
	dir, state := zap.String("folder", a.cfg.Spool.Dir), a.spool.State()
	if state.Records > 0 {
		a.log.Info("the spool holds records that an earlier process left; they are published first",
			zap.String("reason_code", "spool_resumed"), zap.Int("records", state.Records), zap.Int64("bytes", state.Bytes), dir)
	}
	if state.Volatile != "" {
		a.log.Warn("the spool lies on "+state.Volatile+", which does not outlive the machine or the container: what is accepted while Kafka is away "+
			"may be lost with it; set spool.dir to a folder on a persistent volume", zap.String("reason_code", "spool_volatile"), dir)
	}
}

// store is the spool as the publisher sees it; nil for none.
func (a *App) store() broker.Store {
	if a.spool == nil {
		return nil
	}
	return a.spool
}

// spoolState is the spool's state for /readyz.
func (a *App) spoolState() admin.Spool {
	s := a.spool.State()
	out := admin.Spool{State: admin.SpoolReady, Records: s.Records, Bytes: s.Bytes, Dead: s.DeadRecords, Damaged: s.DamagedRecords, Volume: s.Volatile}
	if !s.Oldest.IsZero() {
		oldest := s.Oldest.UTC()
		out.Oldest = &oldest
	}
	switch {
	case s.Failed != "":
		out.State, out.Detail = admin.SpoolFailed, s.Failed
	case s.Full:
		out.State, out.Detail = admin.SpoolFull, "no room within spool.max_bytes and spool.min_free"+pinned(s)
	}
	return out
}

// pinned says how much of a full spool waits for its oldest record alone.
func pinned(s spool.State) string {
	if s.PinnedBytes == 0 {
		return ""
	}
	return fmt.Sprintf("; %d of its %d bytes are delivered and wait for the oldest record to be", s.PinnedBytes, s.Bytes)
}

// requeue puts records that a person wants to be tried again in line, until ctx
// ends. Why that does not work is said when it changes, not at every try.
func (a *App) requeue(ctx context.Context) {
	said := ""
	every(ctx, requeueInterval, func() (done bool) { //nolint:contextcheck // what is taken out of one folder has to reach the other
		stored, err := a.spool.TakeRequeued()
		if why := requeueTrouble(err); why != said {
			said = why
			if err != nil {
				a.log.Error("records of the spool cannot be tried again", zap.String("reason_code", "spool_requeue"), zap.Error(err))
			}
		}
		if len(stored) > 0 {
			a.log.Info("records of the spool are tried again", zap.String("reason_code", "spool_requeue"), zap.Int("records", len(stored)))
			a.publisher.Resume(stored)
		}
		return false
	})
}

// requeueTrouble is what an error of TakeRequeued is about, without the amounts
// that change from one try to the next; "" for none.
func requeueTrouble(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, spool.ErrFull):
		return spool.ErrFull.Error()
	}
	return err.Error()
}

// closeSpool closes the spool, after the publisher, and names what is left in it.
func (a *App) closeSpool() error {
	left := a.spool.State()
	err := a.spool.Close()
	requeued := 0
	for _, err := range spool.Requeued(a.cfg.Spool.Dir) {
		if err == nil {
			requeued++
		}
	}
	if left.Records += requeued; left.Records > 0 {
		a.log.Warn("records are left in the spool: the next start publishes them, or `postrider spool adopt` on another instance",
			zap.String("reason_code", "spool_left"), zap.Int("records", left.Records), zap.Int("requeued", requeued), zap.Int64("bytes", left.Bytes), zap.String("folder", a.cfg.Spool.Dir))
	}
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	return nil
}
