package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// The first thing that many see of an example is that there is no broker.
func TestNoBroker(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	here := listener.Addr().String()
	if err := reachable(t.Context(), []string{"127.0.0.1:1", here}); err != nil {
		t.Errorf("one of two brokers is there: %v", err)
	}
	listener.Close()
	started := false
	err = live(t.Context(), func(context.Context, consumer.Config, io.Writer) error {
		started = true
		return nil
	}, []string{here})
	if err == nil || started {
		t.Fatalf("err = %v, started: %v; want an error before it starts", err, started)
	}
	for _, want := range []string{here, "postrider serve", "postrider send --all", "POSTRIDER_KAFKA_BROKERS", "-demo"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %s:\n%v", want, err)
		}
	}
}

func TestDemoEndsWithTheSamples(t *testing.T) {
	samples := []event.Event{{Type: event.Opened, MessageID: "1"}, {Type: event.Clicked, MessageID: "2"}}
	run := func(ctx context.Context, cfg consumer.Config, out io.Writer) error {
		cfg.Topics = consumer.EventTopics("email", event.Opened, event.Clicked)
		c, err := consumer.New(cfg, consumer.Events(func(_ context.Context, e *event.Event) error {
			_, err := io.WriteString(out, e.MessageID)
			return err
		}))
		if err != nil {
			return err
		}
		return c.Run(ctx)
	}
	var out bytes.Buffer
	if err := Demo(t.Context(), run, samples, &out); err != nil || out.Len() != 2 {
		t.Errorf("err = %v, wrote %q", err, &out)
	}
	failing := errors.New("no")
	err := Demo(t.Context(), func(context.Context, consumer.Config, io.Writer) error { return failing }, samples, io.Discard)
	if !errors.Is(err, failing) {
		t.Errorf("err = %v, want that of the example", err)
	}
}
