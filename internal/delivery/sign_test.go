package delivery_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	oracle "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/postrider/postrider/internal/delivery"
)

// key makes a secret as Standard Webhooks writes it.
func key(n byte) string {
	b := make([]byte, 24)
	for i := range b {
		b[i] = n*7 + byte(i)*13
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(b)
}

// request is what a target received.
type request struct {
	header http.Header
	body   []byte
}

// record is a target that keeps what it receives and answers by turns.
func record(t *testing.T, statuses ...int) (url string, received *[]request) {
	t.Helper()
	received = &[]request{}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*received = append(*received, request{r.Header.Clone(), body})
		w.WriteHeader(statuses[min(len(*received), len(statuses))-1])
	})
	return s.URL, received
}

// TestEveryAttemptIsTheSameAndSignedAnew: body and id stay to the byte, and each
// attempt's signature holds at its own time, by another team's library.
func TestEveryAttemptIsTheSameAndSignedAnew(t *testing.T) {
	url, received := record(t, 500, 429, 200)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	c, _ := dial(t, delivery.Options{
		URL: url, Secrets: []delivery.Secret{{ID: "a", Key: key(1)}}, Now: func() time.Time { return now }, UserAgent: "postrider/1.2.3",
	})
	c.OnWait(func(time.Duration) time.Duration { now = now.Add(10 * time.Minute); return 0 })
	body := strings.Repeat("\x00\xff{\"k\":\"ü\"}\n", 20_000)
	m := delivery.Message{ID: "msg_1", ContentType: "application/octet-stream", Body: []byte(body), Header: http.Header{"X-Topic": {"email.events"}}}
	if got, want := told(c.Deliver(t.Context(), m)), "delivered 200 after 3"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	wh, err := oracle.NewWebhook(key(1))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range *received {
		if string(r.body) != body {
			t.Errorf("attempt %d: another body of %d bytes", i+1, len(r.body))
		}
		if err := wh.VerifyIgnoringTimestamp(r.body, r.header); err != nil {
			t.Errorf("attempt %d: %v", i+1, err)
		}
		at := time.Date(2026, 11, 22, 12, 10*i, 0, 0, time.UTC).Unix()
		for name, want := range map[string]string{
			"Webhook-Id": "msg_1", "Webhook-Timestamp": strconv.FormatInt(at, 10), "User-Agent": "postrider/1.2.3",
			"Content-Type": "application/octet-stream", "X-Topic": "email.events", "Content-Length": strconv.Itoa(len(body)),
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("attempt %d: %s is %q, want %q", i+1, name, got, want)
			}
		}
	}
}

// TestSignatureHoldsToday: also with the library's own look at the time.
func TestSignatureHoldsToday(t *testing.T) {
	for _, secret := range []string{key(2), strings.TrimPrefix(key(3), "whsec_")} {
		url, received := record(t, 200)
		c, _ := dial(t, delivery.Options{URL: url, Secrets: []delivery.Secret{{Key: secret}}})
		if _, err := c.Deliver(t.Context(), message()); err != nil {
			t.Fatal(err)
		}
		wh, err := oracle.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := wh.Verify((*received)[0].body, (*received)[0].header); err != nil {
			t.Error(err)
		}
	}
}

// TestSecretsCanBeRotated: all that have not ended sign, each receiver finds its
// own, and nothing is sent when all have ended.
func TestSecretsCanBeRotated(t *testing.T) {
	url, received := record(t, 200)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	secrets := []delivery.Secret{
		{ID: "old", Key: key(1), NotAfter: now.Add(time.Hour)},
		{ID: "new", Key: key(2), NotAfter: now.Add(2 * time.Hour)},
		{ID: "ended", Key: key(3), NotAfter: now.Add(-time.Second)},
	}
	c, _ := dial(t, delivery.Options{URL: url, Secrets: secrets, Now: func() time.Time { return now }})
	holds := func(k string) bool {
		wh, err := oracle.NewWebhook(k)
		if err != nil {
			t.Fatal(err)
		}
		last := (*received)[len(*received)-1]
		return wh.VerifyIgnoringTimestamp(last.body, last.header) == nil
	}
	for _, step := range []struct {
		later    time.Duration
		old, new bool
		count    int
	}{{0, true, true, 2}, {time.Hour, true, true, 2}, {time.Second, false, true, 1}} {
		now = now.Add(step.later)
		if _, err := c.Deliver(t.Context(), message()); err != nil {
			t.Fatal(err)
		}
		signature := (*received)[len(*received)-1].header.Values("Webhook-Signature")
		if len(signature) != 1 || len(strings.Fields(signature[0])) != step.count {
			t.Errorf("%v: signatures are %q, want %d in one header", now, signature, step.count)
		}
		if holds(key(1)) != step.old || holds(key(2)) != step.new || holds(key(3)) {
			t.Errorf("%v: old %t new %t ended %t", now, holds(key(1)), holds(key(2)), holds(key(3)))
		}
	}
	now = now.Add(24 * time.Hour)
	before := len(*received)
	if _, err := c.Deliver(t.Context(), message()); !errors.Is(err, delivery.ErrSecretsEnded) || len(*received) != before {
		t.Errorf("all ended: got %v and %d requests", err, len(*received)-before)
	}
}

// TestSecretsEndBetweenAttempts: what is not signed is not sent then either.
func TestSecretsEndBetweenAttempts(t *testing.T) {
	url, received := record(t, 503)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	c, _ := dial(t, delivery.Options{
		URL: url, Secrets: []delivery.Secret{{Key: key(1), NotAfter: now.Add(time.Minute)}}, Now: func() time.Time { return now },
	})
	c.OnWait(func(time.Duration) time.Duration { now = now.Add(time.Hour); return 0 })
	if _, err := c.Deliver(t.Context(), message()); !errors.Is(err, delivery.ErrSecretsEnded) || len(*received) != 1 {
		t.Errorf("got %v after %d requests", err, len(*received))
	}
}

// TestUnsignedRequestsCarryNoSignature, but the id all the same.
func TestUnsignedRequestsCarryNoSignature(t *testing.T) {
	url, received := record(t, 200)
	c, _ := dial(t, delivery.Options{URL: url})
	if _, err := c.Deliver(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	h := (*received)[0].header
	if h.Get("Webhook-Signature") != "" || h.Get("Webhook-Id") != message().ID || h.Get("Content-Type") != "application/json" {
		t.Errorf("headers are %v", h)
	}
}

// TestSecretsThatCannotBeUsed: mistakes are told at once, and without the secret.
func TestSecretsThatCannotBeUsed(t *testing.T) {
	for _, bad := range []string{
		"", " ", "short", "whsec_", "whsec_c2hvcnQ=", "whsec_no/base64!", "changeme-changeme-changeme",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", key(1) + "====", strings.Repeat("c2hv", 22),
	} {
		_, err := delivery.New(delivery.Options{URL: "https://hooks.example/", Secrets: []delivery.Secret{{ID: "key-7", Key: bad}}, Now: time.Now})
		if err == nil || !strings.Contains(err.Error(), `"key-7"`) || len(bad) > 5 && bad != "whsec_" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	s := delivery.Secret{ID: "a", Key: "canary"}
	if text := fmt.Sprintf("%v %+v %#v %s", s, s, s, s); strings.Contains(text, "canary") {
		t.Errorf("a secret prints as %s", text)
	}
}

// TestMessagesThatCannotBeSent: the fault is the message's, and nobody is asked.
func TestMessagesThatCannotBeSent(t *testing.T) {
	url, received := record(t, 200)
	c, _ := dial(t, delivery.Options{URL: url})
	for name, change := range map[string]func(*delivery.Message){
		"no id":          func(m *delivery.Message) { m.ID = "" },
		"full stop":      func(m *delivery.Message) { m.ID = "email.raw/0/7" },
		"line break":     func(m *delivery.Message) { m.ID = "a\r\nX-Canary: 1" },
		"space":          func(m *delivery.Message) { m.ID = "a b" },
		"long id":        func(m *delivery.Message) { m.ID = strings.Repeat("a", 257) },
		"content type":   func(m *delivery.Message) { m.ContentType = "text/plain\r\nX-Canary: 1" },
		"name":           func(m *delivery.Message) { m.Header = http.Header{"X Canary": {"1"}} },
		"no name":        func(m *delivery.Message) { m.Header = http.Header{"": {"1"}} },
		"value":          func(m *delivery.Message) { m.Header = http.Header{"X-Canary": {"a\nb"}} },
		"signature":      func(m *delivery.Message) { m.Header = http.Header{"webhook-signature": {"v1,x"}} },
		"svix":           func(m *delivery.Message) { m.Header = http.Header{"Svix-Id": {"x"}} },
		"authorization":  func(m *delivery.Message) { m.Header = http.Header{"authorization": {"Bearer x"}} },
		"cookie":         func(m *delivery.Message) { m.Header = http.Header{"Cookie": {"x"}} },
		"host":           func(m *delivery.Message) { m.Header = http.Header{"Host": {"x"}} },
		"content length": func(m *delivery.Message) { m.Header = http.Header{"content-length": {"1"}} },
		"framing":        func(m *delivery.Message) { m.Header = http.Header{"Transfer-Encoding": {"chunked"}} },
	} {
		m := message()
		change(&m)
		refused, ok := errors.AsType[*delivery.RefusedError](second(c.Deliver(t.Context(), m)))
		if !ok || refused.Status != 0 || refused.Reason == "" {
			t.Errorf("%s: got %v", name, refused)
		}
	}
	if len(*received) > 0 {
		t.Errorf("%d requests were made", len(*received))
	}
}

func second(_ delivery.Outcome, err error) error { return err }
