package sender_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/internal/sender"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
	"github.com/postrider/postrider/pkg/webhook/webhooktest"
)

// now is the tests' clock.
func now() time.Time { return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) }

// target is a source of a provider, proven by auth.
func target(t *testing.T, id string, auth webhook.Config) *sender.Target {
	t.Helper()
	def, ok := all.Lookup(id)
	if !ok {
		t.Fatalf("no provider %s", id)
	}
	parser, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &sender.Target{
		Source:   &normalize.Source{Name: "src", ID: "src", Provider: id, Parser: parser, Mapper: def.Mapper, QueryRecipient: "email"},
		Provider: def, Auth: auth, PublicURL: "https://hooks.example.com/v1/webhooks/src", PostURL: "http://127.0.0.1:1/v1/webhooks/src",
		Refused: http.StatusUnauthorized,
	}
}

// secret makes one secret.
func secret(value string) []webhook.Secret {
	return []webhook.Secret{{ID: "a", Value: []byte(value)}}
}

// builder makes webhooks with ids that count.
func builder(v sender.Variant) *sender.Builder {
	n := 0
	topics := map[event.Route]string{}
	for _, r := range event.Routes() {
		topics[r] = "email." + sender.RouteWord(r)
	}
	return &sender.Builder{
		Now: now, NewID: func() string { n++; return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) },
		Recipient: `"odd \ one"@example.com`, Sender: "s@example.com", Variant: v, Age: time.Hour,
		Topics: topics, Key: (*event.Event).Key,
	}
}

// receiver judges what comes as a receiver would.
type receiver struct {
	target   *sender.Target
	verifier webhook.Verifier
	bodies   []string
}

// serve starts the receiver and points the target at it.
func serve(t *testing.T, tg *sender.Target) *receiver {
	t.Helper()
	v, err := webhook.New(tg.Auth)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{target: tg, verifier: v}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	tg.PostURL = s.URL + "/v1/webhooks/src"
	return r
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	var body strings.Builder
	if _, err := fmt.Fprint(&body, readAll(h)); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	r.bodies = append(r.bodies, body.String())
	_, token, _ := strings.Cut(strings.TrimPrefix(h.URL.Path, "/v1/webhooks/"), "/")
	req := webhook.Request{
		Method: h.Method, Header: h.Header, Query: h.URL.Query(), PathToken: token, Body: []byte(body.String()), ReceivedAt: now(),
		URL: "https://hooks.example.com" + h.URL.RequestURI(),
	}
	if _, err := webhook.Verify(r.verifier, req); err != nil {
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func readAll(h *http.Request) string {
	var b strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := h.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

// run carries out a plan of one typical event.
func run(t *testing.T, tg *sender.Target, b *sender.Builder, p sender.Plan, f *sender.Finder) []sender.Result {
	t.Helper()
	steps, err := sender.Choose([]*sender.Target{tg}, sender.Choice{})
	if err != nil {
		t.Fatal(err)
	}
	p.Steps = steps
	var results []sender.Result
	r := &sender.Runner{Builder: b, Client: sender.NewClient(), Finder: f, Now: now}
	err = r.Run(t.Context(), p, func(r sender.Result) error { results = append(results, r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != p.Total() {
		t.Fatalf("got %d results of %d", len(results), p.Total())
	}
	return results
}

// schemes is a configuration of every auth type: what is not named takes a secret
// of any text.
func schemes(t *testing.T) map[string]webhook.Config {
	t.Helper()
	each := map[string]webhook.Config{
		"sendgrid":          {Type: "sendgrid", Secrets: secret(string(webhooktest.PrivateKey(t, "sendgrid")))},
		"postal":            {Type: "postal", Secrets: secret(string(webhooktest.PrivateKey(t, "postal")))},
		"sns":               {Type: "sns", Topics: []string{"arn:aws:sns:eu-central-1:123456789012:mail"}, Secrets: secret(string(webhooktest.PrivateKey(t, "sns")))},
		"sweego":            {Type: "sweego", Secrets: secret("c3RhbmRhcmQtd2ViaG9va3MtdGVzdC1zZWNyZXQ=")},
		"jetemail":          {Type: "jetemail", Secrets: secret("a-secret-of-this-test")},
		"hmac":              {Type: "hmac", Header: "X-Sig", Template: "{timestamp}.{url}.{body}", Timestamp: "X-Time", Secrets: secret("a-secret-of-this-test")},
		"standard_webhooks": {Type: "standard_webhooks", Secrets: secret("whsec_c3RhbmRhcmQtd2ViaG9va3MtdGVzdC1zZWNyZXQ=")},
		"basic":             {Type: "basic", Secrets: []webhook.Secret{{ID: "a", Username: "u", Password: []byte("a-password-of-this-test")}}},
		"bearer":            {Type: "bearer", Secrets: secret("a-secret-of-this-test")},
		"header":            {Type: "header", Header: "X-Key", Secrets: secret("a-secret-of-this-test")},
		"token":             {Type: "token", Secrets: secret("a-secret-of-this-test")},
		"none":              {Type: "none"},
	}
	for _, typ := range webhook.Types() {
		if _, ok := each[typ]; !ok {
			each[typ] = webhook.Config{Type: typ, Secrets: secret("a-secret-of-this-test")}
		}
	}
	return each
}

func TestEverySchemeCanBeSentAndForged(t *testing.T) {
	t.Parallel()
	for name, auth := range schemes(t) {
		if name == "mandrill" || name == "sns" {
			continue // which sign forms and messages alone, of their own providers
		}
		for _, v := range []sender.Variant{sender.Genuine, sender.Tampered, sender.Stale} {
			tg := target(t, "jetemail", auth)
			serve(t, tg)
			if ok, why := tg.Forgeable(v); !ok {
				if why == "" {
					t.Errorf("%s, %s: no reason given", name, v)
				}
				continue
			}
			r := run(t, tg, builder(v), sender.Plan{}, nil)[0]
			want := http.StatusOK
			if v != sender.Genuine {
				want = http.StatusUnauthorized
			}
			if r.Status != want || r.Problem() != "" {
				t.Errorf("%s, %s: status %d and problem %q, want %d and none (%v)", name, v, r.Status, r.Problem(), want, r.Err)
			}
		}
	}
}

func TestAcceptedForgeryIsAProblem(t *testing.T) {
	t.Parallel()
	tg := target(t, "jetemail", schemes(t)["jetemail"])
	r := serve(t, tg)
	var err error
	if r.verifier, err = webhook.New(webhook.Config{Type: "none"}); err != nil {
		t.Fatal(err)
	}
	for _, v := range []sender.Variant{sender.Tampered, sender.Genuine} {
		got := run(t, tg, builder(v), sender.Plan{}, nil)[0].Problem()
		if (got != "") != (v == sender.Tampered) {
			t.Errorf("%s: problem %q", v, got)
		}
	}
}

func TestEverySampleIsANewEvent(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	auth := schemes(t)["token"]
	for _, def := range all.Definitions() {
		b := builder(sender.Genuine)
		for _, s := range def.Samples() {
			for range 2 {
				w, err := b.Build(t.Context(), target(t, def.ID, auth), s)
				if err != nil {
					t.Fatal(err)
				}
				if len(w.Events) != 1 || len(w.DeadLetters) != 0 || ids[w.Events[0].ID] || w.Events[0].Topic == "" {
					t.Errorf("%s %s: got %+v and dead letters %v", def.ID, s.Name, w.Events, w.DeadLetters)
					continue
				}
				ids[w.Events[0].ID] = true
			}
		}
	}
}

func TestDuplicatesAreTheSameBytes(t *testing.T) {
	t.Parallel()
	tg := target(t, "jetemail", schemes(t)["jetemail"])
	r := serve(t, tg)
	results := run(t, tg, builder(sender.Genuine), sender.Plan{Count: 2, Duplicates: 2}, nil)
	if n := len(slices.Compact(slices.Clone(r.bodies))); len(r.bodies) != 6 || n != 2 {
		t.Errorf("got %d requests with %d bodies in a row, want 6 with 2", len(r.bodies), n)
	}
	for i, r := range results {
		if r.Copy != i%3 {
			t.Errorf("result %d is copy %d", i, r.Copy)
		}
	}
}

func TestNoAnswerNamesNoToken(t *testing.T) {
	t.Parallel()
	r := run(t, target(t, "vfs", schemes(t)["token"]), builder(sender.Genuine), sender.Plan{}, nil)[0]
	if r.Status != 0 || r.Err == nil || strings.Contains(r.Err.Error(), "a-secret") || !strings.Contains(r.Err.Error(), "--url") {
		t.Errorf("got status %d and error %v", r.Status, r.Err)
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	tg := target(t, "jetemail", schemes(t)["jetemail"])
	for _, c := range []struct {
		types []string
		want  []string
	}{
		{[]string{"OUTBOUND.virus"}, []string{"virus"}},
		{[]string{"bounced"}, []string{"bounced_hard", "bounced_soft", "rejected"}},
		{[]string{"inbound.received", "opened"}, []string{"opened", "inbound_received"}},
		{[]string{"bounced_soft"}, []string{"bounced_soft"}},
		{nil, []string{"delivered"}},
	} {
		steps, err := sender.Choose([]*sender.Target{tg}, sender.Choice{Types: c.types})
		var got []string
		for _, s := range steps {
			got = append(got, s.Sample.Name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%v: %v (-want +got)\n%s", c.types, err, diff)
		}
	}
	steps, err := sender.Choose([]*sender.Target{tg}, sender.Choice{All: true})
	if err != nil || len(steps) != len(tg.Provider.Samples()) {
		t.Errorf("all: got %d steps (%v)", len(steps), err)
	}
	if _, err := sender.Choose([]*sender.Target{tg}, sender.Choice{Types: []string{"bounced", "sent"}}); err == nil || !strings.Contains(err.Error(), `"sent"`) {
		t.Errorf("a type that is not there: got %v", err)
	}
}

// fakeLog is one topic of one partition.
type fakeLog struct{ ids []string }

// Offsets implements sender.Log.
func (l *fakeLog) Offsets(context.Context, string) (map[int]broker.OffsetRange, error) {
	return map[int]broker.OffsetRange{0: {Next: int64(len(l.ids))}}, nil
}

// Read implements sender.Log; it waits for more as the broker's client does.
func (l *fakeLog) Read(ctx context.Context, topic string, partition int, from, to int64, fn func(broker.Message) error) error {
	for i := from; to < 0 || i < to; i++ {
		if i >= int64(len(l.ids)) {
			<-ctx.Done()
			return ctx.Err()
		}
		m := broker.Message{Topic: topic, Partition: partition, Offset: i, Headers: []broker.Header{{Key: "ce_id", Value: []byte(l.ids[i])}}}
		if err := fn(m); err != nil {
			if errors.Is(err, broker.ErrStop) {
				return nil
			}
			return err
		}
	}
	return nil
}

func TestFind(t *testing.T) {
	t.Parallel()
	log := &fakeLog{ids: []string{"x", "b"}}
	f, err := sender.NewFinder(t.Context(), log, []string{"t"}, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	want := func(ids ...string) (e []sender.Expected) {
		for _, id := range ids {
			e = append(e, sender.Expected{ID: id, Topic: "t"})
		}
		return e
	}
	log.ids = append(log.ids, "other", "b", "a")
	got, err := f.Find(t.Context(), want("a", "b"), false)
	if err != nil || !got[0].Found || got[0].Position.Offset != 4 || !got[1].Found || got[1].Position.Offset != 3 {
		t.Errorf("two events: got %+v, %v; want offsets 4 and 3, not the old record 1", got, err)
	}
	got, err = f.Find(t.Context(), want("a"), true)
	if err != nil || !got[0].Found || !got[0].Earlier || got[0].Position.Offset != 4 {
		t.Errorf("a repeat without a record of its own: got %+v, %v", got, err)
	}
	log.ids = append(log.ids, "a")
	got, err = f.Find(t.Context(), want("a"), true)
	if err != nil || !got[0].Found || got[0].Earlier || got[0].Position.Offset != 5 {
		t.Errorf("a repeat with a record of its own: got %+v, %v", got, err)
	}
	got, err = f.Find(t.Context(), want("missing"), false)
	if err != nil || got[0].Found {
		t.Errorf("a missing event: got %+v, %v", got, err)
	}
	if _, err := f.Find(t.Context(), []sender.Expected{{ID: "a", Topic: "elsewhere"}}, false); err == nil {
		t.Error("a topic nobody asked for: got no error")
	}
}

func TestBodyIsSentAsItIs(t *testing.T) {
	t.Parallel()
	body := " {\"type\":\"x\", \n } "
	w, err := builder(sender.Genuine).BuildBody(t.Context(), target(t, "jetemail", schemes(t)["jetemail"]), provider.Sample{}, []byte(body))
	if err != nil || string(w.Body()) != body || len(w.DeadLetters)+len(w.Events) != 1 {
		t.Errorf("got %+v, %v", w, err)
	}
}

// A source whose proof cannot be made is told of once; the others are sent to.
func TestASourceThatCannotBeSentToStopsNoOther(t *testing.T) {
	t.Parallel()
	broken, good := target(t, "jetemail", schemes(t)["jetemail"]), target(t, "jetemail", schemes(t)["hmac"])
	broken.Auth.Secrets = []webhook.Secret{{ID: "a", Value: []byte("a-secret-of-this-test"), NotAfter: now().Add(-time.Hour)}}
	r := serve(t, good)
	steps, err := sender.Choose([]*sender.Target{broken, good}, sender.Choice{Types: []string{"bounced"}})
	if err != nil {
		t.Fatal(err)
	}
	var unsent []sender.Result
	runner := &sender.Runner{Builder: builder(sender.Genuine), Client: sender.NewClient(), Now: now}
	err = runner.Run(t.Context(), sender.Plan{Steps: steps, Count: 2}, func(r sender.Result) error {
		if r.Unsent {
			unsent = append(unsent, r)
		}
		return nil
	})
	if err != nil || len(r.bodies) != len(steps) {
		t.Errorf("%v; the good source got %d webhooks, want %d", err, len(r.bodies), len(steps))
	}
	if len(unsent) != 1 || unsent[0].Webhook.Target != broken || unsent[0].Err == nil || unsent[0].Problem() == "" {
		t.Errorf("got %+v, want one result that says why", unsent)
	}
}

// A template may sign headers whose meaning only the provider knows.
func TestSignedHeadersAreMadeUp(t *testing.T) {
	t.Parallel()
	auth := webhook.Config{Type: "hmac", Header: "X-Sig", Template: "{header:X-Foo}.{body}", Secrets: secret("a-secret-of-this-test")}
	tg := target(t, "jetemail", auth)
	serve(t, tg)
	if r := run(t, tg, builder(sender.Genuine), sender.Plan{}, nil)[0]; r.Status != http.StatusOK {
		t.Errorf("status %d: %v", r.Status, r.Err)
	}
}

func TestEndedSecretsSignNothing(t *testing.T) {
	t.Parallel()
	auth := schemes(t)["jetemail"]
	auth.Secrets[0].NotAfter = now().Add(-time.Hour)
	if _, err := builder(sender.Genuine).Build(t.Context(), target(t, "jetemail", auth), provider.Sample{Body: "{}"}); err == nil {
		t.Error("got no error")
	}
	auth.Secrets = append(auth.Secrets, webhook.Secret{ID: "b", Value: []byte("another-secret-of-this-test")})
	if _, err := builder(sender.Genuine).Build(t.Context(), target(t, "jetemail", auth), provider.Sample{Body: "{}"}); err != nil {
		t.Errorf("the second secret is in force, but: %v", err)
	}
}

func TestASourceThatOnlyItsProviderSignsForSaysSo(t *testing.T) {
	t.Parallel()
	tg := target(t, "ses", webhook.Config{Type: "sns", Topics: []string{"arn:aws:sns:eu-west-1:123456789012:x"}})
	_, err := builder(sender.Genuine).Build(t.Context(), tg, tg.Provider.Samples()[0])
	if err == nil || !strings.Contains(err.Error(), "private key") || strings.Contains(err.Error(), "not_after") {
		t.Errorf("error %v, want what to do", err)
	}
}
