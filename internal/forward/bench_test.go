package forward_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/internal/forward"
	"github.com/postrider/postrider/pkg/consumer"
)

// BenchmarkForward is one delivery from the topic to a target on this machine that
// answers at once, in the whole loop: read, filter, sign, send, commit. The target and
// the broker take part of the processors.
func BenchmarkForward(b *testing.B) {
	kafka := fill(b, b.N)
	var came atomic.Int64
	all := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
		if came.Add(1) == int64(b.N) {
			close(all)
		}
	}))
	defer s.Close()
	subscription := sub("bench", &target{Server: s})
	subscription.Concurrency = 16
	f, err := forward.New(forward.Options{
		Subscriptions: []forward.Subscription{subscription}, Kafka: consumer.Kafka{Brokers: []string{kafka}}, KeyKind: "message", Now: time.Now, Log: zap.NewNop(),
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	b.ReportAllocs()
	b.ResetTimer()
	go func() { defer close(done); f.Run(ctx) }()
	<-all
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	cancel()
	<-done
}

// fill starts a broker whose topic holds n events.
func fill(b *testing.B, n int) (address string) {
	b.Helper()
	k, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = k.Close() })
	client, err := broker.Dial(broker.Options{Brokers: []string{k.Addr()}})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	if _, err := client.EnsureTopics(b.Context(), []broker.TopicSpec{{Name: "email.bounced", Partitions: 6}}, true); err != nil {
		b.Fatal(err)
	}
	p := broker.NewPublisher(client, broker.PublisherOptions{Now: time.Now, Budget: bound})
	defer func() { _ = p.Close(context.Background()) }()
	const batch = 1000
	for i := 0; i < n; i += batch {
		var recs []broker.Record
		for j := i; j < min(n, i+batch); j++ {
			recs = append(recs, record(bounced(100*j)))
		}
		if err := p.Publish(b.Context(), recs); err != nil {
			b.Fatal(err)
		}
	}
	return k.Addr()
}
