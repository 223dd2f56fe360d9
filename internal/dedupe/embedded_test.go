package dedupe_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/internal/dedupe"
)

// bound is the time for one step on the real broker.
const bound = 20 * time.Second

// kafka starts the broker on a folder; stop ends it.
func kafka(t *testing.T, dir string) (addr string, stop func()) {
	t.Helper()
	b, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Dir: dir, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b.Addr(), func() { b.Close() }
}

// process is a receiver's part of this package with its own connection.
type process struct {
	*dedupe.Window
	j    *dedupe.Journal
	stop func() // as a receiver stops: the last ids are written
}

func startProcess(t *testing.T, addr string) *process {
	t.Helper()
	client, err := broker.Dial(broker.Options{Brokers: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	pub := broker.NewPublisher(client, broker.PublisherOptions{Now: time.Now, Budget: bound})
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	spec := broker.TopicSpec{
		Name: "email.seen", Partitions: 1, Embedded: true,
		Configs: map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "3600000"},
	}
	if _, err := client.EnsureTopics(ctx, []broker.TopicSpec{spec}, true); err != nil {
		t.Fatal(err)
	}
	p := &process{Window: dedupe.New(dedupe.Options{Window: time.Hour, MaxIDs: 1000, Now: time.Now})}
	p.j = dedupe.NewJournal(p.Window, dedupe.JournalOptions{
		Topic: spec.Name, Publisher: pub, Reader: client, Share: true, Now: time.Now, Log: zap.NewNop(),
	})
	running, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.j.Run(running) }()
	p.stop = func() {
		end()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		if err := p.j.Flush(ctx); err != nil {
			t.Error(err)
		}
		if err := pub.Close(ctx); err != nil {
			t.Error(err)
		}
		client.Close()
	}
	select {
	case <-p.j.Loaded():
	case <-ctx.Done():
		t.Fatalf("the topic was not read: %+v", p.j.State())
	}
	return p
}

// eventually waits until the process knows so many ids.
func (p *process) eventually(t *testing.T, ids int) {
	t.Helper()
	over := time.After(bound)
	for again := time.NewTicker(time.Millisecond); p.IDs() != ids; {
		select {
		case <-again.C:
		case <-over:
			t.Fatalf("%d ids, want %d: %+v", p.IDs(), ids, p.j.State())
		}
	}
}

// Ids survive a restart of receiver and broker, and two receivers that share the
// topic know each other's.
func TestIDsOnARealBroker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addr, stop := kafka(t, dir)
	a, b := startProcess(t, addr), startProcess(t, addr)
	wantVerdict(t, accept(t, a.Window, event(1, 1)), dedupe.Fresh)
	b.eventually(t, 1)
	wantVerdict(t, accept(t, b.Window, event(1, 1)), dedupe.Repeat)
	wantVerdict(t, accept(t, b.Window, event(2, 1)), dedupe.Fresh)
	a.eventually(t, 2)
	wantVerdict(t, accept(t, a.Window, event(2, 2)), dedupe.Conflict) // as the last thing it does
	a.stop()
	b.eventually(t, 3)
	b.stop()
	stop()

	addr, _ = kafka(t, dir)
	c := startProcess(t, addr)
	defer c.stop()
	if got := c.IDs(); got != 3 {
		t.Errorf("%d ids after the restart, want 3", got)
	}
	for _, e := range []dedupe.Event{event(1, 1), event(2, 1), event(2, 2)} {
		wantVerdict(t, accept(t, c.Window, e), dedupe.Repeat)
	}
	wantVerdict(t, accept(t, c.Window, event(3, 1)), dedupe.Fresh)
}
