// Package embedded is a Kafka broker inside this process, for trying,
// developing and small single-machine use. It is the single-node broker of
// franz-go's kfake behind a guard: the folder is locked, the port opens to
// clients only with the data loaded, retention runs from the first second, and
// bytes that are not the Kafka protocol cannot hurt the process.
//
// What is acknowledged survives the end of the process, kill -9 included; with
// Sync it survives the end of the machine as far as its disk keeps an fsync.
// There is one copy of the data. It has no authentication, so it belongs on a
// loopback address.
//
// No record is acknowledged that is not in its file. When a write fails, as on a
// full disk, all further records are refused until the folder was loaded anew;
// before the disk is full they are refused too (Broker.Health).
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"
)

// Defaults and bounds.
const (
	// DefaultMaxBytes keeps the memory and time of a restart small: what a
	// partition retains is read back when the process was killed.
	DefaultMaxBytes = 64 << 20
	// DefaultSegmentBytes bounds what retention overshoots by: files are
	// deleted as a whole.
	DefaultSegmentBytes = 8 << 20

	// DefaultMinFreeBytes is the reserve of free disk space: it lets what was
	// begun be finished, and the broker be closed in order.
	DefaultMinFreeBytes = 64 << 20

	defaultCleanEvery = 5 * time.Second
	readyTimeout      = 30 * time.Second
	dirMode           = 0o700
)

// Options say where the broker listens and keeps its data.
type Options struct {
	// Listen is host:port, the address that clients are told to connect to;
	// port 0 takes a free one. An unspecified host such as 0.0.0.0 is refused,
	// because no client could connect to it.
	Listen string
	// Dir is the data folder; it is created with mode 0700 and locked.
	Dir string
	// Sync makes every acknowledgement wait for fsync.
	Sync bool
	// MaxBytesPerPartition is the size in bytes at which a partition's oldest
	// records are deleted, unless its topic sets retention.bytes itself. 0
	// means DefaultMaxBytes.
	MaxBytesPerPartition int64
	// SegmentBytes is the size in bytes of a partition's files, unless its
	// topic sets segment.bytes itself. 0 means DefaultSegmentBytes.
	SegmentBytes int64
	// CleanEvery is how often retention is applied, and how often it is tried
	// to go on after a failed write; 0 means 5 seconds.
	CleanEvery time.Duration
	// MinFreeBytes is the free space, in bytes, on the folder's file system below
	// which records are refused. 0 means DefaultMinFreeBytes.
	MinFreeBytes int64
	// Log receives the broker's warnings; nil discards them.
	Log *zap.Logger

	free func(dir string) (int64, error) // replaced by tests
}

// Broker is a running broker. Its methods are safe for concurrent use.
type Broker struct {
	opts    Options
	storage *storage
	damage  atomic.Pointer[[]string]
	lock    *dirLock
	quit    chan struct{}
	once    sync.Once
	err     error

	addr string // set by the first open

	// supervisor owns the cluster from Start to Close; the cluster is nil while
	// it could not be opened again.
	supervisor sync.WaitGroup
	cluster    *kfake.Cluster
}

// Notice says in a sentence or two what the embedded broker is for and what it
// is not for, to be shown at every start.
func Notice() string {
	return "embedded broker: one process, one copy of the data, no authentication; " +
		"made for trying, developing and small use on a single machine. " +
		"For anything else set kafka.brokers to an Apache Kafka cluster."
}

// Start opens the data folder and listens. It returns when clients are
// answered, all data loaded. Topics are not created by asking for them: a
// client that comes before its topic gets UNKNOWN_TOPIC_OR_PARTITION.
func Start(o Options) (*Broker, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, dirMode); err != nil {
		return nil, fmt.Errorf("embedded broker: data folder (kafka.embedded.dir): %w", err)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	b := &Broker{opts: o, lock: lock, quit: make(chan struct{})}
	b.storage = &storage{log: o.Log, dir: o.Dir, minFree: o.MinFreeBytes, free: o.free}
	if err := b.open(); err != nil {
		return nil, errors.Join(err, lock.release())
	}
	b.supervisor.Go(func() { b.supervise(o.CleanEvery) })
	return b, nil
}

// Addr is the host:port to connect to. It stays the same.
func (b *Broker) Addr() string { return b.addr }

// Health is nil while records are taken. Otherwise it tells why not and what to
// do: a write failed, or the disk is nearly full. Produce requests are then
// answered with NOT_ENOUGH_REPLICAS, and nothing is appended; reading goes on.
// The broker goes on by itself, after a failed write by loading anew what is on
// the disk.
func (b *Broker) Health() error { return b.storage.health() }

// Damage lists the partitions, such as email.opened-3, in whose files damaged
// records were found while loading, now or earlier. The files as they were are
// in the data folder's "damaged"; the list is empty after that folder was
// removed and the broker started again.
func (b *Broker) Damage() []string { return slices.Clone(*b.damage.Load()) }

// Close stops listening, writes what a quick next start needs, and unlocks the
// folder. Requests in progress are cut off. Closing again does nothing.
func (b *Broker) Close() error {
	b.once.Do(func() {
		// The supervisor ends first: it talks to the cluster's loop.
		close(b.quit)
		b.supervisor.Wait()
		b.shut()
		b.err = b.lock.release()
	})
	return b.err
}

func (o Options) withDefaults() Options {
	if o.MaxBytesPerPartition == 0 {
		o.MaxBytesPerPartition = DefaultMaxBytes
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	if o.CleanEvery == 0 {
		o.CleanEvery = defaultCleanEvery
	}
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = DefaultMinFreeBytes
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.free == nil {
		o.free = freeBytes
	}
	return o
}

func (o Options) check() error {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("embedded broker: kafka.embedded.listen %q is not host:port: %w", o.Listen, err)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		return fmt.Errorf("embedded broker: kafka.embedded.listen %q: clients are told to connect to this address, "+
			"so give one they can reach, such as 127.0.0.1", o.Listen)
	}
	if o.Dir == "" {
		return errors.New("embedded broker: kafka.embedded.dir is empty: name the folder that keeps the data")
	}
	if o.MaxBytesPerPartition < 0 || o.SegmentBytes < 0 || o.CleanEvery < 0 || o.MinFreeBytes < 0 {
		return errors.New("embedded broker: kafka.embedded.max_bytes and segment_bytes must not be negative")
	}
	return nil
}

func (o Options) cluster(log kfake.Logger, gate <-chan struct{}) []kfake.Opt {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("postrider-embedded"),
		kfake.DataDir(o.Dir),
		kfake.ListenFn(o.listen(gate)),
		kfake.WithLogger(log),
		kfake.BrokerConfigs(map[string]string{
			"log.retention.bytes": strconv.FormatInt(o.MaxBytesPerPartition, 10),
			"log.segment.bytes":   strconv.FormatInt(o.SegmentBytes, 10),
		}),
	}
	if o.Sync {
		opts = append(opts, kfake.SyncWrites())
	}
	return opts
}

// listen replaces the address that kfake would choose. Clients wait for the gate.
func (o Options) listen(gate <-chan struct{}) func(network, _ string) (net.Listener, error) {
	return func(network, _ string) (net.Listener, error) {
		ln, err := (&net.ListenConfig{}).Listen(context.Background(), network, o.Listen)
		if err != nil {
			return nil, err
		}
		return guardListener{ln, gate}, nil
	}
}

func startError(o Options, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("embedded broker: %s is taken by another program: "+
			"stop it, or choose another address with kafka.embedded.listen: %w", o.Listen, err)
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("embedded broker: cannot listen on %s (kafka.embedded.listen): %w", o.Listen, err)
	}
	return fmt.Errorf("embedded broker: open %s (kafka.embedded.dir): %w", o.Dir, err)
}

// ready waits for the first answer to a metadata request.
func ready(addr string) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	conn, err := (&kafka.Dialer{Timeout: readyTimeout}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("embedded broker: not ready: %w", err)
	}
	defer func() { _ = conn.Close() }() // it was only read from
	if _, err := conn.Brokers(); err != nil {
		return fmt.Errorf("embedded broker: not ready: %w", err)
	}
	return nil
}
