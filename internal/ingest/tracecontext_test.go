package ingest_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/pkg/webhook"
)

// parent is the traceparent of W3C Trace Context's examples.
const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// requestWith is a proven request of three items, one of them no event, with headers.
func requestWith(h http.Header) webhook.Verified {
	return webhook.AssumeProvenForReplayAndTests(webhook.Request{
		Method: http.MethodPost, Header: h, Body: []byte("[" + jetEvent("a") + "," + jetEvent("b") + ",17]"), ReceivedAt: time.Now(),
	})
}

// carried is the trace context of the records of a request with headers, of each the same.
func carried(t *testing.T, h http.Header) (traceparent, tracestate string) {
	t.Helper()
	l := newLine(t, func(o *ingest.PipelineOptions) { o.Topics.All = "all" })
	if _, err := l.acceptVerified(requestWith(h), l.src); err != nil {
		t.Fatal(err)
	}
	var found [][2]string
	for _, r := range l.pub.records {
		found = append(found, [2]string{header(r, "traceparent"), header(r, "tracestate")})
	}
	// The request, two events, their copies, and the dead letter.
	if len(found) != 6 || len(slices.Compact(found)) != 1 {
		t.Fatalf("records have %v", found)
	}
	return found[0][0], found[0][1]
}

func TestTraceContextGoesOn(t *testing.T) {
	const long = "a=1234567890,"
	many := make([]string, 33)
	for i := range many {
		many[i] = "k" + strconv.Itoa(i) + "=v"
	}
	tests := map[string]struct {
		parents, states []string
		parent, state   string
	}{
		"none":               {},
		"a parent":           {[]string{parent}, nil, parent, ""},
		"a state":            {[]string{parent}, []string{"a=1, b=2"}, parent, "a=1, b=2"},
		"two states":         {[]string{parent}, []string{"a=1", "b@c/d=2,,"}, parent, "a=1,b@c/d=2,,"},
		"a state alone":      {nil, []string{"a=1"}, "", ""},
		"two parents":        {[]string{parent, parent}, []string{"a=1"}, "", ""},
		"no hex":             {[]string{strings.Replace(parent, "4bf", "4bg", 1)}, nil, "", ""},
		"upper case":         {[]string{strings.ToUpper(parent)}, nil, "", ""},
		"no trace":           {[]string{"00-00000000000000000000000000000000-00f067aa0ba902b7-01"}, nil, "", ""},
		"no span":            {[]string{"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"}, nil, "", ""},
		"no version":         {[]string{"ff" + parent[2:]}, nil, "", ""},
		"short":              {[]string{parent[:54]}, nil, "", ""},
		"empty":              {[]string{""}, []string{""}, "", ""},
		"more of version 00": {[]string{parent + "-00"}, nil, "", ""},
		"more of another":    {[]string{"01" + parent[2:] + "-x"}, nil, "01" + parent[2:] + "-x", ""},
		"another form":       {[]string{"01" + parent[2:] + "x"}, nil, "", ""},
		"control characters": {[]string{"01" + parent[2:] + "-\n"}, nil, "", ""},
		"far too much":       {[]string{"01" + parent[2:] + "-" + strings.Repeat("x", 73)}, nil, "", ""},
		"a member twice":     {[]string{parent}, []string{"a=1,a=2"}, parent, ""},
		"no key":             {[]string{parent}, []string{"=1"}, parent, ""},
		"a key's form":       {[]string{parent}, []string{"A=1"}, parent, ""},
		"no value":           {[]string{parent}, []string{"a="}, parent, ""},
		"two values":         {[]string{parent}, []string{"a=1=2"}, parent, ""},
		"no member":          {[]string{parent}, []string{" , "}, parent, ""},
		"not ASCII":          {[]string{parent}, []string{"a=ä"}, parent, ""},
		"512 bytes":          {[]string{parent}, []string{long + "b=" + strings.Repeat("x", 256) + ",c=" + strings.Repeat("x", 238)}, parent, long + "b=" + strings.Repeat("x", 256) + ",c=" + strings.Repeat("x", 238)},
		"513 bytes":          {[]string{parent}, []string{long + "b=" + strings.Repeat("x", 256) + ",c=" + strings.Repeat("x", 239)}, parent, ""},
		"a long value":       {[]string{parent}, []string{"a=" + strings.Repeat("x", 257)}, parent, ""},
		"32 members":         {[]string{parent}, []string{strings.Join(many[:32], ",")}, parent, strings.Join(many[:32], ",")},
		"33 members":         {[]string{parent}, []string{strings.Join(many, ",")}, parent, ""},
	}
	for name, tt := range tests {
		h := http.Header{}
		h["Traceparent"], h["Tracestate"] = tt.parents, tt.states
		if p, s := carried(t, h); p != tt.parent || s != tt.state {
			t.Errorf("%s: got %q and %q, want %q and %q", name, p, s, tt.parent, tt.state)
		}
	}
}

// A dead letter that stands for an event which the broker refused belongs to the trace, too.
func TestTraceContextOfAStandIn(t *testing.T) {
	l := newLine(t, nil)
	l.pub.fail = func(r broker.Record) error {
		if strings.HasPrefix(r.Topic, "outbound.") {
			return broker.ErrTooLarge
		}
		return nil
	}
	if _, err := l.acceptVerified(requestWith(http.Header{"Traceparent": {parent}}), l.src); err != nil {
		t.Fatal(err)
	}
	letters := l.pub.topic("deadletter")
	if len(letters) != 3 {
		t.Fatalf("%d dead letters", len(letters))
	}
	for _, r := range letters {
		if header(r, "traceparent") != parent {
			t.Errorf("got %q", header(r, "traceparent"))
		}
	}
}

// What goes on is what OpenTelemetry can read.
func TestTraceContextIsReadable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := rapid.StringMatching(`0[01]-[0-3a-b]{32}-[0-1]{16}-0[0-3](-x)?`).Draw(rt, "traceparent")
		s := rapid.StringMatching(`[a-c][a-z0-9]{0,3}=[ -~]{0,5}(,[a-c]=[!-~]{1,3}){0,3}`).Draw(rt, "tracestate")
		gotParent, gotState := carried(t, http.Header{"Traceparent": {p}, "Tracestate": {s}})
		if gotParent == "" {
			return
		}
		carrier := propagation.MapCarrier{"traceparent": gotParent, "tracestate": gotState}
		read := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
		if !read.IsValid() || (gotState != "") != (read.TraceState().Len() > 0) {
			rt.Fatalf("%q, %q is read as %v with state %q", gotParent, gotState, read.TraceID(), read.TraceState())
		}
	})
}

// A gateway that repeats a credential of the request there has it kept from every topic.
func TestTraceContextWithACredentialIsLeftOut(t *testing.T) {
	for name, tt := range map[string]struct {
		parent, state string
		want          string
	}{
		"as the trace": {"00-" + urlToken + "-00f067aa0ba902b7-01", "a=1", ""},
		"in the state": {parent, "a=" + urlToken, parent},
	} {
		l := newLine(t, nil)
		if _, err := l.acceptVerified(webhook.AssumeProvenForReplayAndTests(webhook.Request{
			Method: http.MethodPost, Body: []byte(jetEvent("a")), ReceivedAt: time.Now(), PathToken: urlToken,
			Header: http.Header{"Traceparent": {tt.parent}, "Tracestate": {tt.state}},
		}), l.src); err != nil {
			t.Fatal(err)
		}
		for _, r := range l.pub.records {
			if header(r, "traceparent") != tt.want || header(r, "tracestate") != "" {
				t.Errorf("%s: %s has %q and %q", name, r.Topic, header(r, "traceparent"), header(r, "tracestate"))
			}
		}
	}
}

// Over the wire: whatever the case of the header's name.
func TestTraceContextOfAWebhook(t *testing.T) {
	r := start(t, nil)
	req := r.request(http.MethodPost, "/v1/webhooks/vfs/"+urlToken, `{"type":"Sent","eventId":"1"}`)
	req.Header["traceParent"] = []string{parent}
	r.want(req, http.StatusOK)
	if len(r.pub.records) != 2 || header(r.pub.records[0], "traceparent") != parent || header(r.pub.records[1], "traceparent") != parent {
		t.Errorf("records %v", r.pub.records)
	}
}
