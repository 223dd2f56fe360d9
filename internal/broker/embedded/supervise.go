package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"
)

// windowsName is kfake's file of the sequence numbers it has seen.
const windowsName = "seq_windows.json"

// open loads the folder and lets clients in. The cluster is nil after an error.
func (b *Broker) open() error {
	b.storage.loading.Store(true)
	if err := b.load(); err != nil {
		return err
	}
	if err := ready(b.addr); err != nil {
		b.shut()
		return err
	}
	return nil
}

// load opens the port last, when every refusal is in place.
func (b *Broker) load() error {
	// These numbers may count batches that were never written, or be older
	// than the log. A batch must not be taken for a repeated one on their word;
	// without them one may be appended twice, which is the lesser evil.
	if err := remove(filepath.Join(b.opts.Dir, windowsName)); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	found, err := repair(b.opts.Dir, b.opts.Log)
	if err != nil {
		return err
	}
	gate := make(chan struct{})
	defer close(gate)
	cluster, err := kfake.NewCluster(b.opts.cluster(b.storage, gate)...)
	if err != nil {
		return startError(b.opts, err)
	}
	b.cluster = cluster
	if b.addr == "" {
		b.addr = cluster.ListenAddrs()[0]
		b.opts.Listen = b.addr // a port that was chosen stays
	}
	cluster.Fault(b.storage.fault())
	b.damage.Store(&found)
	b.storage.failure.Store(nil)
	b.storage.loading.Store(false)
	return nil
}

// shut closes the cluster, if there is one.
func (b *Broker) shut() {
	if b.cluster != nil {
		b.cluster.Close()
		b.cluster = nil
	}
}

// supervise applies retention and brings the broker back after a failed write.
// kfake's own cleaner is not enough: it wakes once an hour, looks only at topics
// that set retention themselves, and after a restart sleeps until some topic is
// created or altered.
func (b *Broker) supervise(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	told := false
	for {
		select {
		case <-b.quit:
			return
		case <-tick.C:
			if b.cluster != nil {
				b.cluster.ApplyRetention()
			}
			if b.storage.failed() {
				b.revive()
			}
			told = b.tell(told)
		}
	}
}

// revive opens the folder anew once it can be written. Connections are cut;
// clients come back.
func (b *Broker) revive() {
	if err := b.storage.probe(); err != nil {
		b.opts.Log.Debug("embedded broker: not yet", zap.Error(err))
		return
	}
	b.shut()
	if err := b.open(); err != nil {
		b.opts.Log.Warn("embedded broker: not opened again", zap.Error(err))
		text := err.Error()
		b.storage.failure.Store(&text)
	}
}

// tell logs that records are refused or taken again, and returns which.
func (b *Broker) tell(told bool) bool {
	err := b.storage.health()
	switch {
	case err != nil && !told:
		b.opts.Log.Error("no records are taken", zap.String("reason_code", "broker_storage"), zap.Error(err))
	case err == nil && told:
		b.opts.Log.Info("records are taken again", zap.String("reason_code", "broker_storage"))
	}
	return err != nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}
