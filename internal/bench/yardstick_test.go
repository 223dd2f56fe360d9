package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/pkg/webhook"
)

// testBroker starts a broker with one topic and returns how to read that.
func testBroker(t *testing.T, topic string, partitions int) (address string, client *broker.Client) {
	t.Helper()
	b, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Dir: filepath.Join(t.TempDir(), "broker"), MaxBytesPerPartition: 64 << 20, SegmentBytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	client, err = broker.Dial(broker.Options{Brokers: []string{b.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if _, err := client.EnsureTopics(t.Context(), []broker.TopicSpec{{Name: topic, Partitions: partitions, Embedded: true}}, true); err != nil {
		t.Fatal(err)
	}
	return b.Addr(), client
}

// TestYardstick: what is answered 200 lies in the topic, once and readable; a wrong
// signature is refused, and what is no event.
func TestYardstick(t *testing.T) {
	const topic, partitions, events = "yardstick", 3, 40
	address, reads := testBroker(t, topic, partitions)
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	y := &yardstick{secret: []byte(testSecret), lanes: newLanes(transport, []string{address}, topic, partitions)}
	server := httptest.NewServer(y.handler())
	defer server.Close()

	l := newLedger()
	s := &steady{address: server.Listener.Addr().String(), ledger: l, write: func(serial int, now time.Time) ([]byte, error) {
		return singleRequest(serial, testSecret, now)
	}}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c := &client{address: s.address}
			defer c.hangUp()
			for range events / 4 {
				s.one(t.Context(), c)
			}
		})
	}
	wg.Wait()
	found, err := serials(t.Context(), reads, topic)
	if err != nil {
		t.Fatal(err)
	}
	var o outage
	l.compare(found, &o)
	if o.Accepted != events || o.Lost+o.Twice+o.Refused+o.Unanswered != 0 || len(found) != events {
		t.Errorf("%d found, %+v; want all %d accepted, and each there once", len(found), o, events)
	}

	for name, tt := range map[string]struct {
		secret, body string
		want         int
	}{
		"wrong signature": {"another", `{}`, http.StatusUnauthorized},
		"no event":        {testSecret, `{}`, http.StatusBadRequest},
	} {
		req := webhook.Request{Header: http.Header{}, Body: []byte(tt.body)}
		if err := webhook.Sign(webhook.Config{Type: "jetemail"}, webhook.Secret{ID: "test", Value: []byte(tt.secret)}, &req, time.Now()); err != nil {
			t.Fatal(err)
		}
		raw, err := wire(sourceName, &req)
		if err != nil {
			t.Fatal(err)
		}
		c := &client{address: s.address}
		got, err := c.send(t.Context(), raw, window{to: time.Now(), grace: time.Minute})
		c.hangUp()
		if got != tt.want || err != nil {
			t.Errorf("%s: status %d, %v; want %d", name, got, err, tt.want)
		}
	}
}

// TestLaneSendsABatchAgain: what was sent twice under one sequence number is there once.
func TestLaneSendsABatchAgain(t *testing.T) {
	address, reads := testBroker(t, "again", 1)
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	l := newLanes(transport, []string{address}, "again", 1)[0]
	if err := l.identify(t.Context()); err != nil {
		t.Fatal(err)
	}
	batch := l.encode([]*waiting{{value: []byte(eventID(1))}, {value: []byte(eventID(2))}}, 1_760_000_000_000)
	for range 2 {
		if err := l.send(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	found, err := serials(t.Context(), reads, "again")
	if err != nil || len(found) != 2 || found[1] != 1 || found[2] != 1 {
		t.Errorf("found %v, %v; want both once", found, err)
	}
}
