package normalize_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// parser is a provider.Parser made of a function.
type parser func(body []byte) []provider.Result

func (p parser) Parse(v webhook.Verified) []provider.Result { return p(v.Request().Body) }

// gives is a parser that always gives these results.
func gives(results ...provider.Result) parser {
	return func([]byte) []provider.Result { return results }
}

// delivered is a result of a delivered message.
func delivered(native string) provider.Result {
	return provider.Result{
		NativeID: native, Item: []byte(`{"id":"` + native + `"}`),
		Event: event.Event{Type: event.Delivered, Family: event.FamilyDelivery, Direction: event.Outbound, ProviderType: "delivered", MessageID: "m-" + native},
	}
}

func source(p provider.Parser) *normalize.Source {
	return &normalize.Source{Name: "jet-prod", ID: "jet", Provider: "jetemail", Parser: p, Mapper: 4}
}

// run is Normalize with all the time there is.
func run(t testing.TB, s *normalize.Source, v webhook.Verified, rawID string) normalize.Output {
	t.Helper()
	out, err := normalize.Normalize(t.Context(), s, v, rawID)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var receivedAt = time.Date(2025, 11, 28, 7, 29, 58, 113999999, time.FixedZone("CET", 3600))

// proven is a proven request with this query and body.
func proven(query, body string) webhook.Verified {
	values, err := url.ParseQuery(query)
	if err != nil {
		panic(err)
	}
	return webhook.AssumeProvenForReplayAndTests(webhook.Request{
		Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Query: values,
		Body: []byte(body), RemoteAddr: netip.MustParseAddr("192.0.2.7"), ReceivedAt: receivedAt,
	})
}

func TestNormalizeFillsWhatTheParserDoesNotKnow(t *testing.T) {
	out := run(t, source(gives(delivered("n1"))), proven("", "{}"), "raw-1")
	if len(out.Events) != 1 || len(out.DeadLetters) != 0 {
		t.Fatalf("got %d events and dead letters %+v, want one event", len(out.Events), out.DeadLetters)
	}
	// printf 'jetemail\0jet\0n1\0delivered' | sha256sum | head -c 32
	const id = "96d4248debd82a4e51560bd4fe53d186"
	want := `{"schema":"email-event/1","id":"` + id + `","type":"delivered","family":"delivery","direction":"outbound",` +
		`"provider":"jetemail","source":"jet-prod","provider_type":"delivered","received_at":"2025-11-28T06:29:58.113Z","message_id":"m-n1","raw_id":"raw-1"}`
	if diff := cmp.Diff(want, string(out.Events[0].Event.AppendJSON(nil))); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestEventIDsAreStableAndDistinct(t *testing.T) {
	seen := map[string]string{}
	for _, id := range [][4]string{
		{"p", "s", "n", "t"},
		{"q", "s", "n", "t"},
		{"p", "z", "n", "t"},
		{"p", "s", "m", "t"},
		{"p", "s", "n", "u"},
		{"ps", "", "n", "t"},
		{"p", "sn", "", "t"},
		{"p", "s", "nt", ""},
		{"", "ps", "n", "t"},
	} {
		got := normalize.EventID(id[0], id[1], id[2], id[3])
		if again := normalize.EventID(id[0], id[1], id[2], id[3]); again != got {
			t.Errorf("%v: got %s, then %s", id, got, again)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("%v has the id of %s", id, other)
		}
		seen[got] = strings.Join(id[:], "|")
	}
	s := source(gives(delivered("n1")))
	before := run(t, s, proven("", "{}"), "raw-1").Events[0].Event.ID
	s.Name, s.Mapper = "renamed", 9
	if after := run(t, s, proven("", "other"), "raw-2").Events[0].Event.ID; after != before {
		t.Errorf("the id of a renamed source changed: %s, then %s", before, after)
	}
	s.ID = "other"
	if after := run(t, s, proven("", "{}"), "raw-1").Events[0].Event.ID; after == before {
		t.Error("another source id must give another event id")
	}
}

func TestOneBadItemLeavesItsNeighboursAlone(t *testing.T) {
	invalid := delivered("bad")
	invalid.Event.Type, invalid.Event.Family, invalid.Index = event.Bounced, "", 1
	malformed := provider.Result{Index: 2, Item: []byte("17"), Malformed: &provider.Malformed{Reason: provider.ReasonNotAnObject, Detail: "item 2 is a number"}}
	nameless := delivered("")
	nameless.Index = 3
	first, last := delivered("a"), delivered("b")
	last.Index = 4
	out := run(t, source(gives(first, invalid, malformed, nameless, last)), proven("", "[]"), "raw-1")

	var events []string
	for _, e := range out.Events {
		events = append(events, e.Event.MessageID)
	}
	if diff := cmp.Diff([]string{"m-a", "m-b"}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	want := []normalize.DeadLetter{
		{Reason: "invalid_event", Stage: "validate", Detail: "event: bounce is required on bounced", Index: 1, Item: []byte(`{"id":"bad"}`)},
		{Reason: "not_an_object", Stage: "parse", Detail: "item 2 is a number", Index: 2, Item: []byte("17")},
		{Reason: "invalid_event", Stage: "normalize", Detail: "the parser gave the event no native id", Index: 3, Item: []byte(`{"id":""}`)},
	}
	if diff := cmp.Diff(want, out.DeadLetters, cmpopts.IgnoreUnexported(normalize.DeadLetter{})); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

func TestAParserThatBreaksDownDeadLettersTheBody(t *testing.T) {
	var none []int
	tests := map[string]struct {
		p    parser
		want string
	}{
		"runtime error": {func(b []byte) []provider.Result { _ = none[len(b)]; return nil }, "runtime error: index out of range [19] with length 0"},
		"text":          {func(b []byte) []provider.Result { panic(string(b)) }, "panic with a string"},
	}
	for name, tt := range tests {
		out := run(t, source(tt.p), proven("", "canary@example.com!"), "raw-1")
		if len(out.Events) != 0 || len(out.DeadLetters) != 1 {
			t.Fatalf("%s: got %+v, want one dead letter", name, out)
		}
		d := out.DeadLetters[0]
		if d.Reason != "parser_panic" || d.Stage != "normalize" || d.Index != -1 || string(d.Item) != "canary@example.com!" || d.Detail != tt.want {
			t.Errorf("%s: got %+v", name, d)
		}
		if !strings.Contains(string(d.Stack), "normalize_test.go") {
			t.Errorf("%s: the stack does not name the parser: %s", name, d.Stack)
		}
	}
}

func TestAnUnreadableBodyIsOneDeadLetter(t *testing.T) {
	p := gives(provider.Result{Index: -1, Malformed: &provider.Malformed{Reason: provider.ReasonEmptyBody}})
	out := run(t, source(p), proven("", " \n"), "raw-1")
	want := normalize.Output{Events: []normalize.Item{}, DeadLetters: []normalize.DeadLetter{{Reason: "empty_body", Stage: "parse", Index: -1, Item: []byte(" \n")}}}
	if diff := cmp.Diff(want, out, cmpopts.IgnoreUnexported(normalize.DeadLetter{})); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestNormalizeRefusesAnUnprovenRequest(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("want a panic: the zero Verified proves nothing")
		}
	}()
	run(t, source(gives()), webhook.Verified{}, "raw-1")
}

func TestQueryParameters(t *testing.T) {
	tests := map[string]struct {
		query     string
		recipient string // of the payload
		want      string
		metadata  map[string]string
	}{
		"recipient and metadata":         {"email=a@Example.com&campaign=w&contact=7&other=x", "", "a@Example.com", map[string]string{"campaign": "w", "contact": "7"}},
		"the payload's recipient wins":   {"email=a@example.com", "b@example.com", "b@example.com", nil},
		"an unescaped plus is restored":  {"email=joe+shop@example.com", "", "joe+shop@example.com", nil},
		"a display name is stripped":     {"email=Joe+Doe+%3Cjoe@example.com%3E", "", "joe@example.com", nil},
		"empty and missing are absent":   {"email=&campaign=", "", "", nil},
		"the first of a repeated one":    {"campaign=1&campaign=2", "", "", map[string]string{"campaign": "1"}},
		"the token is never metadata":    {"token=0123456789abcdef&Token=x", "", "", nil},
		"the payload's metadata has it":  {"kind=q", "", "", map[string]string{"kind": "payload", "query.kind": "q"}},
		"the payload's metadata says so": {"kind=payload", "", "", map[string]string{"kind": "payload"}},
	}
	for name, tt := range tests {
		r := delivered("n")
		r.Event.Recipient = tt.recipient
		shared := map[string]string{"kind": "payload"}
		if strings.HasPrefix(tt.query, "kind") {
			r.Event.Metadata = shared
		}
		s := source(gives(r))
		s.QueryRecipient, s.QueryMetadata = "email", []string{"campaign", "contact", "token", "kind"}
		out := run(t, s, proven(tt.query, "{}"), "raw")
		if len(out.Events) != 1 {
			t.Fatalf("%s: got %+v", name, out.DeadLetters)
		}
		e := out.Events[0].Event
		if e.Recipient != tt.want {
			t.Errorf("%s: got recipient %q, want %q", name, e.Recipient, tt.want)
		}
		if diff := cmp.Diff(tt.metadata, e.Metadata); diff != "" {
			t.Errorf("%s: metadata (-want +got):\n%s", name, diff)
		}
		if len(shared) != 1 {
			t.Errorf("%s: the parser's own map was changed: %v", name, shared)
		}
	}
}

func TestWhatIsEmptyIsAbsent(t *testing.T) {
	r := delivered("n")
	r.Event.Tags, r.Event.Recipients, r.Event.Metadata = []string{"", "a"}, []string{""}, map[string]string{"a": "", "b": "1"}
	r.Event.SMTP, r.Event.Complaint, r.Event.Engagement = &event.SMTP{}, &event.Complaint{}, &event.Engagement{}
	out := run(t, source(gives(r)), proven("", "{}"), "raw")
	if len(out.Events) != 1 {
		t.Fatalf("got %+v", out.DeadLetters)
	}
	got := string(out.Events[0].Event.AppendJSON(nil))
	if !strings.Contains(got, `"tags":["a"],"metadata":{"b":"1"},"raw_id"`) || strings.Contains(got, "recipients") {
		t.Errorf("got %s", got)
	}
}

// text returns headers as lines.
func text(headers []event.Header) string {
	var b strings.Builder
	for _, h := range headers {
		b.WriteString("\n" + h.Key + "=" + string(h.Value))
	}
	return b.String()
}

// deadLetterRecord is the documented form of a dead letter.
type deadLetterRecord struct {
	Reason     string              `json:"reason"`
	Stage      string              `json:"stage"`
	Detail     string              `json:"detail"`
	Provider   string              `json:"provider"`
	Source     string              `json:"source"`
	ReceivedAt string              `json:"received_at"`
	Mapper     int                 `json:"mapper"`
	RawID      string              `json:"raw_id"`
	Index      *int                `json:"index"`
	Headers    map[string][]string `json:"headers"`
	Query      map[string][]string `json:"query"`
	Body       string              `json:"body"`
}

// secretive is a source and a request with a secret in every place that can hold one.
func secretive() (*normalize.Source, webhook.Verified) {
	s := source(gives())
	s.QueryRecipient, s.QueryMetadata, s.SecretHeaders = "email", []string{"campaign", "token"}, []string{"x-shared-secret"}
	return s, webhook.AssumeProvenForReplayAndTests(webhook.Request{
		Method: http.MethodPost, URL: "https://h.example/v1/webhooks/jet/canary-path-token",
		Header: http.Header{
			"Content-Type": {"application/json"}, "X-Webhook-Signature": {"sha256=aa"}, "Accept": {"a", "b"},
			"Authorization": {"Basic canary"}, "Proxy-Authorization": {"canary"}, "Cookie": {"canary"}, "X-Shared-Secret": {"canary"},
			"X-Original-Uri": {"/canary"}, "X-Some-Proxy": {"/v1/webhooks/jet/canary-path-token?x"}, "X-Other-Proxy": {"?token=canary%2Fquery"},
			"X-Api-Key": {"canary"}, "Referer": {"https://canary"},
		},
		Query:     url.Values{"token": {"canary/query"}, "email": {"a@example.com"}, "campaign": {"w", "x"}, "other": {"canary"}},
		PathToken: "canary-path-token", Body: []byte("not\x00json"), RemoteAddr: netip.MustParseAddr("2001:db8::7"), ReceivedAt: receivedAt,
	})
}

func TestDeadLetterRecord(t *testing.T) {
	s, v := secretive()
	d := normalize.DeadLetter{Reason: "invalid_json", Stage: "parse", Detail: `at "x"`, Index: -1, Item: v.Request().Body}
	encoder := normalize.NewEncoder(s, v, "raw-1")
	rec := encoder.Record(&d)
	var got deadLetterRecord
	dec := json.NewDecoder(strings.NewReader(string(rec.Value)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		t.Fatalf("%v: %s", err, rec.Value)
	}
	want := deadLetterRecord{
		Reason: "invalid_json", Stage: "parse", Detail: `at "x"`, Provider: "jetemail", Source: "jet-prod",
		ReceivedAt: "2025-11-28T06:29:58.113Z", Mapper: 4, RawID: "raw-1",
		Headers: map[string][]string{"Content-Type": {"application/json"}, "X-Webhook-Signature": {"sha256=aa"}, "Accept": {"a", "b"}},
		Query:   map[string][]string{"email": {"a@example.com"}, "campaign": {"w", "x"}},
		Body:    base64.StdEncoding.EncodeToString([]byte("not\x00json")),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead letter (-want +got):\n%s", diff)
	}
	wantHeaders := "\nprovider=jetemail\nsource=jet-prod\nid=raw-1\nreason=invalid_json\nstage=parse\ncontent-type=application/json\nmapper-version=4"
	if got := text(rec.Headers); rec.Key != "jet-prod/raw-1" || got != wantHeaders {
		t.Errorf("got key %q, headers %s", rec.Key, got)
	}
	d.Index = 0
	if only := string(encoder.Record(&d).Value); !strings.Contains(only, `"index":0,"headers":{"Accept":["a","b"]`) || !json.Valid([]byte(only)) {
		t.Errorf("the only item of a body must have its index and the request's headers: %s", only)
	}
	d.Item, d.Reason = d.Item[1:], "invalid_event"
	want.Reason, want.Index, want.Body = d.Reason, &d.Index, base64.StdEncoding.EncodeToString(d.Item)
	rec, got = encoder.Record(&d), deadLetterRecord{}
	if err := json.Unmarshal(rec.Value, &got); err != nil {
		t.Fatalf("%v: %s", err, rec.Value)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead letter of one item of several (-want +got):\n%s", diff)
	}
	if string(rec.Headers[3].Value) != "invalid_event" || wantHeaders != text(encoder.Record(&normalize.DeadLetter{Reason: "invalid_json", Stage: "parse"}).Headers) {
		t.Error("the headers of one dead letter must not change those of another")
	}
}

func TestRawRecord(t *testing.T) {
	s, v := secretive()
	rec := normalize.RawRecord(s, v, "raw-1", normalize.Counts{Events: 3, DeadLetters: 10, Repeats: 0})
	got := strings.Split(text(rec.Headers), "\n")[1:]
	want := []string{
		"provider=jetemail", "source=jet-prod", "id=raw-1", "method=POST", "content-type=application/json", "remote-address=2001:db8::7",
		"received_at=2025-11-28T06:29:58.113Z", "mapper-version=4", "auth=assumed",
		"events=3", "dead-letters=10", "repeats=0", "query=campaign=w&campaign=x&email=a%40example.com",
		"http-accept=a", "http-accept=b", "http-content-type=application/json", "http-x-webhook-signature=sha256=aa",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if rec.Key != "jet-prod/raw-1" || string(rec.Value) != "not\x00json" {
		t.Errorf("got key %q and value %q", rec.Key, rec.Value)
	}
}

func TestNoSecretIsStored(t *testing.T) {
	s, v := secretive()
	raw := normalize.RawRecord(s, v, "raw-1", normalize.Counts{Events: 1})
	dead := normalize.NewEncoder(s, v, "raw-1").Record(&normalize.DeadLetter{Index: -1})
	for _, rec := range []normalize.Record{raw, dead} {
		all := rec.Key + string(rec.Value) + text(rec.Headers)
		if strings.Contains(all, "canary") {
			t.Errorf("a secret is stored: %s", all)
		}
	}
}

func TestRequestHeadersAreBounded(t *testing.T) {
	h := http.Header{"X-Signature": {"s"}, "X-Huge": {strings.Repeat("x", 40000)}, "X-Part": {strings.Repeat("y", 30000), strings.Repeat("z", 30000)}}
	rec := normalize.RawRecord(source(gives()), webhook.AssumeProvenForReplayAndTests(webhook.Request{Header: h}), "raw-1", normalize.Counts{Events: 1})
	var got []string
	for _, own := range rec.Headers {
		if strings.HasPrefix(own.Key, "http-") {
			got = append(got, own.Key+"="+string(own.Value))
		}
	}
	if diff := cmp.Diff([]string{"http-x-part=" + strings.Repeat("y", 30000), "http-x-signature=s"}, got); diff != "" {
		t.Errorf("want the first X-Part and X-Signature whole and nothing cut (-want +got):\n%s", diff)
	}
}

func BenchmarkNormalize(b *testing.B) {
	s, v := source(gives(delivered("n"))), proven("", "{}")
	b.ReportAllocs()
	for b.Loop() {
		if out, err := normalize.Normalize(b.Context(), s, v, "raw-1"); err != nil || len(out.Events) != 1 {
			b.Fatal("no event")
		}
	}
}
