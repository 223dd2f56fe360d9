package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap"
)

// stop takes everything down in the order in which data flows, so that nothing
// acknowledged or accepted is lost: not ready, replays are interrupted → drain delay
// → no new requests, those in progress finish → replays have written down how far
// they are → the last ids of accepted events are written → the publisher drains, the
// spool's records too → the spool closes and what is left in it is named → the
// broker closes → the admin listener last, so that the state can be seen to the end.
func (a *App) stop() error {
	a.health.drain()
	a.api.interrupt()
	var errs []error
	if a.ingest != nil {
		a.stopIngest()
	}
	errs = append(errs, a.api.stop())
	if a.quarantine != nil {
		errs = append(errs, a.closeQuarantine())
	}
	if a.seen != nil {
		a.flushSeen()
	}
	if a.publisher != nil {
		errs = append(errs, a.drain())
	}
	a.cancel() // the probe and a connect still trying
	if a.spool != nil {
		errs = append(errs, a.closeSpool())
	}
	if a.broker != nil {
		errs = append(errs, a.broker.Close())
	}
	errs = append(errs, a.stopAdmin())
	a.background.Wait()
	if a.client != nil {
		a.client.Close() // nobody opens connections any more
	}
	err := errors.Join(errs...)
	if a.ingest != nil { // else start-up failed, and its error says it all
		a.log.Info("stopped", zap.Error(err))
	}
	return err
}

// drain publishes what is pending, for as long as spool.drain_timeout allows.
func (a *App) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.Spool.DrainTimeout)
	defer cancel()
	if err := a.publisher.Close(ctx); err != nil {
		return fmt.Errorf("app: %w", err)
	}
	return nil
}

// stopIngest drains the public listener. What is cut off at the end was never
// accepted: publishing ends within its budget, so only bodies that trickle in
// are left, and their senders were told nothing.
func (a *App) stopIngest() {
	a.log.Info("stopping: no longer ready", zap.Duration("drain_delay", a.cfg.Server.DrainDelay))
	if a.cfg.Server.DrainDelay > 0 {
		<-time.After(a.cfg.Server.DrainDelay)
	}
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.Server.ShutdownTimeout)
	defer cancel()
	if err := a.ingest.Shutdown(ctx); err != nil {
		a.log.Warn("requests that never became complete were cut off", zap.String("reason_code", "cut_off"), zap.Error(err))
	}
}

// stopAdmin closes the sockets that are still open.
func (a *App) stopAdmin() error {
	var err error
	if a.admin != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err = a.admin.Shutdown(ctx)
	}
	for _, socket := range []net.Listener{a.webhooks, a.adminSocket} {
		if socket != nil {
			_ = socket.Close() // closed before, unless start-up failed half-way
		}
	}
	return err
}
