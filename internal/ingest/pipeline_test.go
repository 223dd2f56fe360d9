package ingest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/ingest"
)

// post sends items as one batch to the JetEmail source.
func (r *rig) post(items ...string) {
	r.t.Helper()
	r.want(r.signed("["+strings.Join(items, ",")+"]"), http.StatusOK)
}

// ids returns the provider event ids of a topic's records, in order.
func (r *rig) ids(topic string) string {
	r.t.Helper()
	var ids []string
	for _, rec := range r.pub.topic(topic) {
		var e struct {
			ID string `json:"provider_event_id"`
		}
		if err := json.Unmarshal(rec.Value, &e); err != nil {
			r.t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	return strings.Join(ids, " ")
}

// deadLetter is what the tests look at in a dead letter.
type deadLetter struct {
	Reason string `json:"reason"`
	Stage  string `json:"stage"`
	Index  *int   `json:"index"`
	Body   []byte `json:"body"`
}

func (r *rig) deadLetters() []deadLetter {
	r.t.Helper()
	var out []deadLetter
	for _, rec := range r.pub.topic("deadletter") {
		var d deadLetter
		if err := json.Unmarshal(rec.Value, &d); err != nil {
			r.t.Fatal(err)
		}
		out = append(out, d)
	}
	return out
}

func TestBadItemLeavesItsNeighboursInOrder(t *testing.T) {
	r := start(t, nil)
	r.post(jetEvent("a"), `{"id":"b"}`, `17`, jetEvent("c"))
	if got := r.ids("outbound.delivered"); got != "a c" {
		t.Errorf("published %q, want a c", got)
	}
	dead := r.deadLetters()
	if len(dead) != 2 || *dead[0].Index != 1 || *dead[1].Index != 2 || string(dead[0].Body) != `{"id":"b"}` {
		t.Errorf("dead letters: %+v", dead)
	}
}

func TestEventsOfABatchGoEachToTheirOwnTopic(t *testing.T) {
	r := start(t, nil)
	opened := func(id string) string {
		return strings.Replace(jetEvent(id), "outbound.delivered", "outbound.opened", 1)
	}
	r.post(jetEvent("a"), opened("b"), opened("c"), jetEvent("d"))
	r.post(opened("e"))
	if delivered, opened := r.ids("outbound.delivered"), r.ids("outbound.opened"); delivered != "a d" || opened != "b c e" {
		t.Errorf("published %q as delivered and %q as opened", delivered, opened)
	}
}

func TestRecordOverTheLimitBecomesADeadLetterAlone(t *testing.T) {
	r := start(t, func(_ *ingest.Options, p *fakePublisher) {
		p.fail = func(rec broker.Record) error {
			if rec.Topic == "outbound.delivered" && strings.Contains(string(rec.Value), `"b"`) {
				return broker.ErrTooLarge
			}
			return nil
		}
	})
	r.post(jetEvent("a"), jetEvent("b"), jetEvent("c"))
	if got := r.ids("outbound.delivered"); got != "a c" {
		t.Errorf("published %q, want a c", got)
	}
	dead := r.deadLetters()
	if len(dead) != 1 || dead[0].Reason != "too_large" || dead[0].Stage != "publish" || string(dead[0].Body) != jetEvent("b") {
		t.Errorf("dead letters: %+v", dead)
	}
}

func TestDeadLetterOverTheLimitKeepsItsReason(t *testing.T) {
	r := start(t, func(_ *ingest.Options, p *fakePublisher) {
		p.fail = func(rec broker.Record) error {
			if rec.Topic == "deadletter" && len(rec.Value) > 700 {
				return broker.ErrTooLarge
			}
			return nil
		}
	})
	r.post(`{"id":"` + strings.Repeat("x", 1000) + `"}`)
	dead := r.deadLetters()
	if len(dead) != 1 || dead[0].Reason != "missing_type" || len(dead[0].Body) != 0 {
		t.Errorf("dead letters: %+v", dead)
	}
}

func TestDeadLetterTopicThatTakesNothingFailsTheRequest(t *testing.T) {
	r := start(t, func(_ *ingest.Options, p *fakePublisher) {
		p.fail = func(rec broker.Record) error {
			if rec.Topic == "deadletter" {
				return broker.ErrTooLarge
			}
			return nil
		}
	})
	r.want(r.signed(`{}`), http.StatusServiceUnavailable)
}

func TestItemThatFitsNowhereIsNotAccepted(t *testing.T) {
	r := start(t, func(_ *ingest.Options, p *fakePublisher) {
		p.fail = func(rec broker.Record) error {
			if len(rec.Value) > 300 {
				return broker.ErrTooLarge
			}
			return nil
		}
	})
	r.want(r.signed(jetEvent(strings.Repeat("x", 1000))), http.StatusServiceUnavailable)
}

func TestDeadLetterWithoutARawCopyNamesNone(t *testing.T) {
	r := start(t, func(_ *ingest.Options, p *fakePublisher) { p.limits = map[string]int{"raw": 10} })
	r.post(jetEvent("a"), `{}`)
	letters := r.pub.topic("deadletter")
	if len(letters) != 1 || strings.Contains(string(letters[0].Value), `"raw_id"`) || !strings.Contains(string(letters[0].Value), `"headers":{`) {
		t.Errorf("dead letters: %s", letters[0].Value)
	}
}

func TestRawCopyOverTheLimitIsLeftOut(t *testing.T) {
	r := start(t, func(_ *ingest.Options, p *fakePublisher) { p.limits = map[string]int{"raw": 10} })
	r.post(jetEvent("a"))
	typed := r.pub.topic("outbound.delivered")
	if len(typed) != 1 || strings.Contains(string(typed[0].Value), "raw_id") {
		t.Errorf("the event is not published, or names a raw record that does not exist: %v", typed)
	}
	if n := len(r.pub.topic("raw")); n != 0 {
		t.Errorf("%d raw records", n)
	}
}

func TestClientThatGoesAwayDoesNotStopThePublish(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(_ *ingest.Options, p *fakePublisher) { p.entered, p.release = entered, release })
	conn := r.dial()
	conn.send(r.signed(jetEvent("a")))
	<-entered
	conn.close()
	close(release)
	r.stop() // waits for the request in progress
	if got := r.ids("outbound.delivered"); got != "a" {
		t.Errorf("published %q, want a", got)
	}
}

func TestShutdownWaitsForRequestsInProgress(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(_ *ingest.Options, p *fakePublisher) { p.entered, p.release = entered, release })
	conn := r.dial()
	defer conn.close()
	conn.send(r.signed(jetEvent("a")))
	<-entered
	stopped := make(chan struct{})
	go func() { r.stop(); close(stopped) }()
	close(release)
	if status := conn.status(); status != http.StatusOK {
		t.Errorf("got %d, want 200", status)
	}
	<-stopped
}
