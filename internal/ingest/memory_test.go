package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// reader is a publisher that looks at records as long as it may: until Deliver says
// that all are acknowledged, and after any other outcome for ever.
type reader struct {
	t      *testing.T
	calls  atomic.Int64
	late   sync.WaitGroup
	mu     sync.Mutex
	checks []func() // of what may be read for ever
	seen   map[string]int
}

func (p *reader) MaxRecordBytes(topic string) int {
	if topic == "raw" && p.calls.Load()%13 == 0 {
		return 100 // none fits
	}
	return 0
}

func (p *reader) Deliver(_ context.Context, recs []broker.Record, _ broker.Durability) ([]bool, error) {
	n := p.calls.Add(1)
	before := make([]broker.Record, len(recs))
	for i := range recs {
		before[i] = cloned(recs[i])
	}
	p.note(before)
	same := func() {
		for i := range recs {
			if a, b := text(&recs[i]), text(&before[i]); a != b {
				p.t.Errorf("a record that may still be read changed from\n%s\nto\n%s", b, a)
				return
			}
		}
	}
	for range 3 {
		runtime.Gosched()
		same()
	}
	if n%7 < 4 {
		return nil, nil
	}
	p.keep(same)
	switch n % 7 {
	case 4:
		spooled := make([]bool, len(recs))
		spooled[0] = true
		return spooled, nil
	case 5:
		return nil, p.refusal(recs, n)
	}
	if n%2 == 0 {
		panic("broken")
	}
	return nil, errors.New("the broker is away")
}

// refusal refuses the records of a call, each for itself or all for trouble that passes.
func (p *reader) refusal(recs []broker.Record, n int64) error {
	errs := make([]error, len(recs))
	for i := range errs {
		switch (int(n)/7 + i) % 3 {
		case 0:
			errs[i] = broker.ErrTooLarge
		case 1:
			errs[i] = broker.ErrInvalid
		}
		if n%2 == 0 {
			errs[i] = broker.ErrDeadline
		}
	}
	return &broker.PublishError{Errs: errs}
}

// keep looks again and again while other requests are under way, and at the end.
func (p *reader) keep(same func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checks = append(p.checks, same)
	p.late.Go(func() {
		for range 20 {
			runtime.Gosched()
			same()
		}
	})
}

// note notes to which request the records of a call belong, which has to be one.
func (p *reader) note(recs []broker.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var whose string
	for i := range recs {
		id := owner(p.t, &recs[i])
		if whose == "" {
			whose = id
		}
		if id != whose {
			p.t.Errorf("records of %s and %s in one call", whose, id)
		}
	}
	p.seen[whose]++
}

// text is all of a record.
func text(r *broker.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", r.Topic, r.Key, r.Value)
	for _, h := range r.Headers {
		fmt.Fprintf(&b, " %s=%s", h.Key, h.Value)
	}
	return b.String()
}

// numbers finds the number of a request in each of its texts.
var numbers = regexp.MustCompile(`~([0-9]+)~`)

// owner is the number of the request that a record belongs to in all its parts.
func owner(t *testing.T, r *broker.Record) string {
	t.Helper()
	all := text(r)
	found := numbers.FindAllStringSubmatch(all, -1)
	if len(found) == 0 {
		t.Errorf("a record without a request's number:\n%s", all)
		return ""
	}
	id := found[0][1]
	for _, f := range found {
		if f[1] != id {
			t.Errorf("a record of request %s holds something of %s:\n%s", id, f[1], all)
		}
	}
	if r.Topic == "all" || strings.HasPrefix(r.Topic, "outbound.") {
		e, err := event.Decode(r.Value)
		if err != nil || !bytes.Equal(e.AppendJSON(nil), r.Value) || e.Key() != string(r.Key) ||
			event.HeaderText(r.Headers, "ce_id") != e.ID || event.HeaderText(r.Headers, "ce_subject") != e.MessageID {
			t.Errorf("key, value and headers of a record do not fit each other: %v\n%s", err, all)
		}
	}
	return id
}

// Memory that is used again shows nothing of another request, and what somebody may
// still read stays as it is, whatever becomes of requests and however many are in
// progress.
func TestMemoryIsUsedAgainOnlyWhenNobodyReadsIt(t *testing.T) {
	pub := &reader{t: t, seen: map[string]int{}}
	l := newLine(t, func(o *ingest.PipelineOptions) {
		o.Publisher, o.Topics.All = pub, "all"
	})
	l.src.Dedupe = dedupe.Drop
	const senders, each = 6, 35
	var senderGroup sync.WaitGroup
	for s := range senders {
		senderGroup.Go(func() {
			for i := range each {
				sendNumbered(l, 1000*s+i)
			}
		})
	}
	senderGroup.Wait()
	pub.late.Wait()
	for _, same := range pub.checks {
		same()
	}
	if len(pub.seen) != senders*each {
		t.Errorf("records of %d requests, want %d", len(pub.seen), senders*each)
	}
}

// sendNumbered takes a request of number n, of few or many items, through the pipeline.
func sendNumbered(l *line, n int) {
	defer func() { _ = recover() }()
	number := fmt.Sprintf("~%d~", n)
	items := make([]string, 0, 40)
	for i := range 1 + n%5*8 {
		items = append(items, strings.NewReplacer("message-uid", "m"+number+strconv.Itoa(i), "250 2.0.0", strings.Repeat(number, 1+n%30)).
			Replace(jetEvent(number+"."+strconv.Itoa(i))))
	}
	if n%4 == 0 {
		items = append(items, `{"id":"`+number+`"}`)
	}
	v := webhook.AssumeProvenForReplayAndTests(webhook.Request{
		Method: http.MethodPost, Header: http.Header{"X-Number": {number}},
		Body: []byte("[" + strings.Join(items, ",") + "]"), ReceivedAt: time.Now(),
	})
	_, _ = l.p.Accept(context.Background(), l.src, v, "raw-"+number)
}
