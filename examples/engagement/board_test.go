package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/postrider/postrider/examples/internal/cluster"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/event"
)

func TestBoard(t *testing.T) {
	yes, no := true, false
	b := newBoard()
	for i, err := range consumertest.Feed(
		t.Context(), consumer.Events(b.handle),
		consumertest.Message(event.Event{Type: event.Opened, MessageID: "m", Tags: []string{"a", "b", "a"}}),
		consumertest.Message(event.Event{Type: event.Opened, MessageID: "m", Engagement: &event.Engagement{Bot: &no}}),
		consumertest.Message(event.Event{Type: event.Clicked, MessageID: "m", Engagement: &event.Engagement{Bot: &yes}}),
		consumertest.Message(event.Event{Type: event.Clicked, MessageID: "m", Test: true}),
	) {
		if err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
	if got, want := *b.messages["test/test/m"], (counts{opens: 2, botClicks: 1}); got != want {
		t.Errorf("message: %+v, want %+v", got, want)
	}
	if got, want := *b.tags["a"], (counts{opens: 1}); got != want || *b.tags["b"] != want || len(b.tags) != 2 {
		t.Errorf("tags: a %+v, b %+v, %d tags; want %+v for both", got, *b.tags["b"], len(b.tags), want)
	}
	var out bytes.Buffer
	if err := b.write(&out); err != nil || strings.Count(out.String(), "\n") != 5 {
		t.Errorf("%v, wrote:\n%s", err, &out)
	}
}

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if err := cluster.Demo(t.Context(), run, samples(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `TAG            opens  clicks  bot opens  bot clicks
receipts       1      0       0          0
spring         2      1       1          1
MESSAGE        opens  clicks  bot opens  bot clicks
test/test/m-1  2      1       0          0
test/test/m-2  0      0       1          1
test/test/m-3  1      0       0          0
`
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("wrote\n%s\nwant at the end\n%s", &out, want)
	}
}
