package ingest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/ingest"
)

// Requests of one moment end together, none after its own time; those of a later moment
// have nearly all of theirs again.
func TestRequestsOfOneMomentShareTheirTime(t *testing.T) {
	const budget = 10 * time.Second
	var end time.Time
	r := start(t, func(o *ingest.Options, p *fakePublisher) {
		o.Limits.Budget = budget
		p.asked = func(ctx context.Context) { end, _ = ctx.Deadline() }
	})
	ends, shared := make(map[time.Time]int), 0
	for n := 0; len(ends) < 2 || shared < 2; n++ { // on a slow machine a moment may have one request only
		if n == 10_000 {
			t.Fatalf("%d requests have %d ends, at most %d of them one", n, len(ends), shared)
		}
		sent := time.Now()
		r.want(r.signed(jetEvent("a")), http.StatusOK)
		if end.After(time.Now().Add(budget)) || end.Before(sent.Add(budget*8/10)) {
			t.Fatalf("sent at %v with %s, ends at %v", sent, budget, end)
		}
		ends[end]++
		shared = max(shared, ends[end])
	}
}
