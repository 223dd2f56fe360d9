package middleware_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/consumer/middleware"
	"github.com/postrider/postrider/pkg/event"
)

// canary stands in everything of a record that nobody may see.
const canary = "canary@example.com"

// record is one with the canary wherever there is room.
func record() *consumer.Message {
	m := consumertest.Message(event.Event{
		ID: "c677cee09e04e08cc97c635766b11fb0", Type: event.Bounced, Provider: "vfs", Recipient: canary, Subject: canary, MessageID: canary, Reason: canary,
	}, consumertest.At(consumer.Place{Partition: 2, Offset: 7}), consumertest.Attempt(3))
	m.Key = []byte(canary)
	return m
}

func handles(context.Context, *consumer.Message) error { return nil }

func fails(context.Context, *consumer.Message) error { return errors.New("no room") }

func panics(context.Context, *consumer.Message) error { panic(canary) }

func breaks(_ context.Context, m *consumer.Message) error {
	none := make([]error, 0)
	return none[len(m.Headers)]
}

// call calls a Handler, and returns its error, or what it panicked with.
func call(t *testing.T, h consumer.Handler) (cause any, err error) {
	t.Helper()
	defer func() { cause = recover() }()
	return nil, h(t.Context(), record())
}

func TestLogging(t *testing.T) {
	tests := map[string]struct {
		h       consumer.Handler
		level   zapcore.Level
		outcome string
		err     string
	}{
		"handled":  {handles, zapcore.DebugLevel, "handled", ""},
		"failed":   {fails, zapcore.WarnLevel, "failed", "no room"},
		"panicked": {panics, zapcore.WarnLevel, "panicked", ""},
	}
	for name, tt := range tests {
		core, logs := observer.New(zapcore.DebugLevel)
		cause, err := call(t, middleware.Logging(zap.New(core))(tt.h))
		if (err != nil) != (tt.err != "") || (cause != nil) != (name == "panicked") {
			t.Errorf("%s: got %v, %v", name, err, cause)
		}
		if logs.Len() != 1 {
			t.Fatalf("%s: %d lines", name, logs.Len())
		}
		line := logs.All()[0]
		got := line.ContextMap()
		want := map[string]any{
			"topic": "email.bounced", "partition": int64(2), "offset": int64(7), "id": "c677cee09e04e08cc97c635766b11fb0",
			"type": "bounced", "provider": "vfs", "attempt": int64(3), "outcome": tt.outcome,
		}
		if tt.err != "" {
			want["error"] = tt.err
		}
		if _, timed := got["duration"]; !timed || line.Level != tt.level {
			t.Errorf("%s: level %s, %v", name, line.Level, got)
		}
		if delete(got, "duration"); !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// Nothing of a record is looked at for a line that nobody wants.
func TestLoggingCostsNothingWhereItIsOff(t *testing.T) {
	core, _ := observer.New(zapcore.InfoLevel)
	h := middleware.Logging(zap.New(core))(handles)
	m := record()
	if n := testing.AllocsPerRun(100, func() { _ = h(context.Background(), m) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRecover(t *testing.T) {
	for name, tt := range map[string]struct {
		h    consumer.Handler
		text string
	}{
		"a text":      {panics, "a string"},
		"the runtime": {breaks, "index out of range ["},
	} {
		core, logs := observer.New(zapcore.DebugLevel)
		cause, err := call(t, middleware.Recover(zap.New(core))(tt.h))
		if cause != nil || err == nil || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: got %v, %v", name, err, cause)
		}
		if logs.Len() != 1 {
			t.Fatalf("%s: %d lines", name, logs.Len())
		}
		line := logs.All()[0]
		stack, _ := line.ContextMap()["stack"].(string)
		if line.Level != zapcore.ErrorLevel || !strings.Contains(stack, "middleware_test.go") {
			t.Errorf("%s: level %s, stack %s", name, line.Level, stack)
		}
		noCanary(t, name, line)
	}
	no := errors.New("no")
	_, err := call(t, middleware.Recover(zap.NewNop())(func(context.Context, *consumer.Message) error { return no }))
	if !errors.Is(err, no) {
		t.Errorf("an error became %v", err)
	}
}

// noCanary looks for the canary in a line.
func noCanary(t *testing.T, name string, line observer.LoggedEntry) {
	t.Helper()
	fields := line.ContextMap()
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if text, ok := fields[key].(string); ok && strings.Contains(text, canary) {
			t.Errorf("%s: %s holds %s", name, key, canary)
		}
	}
}

func TestLogsHoldNothingOfARecord(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	log := zap.New(core)
	for _, h := range []consumer.Handler{handles, fails, panics, breaks} {
		if cause, _ := call(t, consumer.Chain(h, middleware.Logging(log), middleware.Recover(log))); cause != nil {
			t.Errorf("the panic went on: %v", cause)
		}
	}
	if logs.Len() != 6 {
		t.Errorf("%d lines", logs.Len())
	}
	for _, line := range logs.All() {
		noCanary(t, line.Message, line)
	}
}
