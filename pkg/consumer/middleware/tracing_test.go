package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/consumer/middleware"
	"github.com/postrider/postrider/pkg/event"
)

// traced calls a traced Handler, and returns the one span that there is then.
func traced(t *testing.T, h consumer.Handler, m *consumer.Message) (tracetest.SpanStub, error) {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	err := middleware.Tracing(provider)(h)(t.Context(), m)
	if n := len(spans.GetSpans()); n != 1 {
		t.Fatalf("%d spans", n)
	}
	return spans.GetSpans()[0], err
}

// ids of the trace that the examples of W3C Trace Context have.
const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID  = "00f067aa0ba902b7"
)

func TestTracingGoesOnWithTheTraceOfTheHeaders(t *testing.T) {
	m := record()
	for key, value := range map[string]string{"traceparent": "00-" + traceID + "-" + spanID + "-01", "tracestate": "a=1,b=2", "baggage": "user=7"} {
		m.Headers = append(m.Headers, event.Header{Key: key, Value: []byte(value)})
	}
	span, err := traced(t, func(ctx context.Context, _ *consumer.Message) error {
		if got := trace.SpanContextFromContext(ctx); got.TraceID().String() != traceID || got.SpanID().String() == spanID {
			t.Errorf("the handler's span is %v", got)
		}
		if got := baggage.FromContext(ctx).Member("user").Value(); got != "7" {
			t.Errorf("the handler's baggage is %q", got)
		}
		return nil
	}, m)
	if err != nil {
		t.Fatal(err)
	}
	if got := span.Parent; got.TraceID().String() != traceID || got.SpanID().String() != spanID || !got.IsRemote() || got.TraceState().String() != "a=1,b=2" {
		t.Errorf("parent %v, %s", got, got.TraceState())
	}
	if span.Name != "process email.bounced" || span.SpanKind != trace.SpanKindConsumer || span.Status.Code != codes.Unset {
		t.Errorf("got %s, %s, %v", span.Name, span.SpanKind, span.Status)
	}
	attributes := fmt.Sprint(span.Attributes)
	for _, want := range []string{"kafka", "email.bounced", "c677cee09e04e08cc97c635766b11fb0", "vfs", "bounced"} {
		if !strings.Contains(attributes, want) {
			t.Errorf("%q is missing in %s", want, attributes)
		}
	}
	if strings.Contains(attributes, canary) {
		t.Errorf("%s in %s", canary, attributes)
	}
}

func TestTracingBeginsATrace(t *testing.T) {
	for name, value := range map[string]string{"none": "", "malformed": "00-xyz"} {
		m := consumertest.Message(event.Event{Type: event.Opened}, consumertest.Header("traceparent", value))
		span, err := traced(t, handles, m)
		if err != nil || span.Parent.IsValid() || !span.SpanContext.IsValid() {
			t.Errorf("%s: parent %v, span %v, %v", name, span.Parent, span.SpanContext, err)
		}
	}
}

func TestTracingMarksFailures(t *testing.T) {
	no := errors.New("no")
	span, err := traced(t, func(context.Context, *consumer.Message) error { return no }, record())
	if !errors.Is(err, no) || span.Status.Code != codes.Error || len(span.Events) != 1 {
		t.Errorf("got %v, %v, %v", err, span.Status, span.Events)
	}
	spans := tracetest.NewInMemoryExporter()
	h := middleware.Tracing(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))(panics)
	if cause, _ := call(t, h); cause == nil {
		t.Error("the panic did not go on")
	}
	if got := spans.GetSpans(); len(got) != 1 || got[0].Status.Code != codes.Error {
		t.Errorf("after a panic: %v", got)
	}
}
