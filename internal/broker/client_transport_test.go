package broker

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// asked is what a cluster was asked for the metadata of.
type asked struct {
	mu     sync.Mutex
	topics []string // of each request: its topics, or "all"
}

// listen records the metadata requests that reach a cluster.
func (a *asked) listen(cluster *kfake.Cluster) {
	cluster.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		m, ok := req.(*kmsg.MetadataRequest)
		if !ok {
			return nil, nil, false
		}
		topics := "all"
		if m.Topics != nil {
			var names []string
			for _, t := range m.Topics {
				names = append(names, *t.Topic)
			}
			slices.Sort(names)
			topics = strings.Join(names, ",")
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.topics = append(a.topics, topics)
		return nil, nil, false
	})
}

// count is how many requests were for exactly these topics.
func (a *asked) count(topics string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, t := range a.topics {
		if t == topics {
			n++
		}
	}
	return n
}

func TestOnlyOwnTopicsAreAskedFor(t *testing.T) {
	r := newRig(t, PublisherOptions{}, kfake.SeedTopics(3, "theirs", "others"))
	var seen asked
	seen.listen(r.cluster)
	if err := r.client.Ping(t.Context()); err != nil { // before any topic was named
		t.Fatal(err)
	}
	r.mustPublish(record("a"))
	eventually(t, "kafka-go has asked again by itself", func() bool { return seen.count(testTopic) >= 3 })
	if n := seen.count("all"); n != 0 {
		t.Errorf("all topics were asked for %d times", n)
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for _, topics := range seen.topics {
		if topics != "" && topics != testTopic { // "": where the brokers are
			t.Errorf("metadata was asked of %s", topics)
		}
	}
}

// What a list of all topics costs is paid once: kafka-go does not go on asking for them.
func TestAllTopicsAreAskedForOnce(t *testing.T) {
	r := newRig(t, PublisherOptions{}, kfake.SeedTopics(3, "theirs"))
	var seen asked
	seen.listen(r.cluster)
	found, err := r.client.Topics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 {
		t.Errorf("%d topics were found, want 2", len(found))
	}
	r.mustPublish(record("a"))
	eventually(t, "kafka-go has asked again by itself", func() bool { return seen.count(testTopic) >= 4 })
	if n := seen.count("all"); n != 1 {
		t.Errorf("all topics were asked for %d times, want once", n)
	}
}

func TestTopicsThatAreKnownBeforehandCostOneView(t *testing.T) {
	names := []string{"a", "b", "c", "missing"}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, names[:3]...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	c, err := Dial(Options{Brokers: cluster.ListenAddrs(), Topics: names})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	before := c.transport.view.Load()
	for _, name := range names[:3] {
		if _, err := c.layout(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	found, err := c.layout(t.Context(), names...)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 3 {
		t.Errorf("%d topics were found, want those 3 that exist", len(found))
	}
	if c.transport.view.Load() != before {
		t.Error("the view was replaced although every topic was known")
	}
}

// Whatever was replaced while others were about to use it is closed in the end, with its
// connections and whoever asks for metadata.
func TestReplacedViewsAreClosed(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	var open atomic.Int64
	plain := r.client.transport.build
	r.client.transport.build = func() *kafka.Transport {
		made := plain()
		dial := made.Dial
		made.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			open.Add(1)
			return &openConn{Conn: conn, open: &open}, nil
		}
		return made
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if _, err := r.client.layout(context.Background(), testTopic, fmt.Sprint("topic", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(r.client.transport.view.Load().topics); n != 41 {
		t.Errorf("%d topics are known, want 41", n)
	}
	if open.Load() == 0 {
		t.Error("no connection was counted")
	}
	late := r.client.transport.view.Load()
	if _, err := r.client.layout(t.Context(), "one more"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.transport.through(t.Context(), late, r.client.addr, &apiversions.Request{}); err != nil {
		t.Error(err)
	}
	r.client.Close()
	eventually(t, "every connection is closed", func() bool { return open.Load() == 0 })
}

// openConn is a connection that counts while it is open.
type openConn struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

func (c *openConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

func TestNamesOfTopicsCostNoSettings(t *testing.T) {
	r := newRig(t, PublisherOptions{}, kfake.SeedTopics(3, "theirs"))
	var settings atomic.Int32
	r.cluster.ControlKey(int16(kmsg.DescribeConfigs), func(kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		settings.Add(1)
		return nil, nil, false
	})
	names, err := r.client.TopicNames(t.Context())
	if err != nil || !slices.Equal(names, []string{testTopic, "theirs"}) {
		t.Errorf("topics are %v (%v)", names, err)
	}
	if n := settings.Load(); n != 0 {
		t.Errorf("settings were asked for %d times", n)
	}
	if _, err := r.client.Topics(t.Context()); err != nil || settings.Load() == 0 {
		t.Errorf("Topics: %v, after %d requests for settings", err, settings.Load())
	}
}
