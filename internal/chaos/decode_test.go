package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/pkg/webhook"
)

// testGenerator is the generator of the tests' run.
func testGenerator() *generator {
	return newGenerator("testrun", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
}

// received is the record that the receiver's own code makes of an event, with
// the topic it belongs to.
func received(t *testing.T, g *generator, m marker) (topic string, msg *broker.Message) {
	t.Helper()
	s, k := g.of(m.stream)
	def, ok := all.Lookup(s.provider)
	if !ok {
		t.Fatalf("no provider %q", s.provider)
	}
	parser, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := webhook.AssumeProvenForReplayAndTests(webhook.Request{Body: []byte(g.item(m)), ReceivedAt: g.begun})
	out, err := normalize.Normalize(context.Background(), &normalize.Source{Name: s.name, ID: s.name, Provider: s.provider, Parser: parser}, v, "raw")
	if err != nil {
		t.Fatal(err)
	}
	if k.topic == deadTopic {
		if len(out.DeadLetters) != 1 {
			t.Fatalf("%d dead letters, want one", len(out.DeadLetters))
		}
		value, err := json.Marshal(map[string]any{"reason": out.DeadLetters[0].Reason, "body": out.DeadLetters[0].Item})
		if err != nil {
			t.Fatal(err)
		}
		return deadTopic, &broker.Message{Value: value}
	}
	if len(out.Events) != 1 {
		t.Fatalf("%d events, want one", len(out.Events))
	}
	e := &out.Events[0].Event
	return string(e.Type), &broker.Message{Key: []byte(e.Key()), Value: e.AppendJSON(nil)}
}

// mark is the marker of an event that is nobody's twin.
func mark(serial, stream, seq uint32) marker { return marker{serial, stream, seq, serial} }

// TestJudgeKnowsEveryKindOfEvent: what the receiver makes of every source's
// every kind of event is what the generator foretells, ids and keys included.
func TestJudgeKnowsEveryKindOfEvent(t *testing.T) {
	g := testGenerator()
	for stream := range uint32(2 * streamBlock) {
		for serial := range uint32(40) { // long fills are among them
			m := mark(serial, stream, serial/2)
			topic, msg := received(t, g, m)
			got, err := g.judge(topic, msg)
			if err != nil || got != m {
				t.Fatalf("stream %d: marker %v, %v, want %v", stream, got, err, m)
			}
		}
	}
}

func TestJudgeSeesEveryChange(t *testing.T) {
	g := testGenerator()
	m := mark(7, 0, 3)
	for what, change := range map[string]func(msg *broker.Message, topic *string){
		"fill":      func(msg *broker.Message, _ *string) { replace(msg, g.fill(m)[:8], "00000000") },
		"recipient": func(msg *broker.Message, _ *string) { replace(msg, "@example.net", "@example.com") },
		"id":        func(msg *broker.Message, _ *string) { replace(msg, g.eventID(m), g.eventID(mark(8, 0, 3))) },
		"source":    func(msg *broker.Message, _ *string) { replace(msg, `"source":"jetemail"`, `"source":"other"`) },
		"message":   func(msg *broker.Message, _ *string) { replace(msg, g.message(m), g.message(mark(7, 1, 3))) },
		"native id": func(msg *broker.Message, _ *string) { replace(msg, g.nativeID(m), g.nativeID(mark(8, 0, 3))) },
		"key":       func(msg *broker.Message, _ *string) { msg.Key = []byte("another") },
		"topic":     func(_ *broker.Message, topic *string) { *topic = "opened" },
		"conflict that is none": func(msg *broker.Message, _ *string) {
			msg.Headers = []broker.Header{{Key: "conflict", Value: []byte("true")}}
		},
	} {
		topic, msg := received(t, g, m)
		change(msg, &topic)
		var altered *alteredError
		if got, err := g.judge(topic, msg); !errors.As(err, &altered) || got != m {
			t.Errorf("%s changed: marker %v, error %v, want an alteration of %v", what, got, err, m)
		}
	}
}

// replace changes a record's value, as long as there is something to change.
func replace(msg *broker.Message, from, to string) {
	if !strings.Contains(string(msg.Value), from) {
		panic("nothing to change: " + from)
	}
	msg.Value = []byte(strings.ReplaceAll(string(msg.Value), from, to))
}

func TestJudgeSeesAnAlteredDeadLetter(t *testing.T) {
	g := testGenerator()
	m := mark(5, 3*sourceCount, 0)
	_, msg := received(t, g, m)
	if got, err := g.judge(deadTopic, msg); err != nil || got != m {
		t.Fatalf("marker %v, %v", got, err)
	}
	var letter map[string]any
	if err := json.Unmarshal(msg.Value, &letter); err != nil {
		t.Fatal(err)
	}
	letter["body"] = []byte(strings.Replace(g.item(m), "news@example.com", "news@example.org", 1))
	msg.Value, _ = json.Marshal(letter)
	var altered *alteredError
	if _, err := g.judge(deadTopic, msg); !errors.As(err, &altered) {
		t.Errorf("got %v, want an alteration", err)
	}
	msg.Value = []byte(`{"reason":"missing_type","body":"e30="}`)
	if _, err := g.judge(deadTopic, msg); !errors.Is(err, errInvented) {
		t.Errorf("an item without a mark: %v, want invented", err)
	}
}

func TestJudgeKnowsConflicts(t *testing.T) {
	g := testGenerator()
	m := marker{serial: 9, stream: 0, seq: 4, native: 7}
	topic, msg := received(t, g, m)
	var altered *alteredError
	if _, err := g.judge(topic, msg); !errors.As(err, &altered) {
		t.Errorf("no header: %v, want an alteration", err)
	}
	msg.Headers = []broker.Header{{Key: "conflict", Value: []byte("true")}}
	if _, err := g.judge(topic, msg); !errors.As(err, &altered) {
		t.Errorf("the header, and the id that is taken: %v, want an alteration", err)
	}
	replace(msg, g.eventID(m), strings.Repeat("ab", 16))
	if got, err := g.judge(topic, msg); err != nil || got != m {
		t.Errorf("a conflict: %v, %v", got, err)
	}
}

func TestStrangersAreInvented(t *testing.T) {
	g := testGenerator()
	other := newGenerator("otherrun", g.begun)
	topic, msg := received(t, other, mark(1, 0, 0))
	for name, m := range map[string]*broker.Message{"another run's": msg, "no JSON": {Value: []byte("x")}, "no mark": {Value: []byte("{}")}} {
		if _, err := g.judge(topic, m); !errors.Is(err, errInvented) {
			t.Errorf("%s: %v, want invented", name, err)
		}
	}
}
