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
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
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
	// CleanEvery is how often retention is applied; 0 means 5 seconds.
	CleanEvery time.Duration
	// Log receives the broker's warnings; nil discards them.
	Log *zap.Logger
}

// Broker is a running broker. Its methods are safe for concurrent use.
type Broker struct {
	cluster *kfake.Cluster
	lock    *dirLock
	addr    string
	quit    chan struct{}
	cleaner sync.WaitGroup
	once    sync.Once
	err     error
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
	b, err := start(o)
	if err != nil {
		return nil, errors.Join(err, lock.release())
	}
	b.lock = lock
	return b, nil
}

// Addr is the host:port to connect to.
func (b *Broker) Addr() string { return b.addr }

// Close stops listening, writes what a quick next start needs, and unlocks the
// folder. Requests in progress are cut off. Closing again does nothing.
func (b *Broker) Close() error {
	b.once.Do(func() {
		// The cleaner ends first: it talks to the cluster's loop.
		close(b.quit)
		b.cleaner.Wait()
		b.cluster.Close()
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
	if o.Log == nil {
		o.Log = zap.NewNop()
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
	if o.MaxBytesPerPartition < 0 || o.SegmentBytes < 0 || o.CleanEvery < 0 {
		return errors.New("embedded broker: kafka.embedded.max_bytes and segment_bytes must not be negative")
	}
	return nil
}

func start(o Options) (*Broker, error) {
	cluster, err := kfake.NewCluster(o.cluster()...)
	if err != nil {
		return nil, startError(o, err)
	}
	b := &Broker{cluster: cluster, addr: cluster.ListenAddrs()[0], quit: make(chan struct{})}
	if err := ready(b.addr); err != nil {
		cluster.Close()
		return nil, err
	}
	b.cleaner.Go(func() { b.clean(o.CleanEvery) })
	return b, nil
}

func (o Options) cluster() []kfake.Opt {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("postrider-embedded"),
		kfake.DataDir(o.Dir),
		kfake.ListenFn(o.listen),
		kfake.WithLogger(logger{o.Log}),
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

// listen replaces the address that kfake would choose.
func (o Options) listen(network, _ string) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), network, o.Listen)
	if err != nil {
		return nil, err
	}
	return guardListener{ln}, nil
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

// clean applies retention. kfake's own cleaner is not enough: it wakes once an
// hour, looks only at topics that set retention themselves, and after a restart
// sleeps until some topic is created or altered.
func (b *Broker) clean(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-b.quit:
			return
		case <-tick.C:
			b.cluster.ApplyRetention()
		}
	}
}

// logger passes kfake's messages to zap. Its information level is one line a
// refused request, so everything below a warning is debug.
type logger struct{ log *zap.Logger }

// Logf implements kfake.Logger.
func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelNone:
	case kfake.LogLevelError:
		l.log.Sugar().Errorf("embedded broker: "+format, args...)
	case kfake.LogLevelWarn:
		l.log.Sugar().Warnf("embedded broker: "+format, args...)
	case kfake.LogLevelInfo, kfake.LogLevelDebug:
		l.log.Sugar().Debugf("embedded broker: "+format, args...)
	}
}
