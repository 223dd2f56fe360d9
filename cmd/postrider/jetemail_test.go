package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/sender"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// documented are the fifteen examples of the provider's page, and the topics
// they belong into.
var documented = map[string]string{
	"outbound_queued": "email.queued", "outbound_delivered": "email.delivered", "outbound_deferred": "email.deferred",
	"outbound_bounced": "email.bounced", "outbound_rejected": "email.bounced", "outbound_spam": "email.dropped",
	"outbound_virus": "email.dropped", "outbound_dropped": "email.dropped", "outbound_opened": "email.opened",
	"outbound_clicked": "email.clicked", "outbound_complaint": "email.complained",
	"inbound_received": "email.inbound.received", "inbound_delivered": "email.inbound.delivered",
	"inbound_spam": "email.inbound.dropped", "inbound_blocked": "email.inbound.dropped",
}

// TestDocumentedJetEmailExamples posts the examples unchanged, although they
// share ids among each other: fifteen events with fifteen ids, and nothing new
// when all are posted again.
func TestDocumentedJetEmailExamples(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	i.serve()
	_, rest, _ := strings.Cut(i.file("data/sources.yaml"), "name: jetemail")
	secret := generatedSecret.FindStringSubmatch(rest)[1]
	var rounds [2]map[string]string // id → topic
	for round := range rounds {
		for name := range documented {
			i.post(name, secret)
		}
		rounds[round] = i.landed()
	}
	if len(rounds[0]) != 15 {
		t.Errorf("got %d ids, want 15", len(rounds[0]))
	}
	if diff := cmp.Diff(rounds[0], rounds[1]); diff != "" {
		t.Errorf("the second round left more (-first +second)\n%s", diff)
	}
	want, got := map[string]int{}, map[string]int{}
	for _, topic := range documented {
		want[topic]++
	}
	for _, topic := range rounds[0] {
		got[topic]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("topics (-want +got)\n%s", diff)
	}
}

// post posts one example, signed.
func (i *install) post(name, secret string) {
	i.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "internal", "provider", "jetemail", "testdata", name+".http"))
	if err != nil {
		i.t.Fatal(err)
	}
	_, body, _ := bytes.Cut(text, []byte("\n\n"))
	req := webhook.Request{Method: http.MethodPost, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
	if err := webhook.Sign(webhook.Config{Type: "jetemail"}, webhook.Secret{ID: "a", Value: []byte(secret)}, &req, time.Now()); err != nil {
		i.t.Fatal(err)
	}
	h, err := http.NewRequestWithContext(i.t.Context(), http.MethodPost, "http://"+i.server+"/v1/webhooks/jetemail", bytes.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	h.Header = req.Header
	res, err := http.DefaultClient.Do(h)
	if err != nil {
		i.t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		i.t.Errorf("%s: status %d", name, res.StatusCode)
	}
}

// landed reads every event and returns their ids, of which there is one each, with
// their topics.
func (i *install) landed() map[string]string {
	i.t.Helper()
	found := map[string]string{}
	counts := map[string]int{}
	for line := range strings.Lines(i.run("tail", "--provider", "jetemail", "--no-follow", "--output", "json")) {
		var e event.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			i.t.Fatal(err)
		}
		found[e.ID] = "email." + sender.RouteWord(e.Route())
		counts[e.ID]++
	}
	for id, count := range counts {
		if count != 1 {
			i.t.Errorf("%s is there %d times, want once", id, count)
		}
	}
	return found
}
