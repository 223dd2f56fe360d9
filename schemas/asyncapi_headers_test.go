package schemas_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

var published = time.Date(2026, 11, 22, 5, 13, 39, 231e6, time.UTC)

func encode(t *testing.T, value any) []byte {
	t.Helper()
	b, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// headerObject is a record's headers as a schema sees them.
func headerObject(headers []event.Header) object {
	o := make(object, len(headers))
	for _, h := range headers {
		o[h.Key] = string(h.Value)
	}
	return o
}

// compareHeaders holds a message's headers against those of two records: one that has
// every header there is, and one that has none that can be missing.
func compareHeaders(t *testing.T, d *asyncAPI, name string, full, least []event.Header) {
	t.Helper()
	described, required := d.properties(d.at("components", "messages", name, "headers"))
	if diff := cmp.Diff(slices.Sorted(maps.Keys(headerObject(full))), slices.Sorted(maps.Keys(described))); diff != "" {
		t.Errorf("%s: headers (-code +document):\n%s", name, diff)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(headerObject(least))), required); diff != "" {
		t.Errorf("%s: required headers (-always written +document):\n%s", name, diff)
	}
	for key, property := range described {
		if text, _ := property["description"].(string); !strings.HasSuffix(text, ".") {
			t.Errorf("%s: header %s has the description %q, want a sentence", name, key, text)
		}
	}
	for _, headers := range [][]event.Header{full, least} {
		if err := d.valid("/components/messages/"+name+"/headers", headerObject(headers)); err != nil {
			t.Errorf("%s: the code writes %v: %v", name, headerObject(headers), err)
		}
	}
}

// marks are the headers that a replay adds.
func marks() []event.Header {
	m := replay.NewMarker("01a201ae-7f60-7056-82a1-794ba46f912c", "ops", "a reason", published, func() time.Time { return published })
	return m.Marks(&broker.Message{Topic: "email.bounced", Partition: 1, Offset: 3, Time: published})
}

// added are the headers that any record may have more: the trace context that the
// request came with, and a replay's marks.
func added() []event.Header {
	return append([]event.Header{
		{Key: "traceparent", Value: []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")}, {Key: "tracestate", Value: []byte("a=1")},
	}, marks()...)
}

func TestHeadersOfEventsAreDescribed(t *testing.T) {
	d := loadAsyncAPI(t)
	for _, r := range event.Routes() {
		retry := false
		e := event.Event{ID: strings.Repeat("0a", 16), Type: r.Type, Direction: r.Direction, Provider: "p", Source: "s"}
		if r.Type == event.Bounced {
			e.Bounce = &event.Bounce{Class: event.Hard}
		}
		least := e.AppendHeaders(nil, event.Stamp{Mapper: 1})
		e.MessageID, e.OccurredAt, e.Test = "m", event.NewTime(published, 9), true
		if e.Bounce != nil {
			e.Bounce.WillRetry = &retry
		}
		full := append(e.AppendHeaders(nil, event.Stamp{Mapper: 1, Conflict: true, Duplicate: true}), added()...)
		full = append(full, event.Header{Key: app.HeaderRedriveOf, Value: []byte("email.deadletter/0/7")})
		compareHeaders(t, d, message(r), full, least)
	}
	for _, def := range all.Definitions() {
		if def.Mapper < 1 {
			t.Errorf("%s: the mapping's version is %d; events would be without mapper-version", def.ID, def.Mapper)
		}
	}
}

// request is a proven one that says all it can.
func request(t *testing.T) (*normalize.Source, webhook.Verified) {
	t.Helper()
	const secret = "a-secret-of-this-test"
	verifier, err := webhook.New(webhook.Config{Type: "bearer", Secrets: []webhook.Secret{{ID: "2026-11", Value: []byte(secret)}}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := webhook.Verify(verifier, webhook.Request{
		Method: http.MethodPost, ReceivedAt: published, RemoteAddr: netip.MustParseAddr("192.0.2.1"), Body: []byte("[1]"),
		Query:  url.Values{"campaign": {"c"}},
		Header: http.Header{"Authorization": {"Bearer " + secret}, "Content-Type": {"application/json"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &normalize.Source{Name: "s", Provider: "p", Mapper: 1, QueryMetadata: []string{"campaign"}}, v
}

// bare is a proven request that says as little as possible.
func bare() (*normalize.Source, webhook.Verified) {
	return &normalize.Source{Name: "s", Provider: "p", Mapper: 1},
		webhook.AssumeProvenForReplayAndTests(webhook.Request{Method: http.MethodPost, ReceivedAt: published})
}

func TestHeadersOfRequestsAreDescribed(t *testing.T) {
	d := loadAsyncAPI(t)
	source, v := request(t)
	item := normalize.Items{0}
	full := normalize.RawRecord(source, v, "r", normalize.Counts{
		Events: 1, DeadLetters: 1, Repeats: 1, LeftOut: item, Dead: item, Duplicates: item, Conflicts: item, Reused: true,
	}).Headers
	own := func(h event.Header) bool { return strings.HasPrefix(h.Key, "http-") }
	if !slices.ContainsFunc(full, own) {
		t.Error("the request's own headers are not there")
	}
	source, v = bare()
	least := normalize.RawRecord(source, v, "r", normalize.Counts{}).Headers
	compareHeaders(t, d, "request", append(slices.DeleteFunc(full, own), added()...), least)
	if pattern := d.at("components", "schemas", "requestHeaders", "patternProperties"); pattern["^http-"] == nil {
		t.Error("the request's own headers are not described")
	}
}

func TestDeadLettersAreDescribed(t *testing.T) {
	d := loadAsyncAPI(t)
	source, v := request(t)
	letter := normalize.DeadLetter{Reason: normalize.ReasonInvalidEvent, Stage: normalize.StageValidate, Detail: "why", Index: 0, Item: []byte("1")}
	full := normalize.NewEncoder(source, v, "r").Record(&letter)
	compareHeaders(t, d, "deadLetter", append(slices.Clip(full.Headers), added()...), full.Headers)

	// What is left where nothing more is known, or fits.
	refused := []byte(`{"schema":"email-event/1","provider":"p","source":"s","received_at":"2026-11-22T05:13:39.231Z"}`)
	least, err := normalize.RefusedEvent(refused, nil, "too_large", "")
	if err != nil {
		t.Fatal(err)
	}
	described, required := d.properties(d.at("components", "schemas", "deadLetter"))
	if diff := cmp.Diff(members(t, full.Value), slices.Sorted(maps.Keys(described))); diff != "" {
		t.Errorf("members (-code +document):\n%s", diff)
	}
	always := members(t, least.Value)
	always = slices.DeleteFunc(always, func(name string) bool { return name == "body" || name == "detail" })
	if diff := cmp.Diff(always, required); diff != "" {
		t.Errorf("required members (-code +document):\n%s", diff)
	}
	for _, value := range [][]byte{full.Value, least.Value} {
		if err := d.valid("/components/schemas/deadLetter", parsed(t, value)); err != nil {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func parsed(t *testing.T, value []byte) object {
	t.Helper()
	var o object
	if err := json.Unmarshal(value, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func members(t *testing.T, value []byte) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(parsed(t, value)))
}

// matches is what the first group of a pattern matches in a source file.
func matches(t *testing.T, file, pattern string) []string {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatalf("%s: nothing matches %s", file, pattern)
	}
	slices.Sort(out)
	return out
}

func (d *asyncAPI) enum(name string) []string {
	d.t.Helper()
	var out []string
	for _, value := range as[[]any](d.t, d.at("components", "schemas", name)["enum"]) {
		out = append(out, as[string](d.t, value))
	}
	slices.Sort(out)
	return out
}

func TestReasonsAndStagesAreDescribed(t *testing.T) {
	d := loadAsyncAPI(t)
	reasons := matches(t, "../internal/provider/provider.go", `Reason\w+ +Reason = "(\w+)"`)
	reasons = append(reasons, matches(t, "../internal/normalize/deadletter.go", `Reason\w+ += "(\w+)"`)...)
	reasons = append(reasons, matches(t, "../internal/ingest/pipeline.go", `Reason\w+ += "(\w+)"`)...)
	slices.Sort(reasons)
	if diff := cmp.Diff(reasons, d.enum("deadLetterReason")); diff != "" {
		t.Errorf("reasons (-code +document):\n%s", diff)
	}
	stages := matches(t, "../internal/normalize/deadletter.go", `Stage\w+ += "(\w+)"`)
	if diff := cmp.Diff(stages, d.enum("deadLetterStage")); diff != "" {
		t.Errorf("stages (-code +document):\n%s", diff)
	}
}

// The headers of retries and of a group's dead letters.
func TestHeadersOfRecordsPutAsideAreDescribed(t *testing.T) {
	d := loadAsyncAPI(t)
	reasons := d.at("components", "messages", "dead", "headers", "properties", "dead-reason")["enum"]
	if diff := cmp.Diff([]any{consumer.DeadPermanent, consumer.DeadAttempts}, reasons); diff != "" {
		t.Errorf("reasons (-code +document):\n%s", diff)
	}
	both := matches(t, "../pkg/consumer/aside.go", `Header\w+ += "([\w-]+)"`)
	for name, without := range map[string]string{"retry": consumer.HeaderDead, "dead": consumer.HeaderNotBefore} {
		want := slices.DeleteFunc(slices.Clone(both), func(key string) bool { return key == without })
		described, required := d.properties(d.at("components", "messages", name, "headers"))
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(described))); diff != "" {
			t.Errorf("%s: headers (-code +document):\n%s", name, diff)
		}
		if diff := cmp.Diff(want, required); diff != "" {
			t.Errorf("%s: required headers (-code +document):\n%s", name, diff)
		}
	}
}
