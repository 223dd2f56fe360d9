package trace_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/internal/trace"
	"github.com/postrider/postrider/pkg/event"
)

// bound is the time for one step on the real broker.
const bound = 20 * time.Second

// kafka starts the broker with topics of six partitions.
func kafka(t *testing.T, topics ...string) *broker.Client {
	t.Helper()
	b, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	client, err := broker.Dial(broker.Options{Brokers: []string{b.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	var specs []broker.TopicSpec
	for _, name := range topics {
		specs = append(specs, broker.TopicSpec{Name: name, Partitions: 6, Embedded: true, Configs: map[string]string{"cleanup.policy": "delete"}})
	}
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	if _, err := client.EnsureTopics(ctx, specs, true); err != nil {
		t.Fatal(err)
	}
	return client
}

// TestOnABroker traces one message among many, whose records the publisher placed.
func TestOnABroker(t *testing.T) {
	t.Parallel()
	topics := []string{"email.sent", "email.delivered", "email.opened", "email.raw", "email.deadletter"}
	client := kafka(t, topics...)
	began := time.Now().Add(-time.Hour).Truncate(time.Second)
	var records []broker.Record
	for i := range 300 {
		for j, typ := range []event.Type{event.Sent, event.Delivered, event.Opened} {
			at := began.Add(time.Duration(i+60*j) * time.Second)
			raw := fmt.Sprintf("%d-%d", i, j)
			e := event.Event{
				Schema: event.Schema, ID: fmt.Sprintf("%s%d", typ, i), Type: typ, Family: typ.Family(), Direction: event.Outbound, Provider: "vfs", Source: "shop",
				OccurredAt: event.NewTime(at, 0), ReceivedAt: event.NewTime(at, 3), MessageID: fmt.Sprint("m", i), Recipient: fmt.Sprintf("user%d@example.com", i), RawID: raw,
			}
			records = append(records,
				broker.Record{Topic: "email." + string(typ), Key: []byte(e.Key()), Value: e.AppendJSON(nil), Headers: e.AppendHeaders(nil, event.Stamp{}), Time: at},
				broker.Record{Topic: "email.raw", Key: []byte("shop/" + raw), Value: []byte("{}"), Time: at})
		}
	}
	pub := broker.NewPublisher(client, broker.PublisherOptions{Now: time.Now, Budget: bound})
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	if err := pub.Publish(ctx, records); err != nil {
		t.Fatal(err)
	}
	if err := pub.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]trace.Query{
		"message":   {MessageID: "m123"},
		"scan":      {MessageID: "m123", Scan: true},
		"window":    {MessageID: "m123", From: began.Add(123 * time.Second), To: began.Add(time.Hour)},
		"recipient": {Recipient: "USER123@example.com"},
		"event":     {EventID: "delivered123"},
	} {
		q.Sources = []trace.Source{{Provider: "vfs", Name: "shop"}}
		res, err := trace.New(trace.Options{Store: client, Topics: trace.Topics{Typed: topics[:3], Raw: "email.raw", Deadletter: "email.deadletter", Key: "message"}}).Trace(ctx, q)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(res.Stories) != 1 || res.Stories[0].Headline != "delivered, then opened once" || len(res.Stories[0].Steps) != 3 || len(res.Requests) != 3 {
			t.Errorf("%s: %+v", name, res)
			continue
		}
		for _, r := range res.Requests {
			if r.State != trace.RequestFound {
				t.Errorf("%s: request %s is %s", name, r.RawID, r.State)
			}
		}
		if q.MessageID != "" && !q.Scan && res.Searched.Partitions != 3 {
			t.Errorf("%s: read %d partitions", name, res.Searched.Partitions)
		}
	}
}
