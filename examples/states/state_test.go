package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/examples/internal/cluster"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/event"
)

func at(typ event.Type, second int64) event.Event {
	return event.Event{Type: typ, Direction: event.Outbound, OccurredAt: event.NewTime(time.Unix(1_790_000_000+second, 0), 0)}
}

func retried(e event.Event) event.Event {
	yes := true
	e.Bounce = &event.Bounce{Class: event.Soft, WillRetry: &yes}
	return e
}

// end is the state after events, in that order.
func end(events []event.Event) state {
	var s state
	for i := range events {
		s = s.next(&events[i])
	}
	return s
}

func TestEndStates(t *testing.T) {
	inbound := at(event.Delivered, 9)
	inbound.Direction = event.Inbound
	undated := at(event.Opened, 0)
	undated.OccurredAt, undated.ReceivedAt = event.Time{}, event.NewTime(time.Unix(1_790_000_100, 0), 0)
	for name, tt := range map[string]struct {
		events []event.Event
		want   event.Type
	}{
		"nothing":                             {nil, ""},
		"the usual":                           {[]event.Event{at(event.Queued, 0), at(event.Sent, 1), at(event.Delivered, 2)}, event.Delivered},
		"opened, delivered in one second":     {[]event.Event{at(event.Opened, 5), at(event.Delivered, 5)}, event.Opened},
		"delivered, then put off":             {[]event.Event{at(event.Delivered, 5), at(event.Deferred, 6)}, event.Deferred},
		"bounced after delivered":             {[]event.Event{at(event.Delivered, 5), at(event.Bounced, 6)}, event.Bounced},
		"bounced and delivered in one second": {[]event.Event{at(event.Delivered, 5), at(event.Bounced, 5)}, event.Delivered},
		"bounced before delivered":            {[]event.Event{at(event.Bounced, 4), at(event.Delivered, 5)}, event.Delivered},
		"dropped and queued in one second":    {[]event.Event{at(event.Queued, 5), at(event.Dropped, 5)}, event.Dropped},
		"a bounce that is followed up":        {[]event.Event{at(event.Sent, 5), retried(at(event.Bounced, 6))}, event.Deferred},
		"clicked after a complaint":           {[]event.Event{at(event.Complained, 5), at(event.Clicked, 9)}, event.Complained},
		"bounced after unsubscribed":          {[]event.Event{at(event.Unsubscribed, 5), at(event.Bounced, 9)}, event.Unsubscribed},
		"complained after unsubscribed":       {[]event.Event{at(event.Unsubscribed, 5), at(event.Complained, 9)}, event.Unsubscribed},
		"both in one second":                  {[]event.Event{at(event.Unsubscribed, 5), at(event.Complained, 5)}, event.Complained},
		"put off after it bounced":            {[]event.Event{at(event.Bounced, 5), at(event.Deferred, 9)}, event.Bounced},
		"a circle":                            {[]event.Event{at(event.Bounced, 5), at(event.Delivered, 7), at(event.Deferred, 9)}, event.Deferred},
		"bounced, opened after all":           {[]event.Event{at(event.Bounced, 5), at(event.Opened, 6)}, event.Opened},
		"what says nothing of a message":      {[]event.Event{at(event.Sent, 1), at(event.Suppressed, 5), at(event.Unknown, 6), at("of a later version", 7)}, event.Sent},
		"inbound":                             {[]event.Event{at(event.Sent, 1), inbound}, event.Sent},
		"no time but that of its arrival":     {[]event.Event{at(event.Delivered, 99), undated}, event.Opened},
	} {
		if got := end(tt.events).now().typ; got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		slices.Reverse(tt.events)
		if got := end(tt.events).now().typ; got != tt.want {
			t.Errorf("%s, backwards: %q, want %q", name, got, tt.want)
		}
	}
}

// Whatever order the events arrive in, and however often each does, the end is the
// same.
func TestAnyOrderOfArrivalEndsAlike(t *testing.T) {
	one := rapid.Custom(func(t *rapid.T) event.Event {
		e := at(rapid.SampledFrom(event.Types()).Draw(t, "type"), rapid.Int64Range(0, 3).Draw(t, "second"))
		e.ID = rapid.StringMatching("[ab]{2}").Draw(t, "id")
		if e.Type == event.Bounced && rapid.Bool().Draw(t, "retried") {
			e = retried(e)
		}
		return e
	})
	rapid.Check(t, func(t *rapid.T) {
		sent := rapid.SliceOfN(one, 0, 8).Draw(t, "sent")
		again := rapid.SliceOf(rapid.SampledFrom(append(sent, event.Event{}))).Draw(t, "repeats")
		arrived := rapid.Permutation(append(slices.Clone(sent), again...)).Draw(t, "arrived")
		if got, want := end(arrived), end(sent); got != want {
			t.Fatalf("ended as %v, want %v", got, want)
		}
	})
}

func TestMachineTellsChanges(t *testing.T) {
	var told bytes.Buffer
	m := &machine{out: &told, states: map[string]state{}}
	for _, e := range []event.Event{at(event.Delivered, 5), at(event.Delivered, 5), at(event.Sent, 1), at(event.Opened, 6)} {
		e.MessageID = "m"
		e = consumertest.Complete(e)
		if err := m.handle(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := told.String(), "test/test/m: delivered\ntest/test/m: opened\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if err := cluster.Demo(t.Context(), run, samples(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `test/test/m-1 is opened since 2026-11-21 12:00:09
test/test/m-2 is bounced since 2026-11-21 13:00:00
test/test/m-3 is complained since 2026-11-21 12:01:00
test/test/m-4 is delivered since 2026-11-21 12:00:01
`
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("wrote\n%s\nwant at the end\n%s", &out, want)
	}
}
