package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// moody is a publisher whose records end in any way, until it is well.
type moody struct {
	t       *rapid.T
	well    bool
	records []broker.Record // that are safe
	spooled int             // typed ones of them that lie in the spool
}

func (p *moody) MaxRecordBytes(string) int { return 0 }

func (p *moody) Deliver(_ context.Context, recs []broker.Record, _ broker.Durability) ([]bool, error) {
	if !p.well && rapid.IntRange(0, 9).Draw(p.t, "panics") == 0 {
		panic("broken")
	}
	spooled, errs, failed := make([]bool, len(recs)), make([]error, len(recs)), false
	for i, r := range recs {
		errs[i] = p.outcome(r.Topic)
		if errs[i] != nil {
			failed = true
			continue
		}
		p.records = append(p.records, cloned(r))
		if spooled[i] = rapid.Bool().Draw(p.t, "spooled"); spooled[i] && strings.HasPrefix(r.Topic, "outbound.") {
			p.spooled++
		}
	}
	if failed {
		return spooled, &broker.PublishError{Errs: errs}
	}
	if !slices.Contains(spooled, true) {
		return nil, nil
	}
	return spooled, nil
}

// outcome is how a record ends. The raw record always comes through: without it
// nothing of a request that fails may be known, and what is safe of it comes twice.
func (p *moody) outcome(topic string) error {
	if p.well || topic == "raw" {
		return nil
	}
	switch n := rapid.IntRange(0, 9).Draw(p.t, "outcome of "+topic); {
	case n == 0:
		return broker.ErrDeadline
	case n == 1 && topic != "deadletter":
		return broker.ErrTooLarge
	}
	return nil
}

// said is what the published records say, as often as they say it.
func (p *moody) said() map[string]int {
	said := map[string]int{}
	for _, r := range p.records {
		switch {
		case strings.HasPrefix(r.Topic, "outbound."):
			e, err := event.Decode(r.Value)
			if err != nil {
				p.t.Fatal(err)
			}
			said[with(e.ProviderEventID, e.SMTP.Response)]++
		case r.Topic == "deadletter":
			var d struct {
				Body  []byte `json:"body"`
				Index int    `json:"index"`
				Stage string `json:"stage"`
			}
			if err := json.Unmarshal(r.Value, &d); err != nil {
				p.t.Fatal(err)
			}
			if name := string(d.Body); d.Stage == "publish" {
				said[name]++
			} else {
				said[name+strconv.Itoa(d.Index)]++
			}
		}
	}
	return said
}

// Whatever happens to requests that come until they are accepted, each item is
// safe exactly once, and every one that came in is accounted for.
func TestEveryItemIsSafeOnceAndAccountedFor(t *testing.T) {
	src := newSource(t, metrics.New("test"), "jet", "jetemail")
	rapid.Check(t, func(rt *rapid.T) {
		m := metrics.New("test")
		source := *src
		source.Metrics = m.Source("jet", "jetemail")
		pub := &moody{t: rt}
		p := ingest.NewPipeline(ingest.PipelineOptions{
			Publisher: pub, Topics: typedTopics(), Key: "message", Outcomes: &outcomes{}, Log: zap.NewNop(), Now: time.Now,
			Window: dedupe.New(dedupe.Options{Window: time.Hour, MaxIDs: 1000, Now: time.Now}), Recycle: true,
		})
		item := rapid.Custom(func(t *rapid.T) string {
			id := rapid.IntRange(0, 7).Draw(t, "id")
			if id == 7 {
				return `{"id":"bad"}`
			}
			return with(strconv.Itoa(id), strconv.Itoa(250+rapid.IntRange(0, 1).Draw(t, "reply"))+" OK")
		})
		want, received := map[string]int{}, 0
		for range rapid.IntRange(1, 8).Draw(rt, "requests") {
			items := rapid.SliceOfN(item, 1, 6).Draw(rt, "items")
			for i, s := range items {
				if s == `{"id":"bad"}` {
					s += strconv.Itoa(i)
				}
				want[s] = 1
			}
			for try := 0; ; try++ {
				pub.well = try == 4
				received += len(items)
				if accepts(p, &source, "["+strings.Join(items, ",")+"]") {
					break
				}
			}
		}
		if got := fmt.Sprint(pub.said()); got != fmt.Sprint(want) {
			rt.Errorf("published\n%s, want\n%v", got, want)
		}
		typed, dead := 0, 0
		for _, r := range pub.records {
			switch {
			case r.Topic == "deadletter":
				dead++
			case strings.HasPrefix(r.Topic, "outbound."):
				typed++
			}
		}
		for name, n := range map[string]int{
			"published": typed - pub.spooled, "spooled": pub.spooled, "dead_lettered": dead,
		} {
			if got := gathered(t, m, "postrider_events_total", "result="+name); got != float64(n) {
				rt.Errorf("%v events counted as %s, want %d", got, name, n)
			}
		}
		if got := gathered(t, m, "postrider_events_total"); got != float64(received) {
			rt.Errorf("%v events counted of %d received", got, received)
		}
		if got := gathered(t, m, "postrider_events_received_total"); got != float64(received) {
			rt.Errorf("%v events counted as received, want %d", got, received)
		}
		if got := gathered(t, m, "postrider_events_unaccounted"); got != 0 {
			rt.Errorf("%v events unaccounted for", got)
		}
	})
}

// accepts takes a body through the pipeline as the server does.
func accepts(p *ingest.Pipeline, src *ingest.Source, body string) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	_, err := p.Accept(context.Background(), src, webhook.AssumeProvenForReplayAndTests(webhook.Request{
		Method: http.MethodPost, Body: []byte(body), ReceivedAt: time.Unix(1.7e9, 0),
	}), "raw")
	return err == nil
}

// Requests at once, of which many hold the same, are accounted for at every
// moment, and each event is published once.
func TestAccountsBalanceAtEveryMoment(t *testing.T) {
	l := newLine(t, nil)
	const senders, ids = 8, 40
	done := make(chan bool)
	for s := range senders {
		go func() {
			ok := true
			for i := range ids {
				body := "[" + jetEvent(strconv.Itoa(i)) + "," + jetEvent(strconv.Itoa((i+s)%ids)) + ",{}]"
				ok = accepts(l.p, l.src, body) && ok
			}
			done <- ok
		}()
	}
	for left := senders; left > 0; {
		select {
		case ok := <-done:
			if left--; !ok {
				t.Error("a request was not accepted")
			}
		default:
			l.balance(0)
		}
	}
	if got := len(strings.Fields(l.published())); got != ids {
		t.Errorf("%d events published, want %d", got, ids)
	}
	if got := gathered(t, l.m, "postrider_events_total"); got != senders*ids*3 {
		t.Errorf("%v items counted, want %d", got, senders*ids*3)
	}
}
