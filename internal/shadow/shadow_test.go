package shadow_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/shadow"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// labels counts what an Observer is told.
type labels map[string]int

func (l labels) ShadowRequest(_, result string)            { l["result "+result]++ }
func (l labels) ShadowDifference(_, field string, n int64) { l["field "+field] += int(n) }
func (l labels) ShadowProof(_, live, shadowed string)      { l["proof "+live+" "+shadowed]++ }

// readings are what the live way and the shadow make of any request.
type readings struct{ live, shadow normalize.Output }

func (r *readings) read(_ context.Context, s *normalize.Source, _ webhook.Verified, _ string) (normalize.Output, error) {
	if s.Provider == "shadow" {
		return r.shadow, nil
	}
	return r.live, nil
}

// compare shows requests, and returns the report once all were compared.
func compare(t *testing.T, got labels, r readings, keep, requests int) shadow.Report {
	t.Helper()
	runner := shadow.New(shadow.Options{Observer: got, Now: time.Now, Normalize: r.read})
	view := runner.Set([]*shadow.Source{{
		Name: "s", Live: &normalize.Source{Provider: "live"}, Read: &normalize.Source{Provider: "shadow"}, Keep: keep,
	}})["s"]
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { runner.Run(ctx); close(over) }()
	for range requests {
		req := webhook.Request{Body: []byte("{}"), ReceivedAt: time.Now()}
		view.Show(req, webhook.AssumeProvenForReplayAndTests(req), nil)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		report := runner.Report()[0]
		total := int64(0)
		for _, n := range report.Results {
			total += n
		}
		if total == int64(requests) || time.Now().After(deadline) {
			cancel()
			<-over
			return report
		}
	}
}

func sent(id string, change func(*event.Event)) normalize.Item {
	e := event.Event{Schema: event.Schema, ID: id, Type: event.Sent, Family: event.FamilyDelivery, Direction: event.Outbound, ProviderType: "sent", Recipient: "jane@example.com"}
	if change != nil {
		change(&e)
	}
	return normalize.Item{Event: e}
}

func output(dead []normalize.DeadLetter, items ...normalize.Item) normalize.Output {
	for i := range items {
		if items[i].Index == 0 {
			items[i].Index = i
		}
	}
	return normalize.Output{Events: items, DeadLetters: dead}
}

func TestDifferences(t *testing.T) {
	bounced := sent("1", func(e *event.Event) {
		e.Type, e.Bounce = event.Bounced, &event.Bounce{Class: event.Hard}
		e.Metadata = map[string]string{"jane@example.com": "x"}
	})
	at := func(body string, it normalize.Item) normalize.Item { it.Body = []byte(body); return it }
	for name, c := range map[string]struct {
		live, shadow normalize.Output
		result, want string
	}{
		"same":        {output(nil, sent("1", nil)), output(nil, sent("1", nil)), shadow.Same, "[]"},
		"ids":         {output(nil, sent("1", nil)), output(nil, sent("2", nil)), shadow.SameButIDs, "[{0 id 1 2}]"},
		"provider":    {output(nil, sent("1", func(e *event.Event) { e.Provider = "a" })), output(nil, sent("1", nil)), shadow.Same, "[]"},
		"type":        {output(nil, sent("1", nil)), output(nil, bounced), shadow.Different, "[{0 bounce.class  hard} {0 metadata.(name not shown)  1 bytes, #?} {0 type sent bounced}]"},
		"missing":     {output(nil, sent("1", nil), sent("2", nil)), output(nil, sent("1", nil)), shadow.Different, "[{1 missing event: outbound sent }]"},
		"extra":       {output(nil), output(nil, sent("1", nil)), shadow.Different, "[{0 extra  event: outbound sent}]"},
		"dead letter": {output(nil, sent("1", nil)), output([]normalize.DeadLetter{{Reason: "missing_type"}}), shadow.Different, "[{0 dead_letter event: outbound sent dead letter: missing_type}]"},
		"dead first": {
			output([]normalize.DeadLetter{{Index: 0, Reason: "a"}}, normalize.Item{Event: sent("1", nil).Event, Index: 1}),
			output([]normalize.DeadLetter{{Index: 0, Reason: "b"}}, normalize.Item{Event: sent("1", nil).Event, Index: 1}),
			shadow.Different, "[{0 dead_letter dead letter: a dead letter: b}]",
		},
		"left out at the front": {
			output(nil, at("a", sent("1", nil)), at("b", sent("2", nil)), at("c", sent("3", nil))), output(nil, at("b", sent("2", nil)), at("c", sent("9", nil))),
			shadow.Different, "[{0 missing event: outbound sent } {2 id 3 9}]",
		},
		"more in the middle": {
			output(nil, at("a", sent("1", nil)), at("c", sent("3", nil))),
			output([]normalize.DeadLetter{{Index: 1, Reason: "r", Item: []byte("b")}}, at("a", sent("1", nil)), normalize.Item{Event: sent("3", nil).Event, Index: 2, Body: []byte("c")}),
			shadow.Different, "[{1 extra  dead letter: r}]",
		},
		"cut otherwise": {
			output(nil, at("a", sent("1", nil)), at("b", sent("2", nil))), output(nil, at("x", sent("1", nil)), at("y", sent("2", nil))), shadow.Same, "[]",
		},
		"escaped address": {
			output(nil, sent("1", nil)), output(nil, sent("1", func(e *event.Event) { e.ProviderType = "jane%40example.com" })),
			shadow.Different, "[{0 provider_type sent 18 bytes, #?}]",
		},
		"recipient": {
			output(nil, sent("1", nil)), output(nil, sent("1", func(e *event.Event) { e.Recipient = "joe@example.com" })),
			shadow.Different, "[{0 recipient 16 bytes, #? 15 bytes, #?}]",
		},
	} {
		report := compare(t, labels{}, readings{c.live, c.shadow}, 5, 1)
		found := []shadow.Difference{}
		if len(report.Samples) > 0 {
			found = report.Samples[0].Differences
		}
		if report.Results[c.result] != 1 || masked(fmt.Sprint(found)) != c.want {
			t.Errorf("%s: %v %s, want %s %s", name, report.Results, masked(fmt.Sprint(found)), c.result, c.want)
		}
	}
}

// masked writes every fingerprint as #?.
func masked(s string) string {
	parts := strings.Split(s, "#")
	for i := range parts[1:] {
		parts[i+1] = "?" + parts[i+1][8:]
	}
	return strings.Join(parts, "#")
}

// The latest samples stay, with so many differences each; all are counted.
func TestSamplesAreBounded(t *testing.T) {
	var live []normalize.Item
	for range 30 {
		live = append(live, sent("1", nil))
	}
	got := labels{}
	report := compare(t, got, readings{output(nil, live...), output(nil)}, 3, 10)
	if len(report.Samples) != 3 || len(report.Samples[0].Differences) != 20 || report.Samples[0].More != 10 {
		t.Errorf("%+v", report.Samples)
	}
	if report.Fields[shadow.FieldMissing] != 300 || got["field missing"] != 300 || got["result different"] != 10 {
		t.Errorf("%v, %v", report.Fields, got)
	}
}

// The same value has the same fingerprint, so that a sample tells whether two differ.
func TestFingerprints(t *testing.T) {
	items := output(nil, sent("1", func(e *event.Event) { e.Reason = "a@b" }), sent("1", func(e *event.Event) { e.Reason = "a@b" }))
	other := output(nil, sent("1", func(e *event.Event) { e.Reason = "c@d" }), sent("1", func(e *event.Event) { e.Reason = "c@d" }))
	found := compare(t, labels{}, readings{items, other}, 1, 1).Samples[0].Differences
	if len(found) != 2 || found[0].Live != found[1].Live || found[0].Live == found[0].Shadow || strings.Contains(found[0].Live, "@") {
		t.Errorf("%+v", found)
	}
}

// A request without anything for the shadow's keys is none of its business, nor is
// one of which the proof could not be checked.
func TestNothingToCompare(t *testing.T) {
	v, err := webhook.New(webhook.Config{Type: "bearer", Secrets: []webhook.Secret{{ID: "a", Value: []byte("0123456789abcdef")}}})
	if err != nil {
		t.Fatal(err)
	}
	got := labels{}
	runner := shadow.New(shadow.Options{Observer: got, Now: time.Now})
	view := runner.Set([]*shadow.Source{{Name: "s", Live: &normalize.Source{}, Verifier: v}})["s"]
	refused := &webhook.RefusedError{Reason: webhook.ReasonMissing}
	// More than can wait: what counts is dropped, and counted.
	for range 1000 {
		view.Show(webhook.Request{Header: http.Header{}}, webhook.Verified{}, refused)
		view.Show(webhook.Request{Header: http.Header{"Authorization": {"Bearer x"}}}, webhook.Verified{}, context.Canceled)
	}
	if len(got) != 0 {
		t.Errorf("%v", got)
	}
	for range 1000 {
		view.Show(webhook.Request{Header: http.Header{"Authorization": {"Bearer x"}}}, webhook.Verified{}, refused)
	}
	if n := got["result "+shadow.Dropped]; n != 1000-256 {
		t.Errorf("%d dropped", n)
	}
}
