package app_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// acknowledged remembers the ids that were answered 200.
type acknowledged struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (a *acknowledged) add(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids[id] = true
}

func (a *acknowledged) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.ids)
}

// sendUntilItStops posts events over one connection until the receiver is gone,
// and remembers those that were acknowledged.
func sendUntilItStops(t *testing.T, address string, sender int, acked *acknowledged) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	cfg := webhook.Config{Type: "jetemail", Secrets: []webhook.Secret{{ID: "a", Value: []byte(jetSecret)}}}
	for i := 0; ; i++ {
		id := fmt.Sprintf("evt_%d_%d", sender, i)
		w := webhook.Request{Header: http.Header{}, Body: []byte(jetEvent(id))}
		if err := webhook.Sign(cfg, cfg.Secrets[0], &w, time.Now()); err != nil {
			t.Error(err)
			return
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/v1/webhooks/jet", strings.NewReader(jetEvent(id)))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = w.Header
		res, err := client.Do(req)
		if err != nil {
			return // the receiver is gone
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			acked.add(id)
		}
	}
}

func TestStopUnderLoadLosesNothingAcknowledged(t *testing.T) {
	cfg := settings(t, "")
	first := run(t, cfg)
	acked := &acknowledged{ids: map[string]bool{}}
	var senders sync.WaitGroup
	for s := range 8 {
		senders.Go(func() { sendUntilItStops(t, first.Info().Listen, s, acked) })
	}
	until(t, "a few hundred events are acknowledged", func() bool { return acked.count() > 300 })
	first.stop()
	senders.Wait()
	second := run(t, cfg)
	copies := map[string]int{}
	for _, e := range events(t, cfg, second.Info().Brokers, "email.delivered") {
		copies[e.ProviderEventID]++
	}
	for id := range acked.ids {
		if copies[id] != 1 {
			t.Errorf("%s was acknowledged and is there %d times", id, copies[id])
		}
	}
}
