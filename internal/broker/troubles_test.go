package broker

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// Nobody waits for the records of callers that have left, and they are never
// published: no acknowledgement would ever end that trouble.
func TestTroublesEndWhenTheirCallersHaveLeft(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	var away atomic.Bool
	r.produce = &faulty{RoundTripper: r.produce, before: func() error {
		if away.Load() {
			return errors.New("no answer")
		}
		return nil
	}}
	r.mustPublish(record("before"))
	away.Store(true)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	left := make(chan error, 1)
	go func() { left <- r.Publish(ctx, records("late")) }()
	eventually(t, "the trouble is told", func() bool { return r.Troubles()[testTopic] != nil })
	cancel()
	if err := <-left; err == nil {
		t.Fatal("published although Kafka is away")
	}
	eventually(t, "the trouble is over", func() bool { return len(r.Troubles()) == 0 })
}

// A topic that is not there is no trouble of somebody who has given up either.
func TestTroublesOfAMissingTopicEndWithTheirCallers(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	left := make(chan error, 1)
	go func() { left <- r.Publish(ctx, []Record{{Topic: "missing", Value: []byte("x")}}) }()
	eventually(t, "the trouble is told", func() bool { return r.Troubles()["missing"] != nil })
	cancel()
	if err := <-left; err == nil {
		t.Fatal("published to a topic that is not there")
	}
	eventually(t, "the trouble is over", func() bool { return len(r.Troubles()) == 0 })
}

// A publisher that is closed says nothing against the topics it was asking for.
func TestAClosedPublisherBlamesNoTopic(t *testing.T) {
	core, logged := observer.New(zap.ErrorLevel)
	r := newRig(t, PublisherOptions{Log: zap.New(core)})
	asked := make(chan struct{}, 1)
	r.wait = func(ctx context.Context, _ time.Duration) error {
		asked <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	left := make(chan error, 1)
	go func() { left <- r.Publish(context.Background(), []Record{{Topic: "missing", Value: []byte("x")}}) }()
	<-asked
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Close(over); err == nil {
		t.Error("nothing was left unpublished")
	}
	if err := <-left; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want that the publisher is closed", err)
	}
	if n := logged.Len(); n != 0 {
		t.Errorf("logged %+v", logged.All())
	}
}
