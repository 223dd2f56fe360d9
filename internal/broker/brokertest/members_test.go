package brokertest_test

import (
	"context"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
)

// A member outlives its broker: told that its partitions are in doubt, it comes again
// and goes on where it committed.
func TestMemberOutlivesTheBroker(t *testing.T) {
	t.Parallel()
	o := embedded.Options{Listen: "127.0.0.1:0", Dir: t.TempDir()}
	b, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	o.Listen = b.Addr()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := broker.Dial(broker.Options{Brokers: []string{b.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.EnsureTopics(ctx, []broker.TopicSpec{{Name: "orders", Partitions: 1, Embedded: true}}, true); err != nil {
		t.Fatal(err)
	}
	p := broker.NewPublisher(c, broker.PublisherOptions{Now: time.Now, Budget: 20 * time.Second})
	defer p.Close(ctx)
	publish := func() {
		t.Helper()
		if err := p.Publish(ctx, []broker.Record{{Topic: "orders", Key: []byte("k"), Value: []byte("v")}}); err != nil {
			t.Fatal(err)
		}
	}
	publish()
	m, err := c.Join(broker.JoinOptions{Group: "g", Topics: []string{"orders"}, SessionTimeout: 6 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	a, err := m.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	streamed := make(chan error, 1)
	go func() {
		streamed <- c.Stream(ctx, a.Partitions, broker.StreamOptions{
			Room: func(string, int) int { return 1 << 20 },
			Deliver: func(b broker.Batch) error {
				if b.Next == 2 {
					return broker.ErrStop
				}
				return nil
			},
		})
	}()
	if err := a.Commit(ctx, map[string]map[int]int64{"orders": {0: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	<-a.Revoked()
	a.Release()
	if b, err = embedded.Start(o); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	publish()
	if err := <-streamed; err != nil {
		t.Errorf("Stream over the restart: %v", err)
	}
	if a, err = m.Next(ctx); err != nil {
		t.Fatal(err)
	}
	defer a.Release()
	if want := (broker.Position{Topic: "orders", Offset: 1}); len(a.Partitions) != 1 || a.Partitions[0] != want {
		t.Errorf("assigned %v, want %v", a.Partitions, want)
	}
}
