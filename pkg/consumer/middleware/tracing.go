package middleware

import (
	"context"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// scope names this package as the maker of its spans.
const scope = "github.com/postrider/postrider/pkg/consumer/middleware"

// Tracing makes a span of each call of the Handler, as a child of the trace context
// that the record's headers carry (W3C Trace Context: traceparent and tracestate, and
// baggage); without these it begins a trace. The Handler finds the span in its context.
//
// Spans are called "process <topic>", are of kind consumer, and have the attributes of
// OpenTelemetry's conventions for messaging (messaging.*), and postrider.event.type,
// postrider.provider and postrider.attempt. The key is not among them: it may be an
// address. A failed call sets the span's status, and records the error.
func Tracing(p trace.TracerProvider) consumer.Middleware {
	tracer := p.Tracer(scope)
	carried := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	return func(next consumer.Handler) consumer.Handler {
		return func(ctx context.Context, m *consumer.Message) (err error) {
			ctx, span := tracer.Start(carried.Extract(ctx, carrier(m.Headers)), "process "+m.Topic,
				trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attributes(m)...))
			returned := false
			defer func() {
				if !returned {
					span.SetStatus(codes.Error, panicked)
				}
				span.End()
			}()
			if err = next(ctx, m); err != nil {
				span.RecordError(err)
				span.SetStatus(codes.Error, failed)
			}
			returned = true
			return err
		}
	}
}

// attributes are what names a record.
func attributes(m *consumer.Message) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.operation.name", "process"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", m.Topic),
		attribute.String("messaging.destination.partition.id", strconv.Itoa(m.Partition)),
		attribute.Int64("messaging.kafka.offset", m.Offset),
		attribute.String("messaging.message.id", m.ID()),
		attribute.String("postrider.event.type", string(m.Type())),
		attribute.String("postrider.provider", m.Provider()),
		attribute.Int("postrider.attempt", m.Attempt),
	}
}

// carrier reads trace context from record headers. It is not written to.
type carrier []event.Header

var (
	_ propagation.TextMapCarrier = carrier{}
	_ propagation.ValuesGetter   = carrier{}
)

// Get implements propagation.TextMapCarrier.
func (c carrier) Get(key string) string { return event.HeaderText(c, key) }

// Values implements propagation.ValuesGetter.
func (c carrier) Values(key string) []string {
	var values []string
	for i := range c {
		if c[i].Key == key {
			values = append(values, string(c[i].Value))
		}
	}
	return values
}

// Set implements propagation.TextMapCarrier; it is not called by Extract.
func (c carrier) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (c carrier) Keys() []string {
	keys := make([]string, len(c))
	for i := range c {
		keys[i] = c[i].Key
	}
	return keys
}
