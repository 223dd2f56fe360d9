package app

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/metrics"
)

// After an outage the next request may be long in coming: what the cluster says to
// the probe ends the alarms, unless something is still wrong.
func TestAlarmsEndWithTheProbe(t *testing.T) {
	late := fmt.Errorf("publish: %w", broker.ErrDeadline)
	for name, c := range map[string]struct {
		failed error
		change func(*health)
		probe  error
		age    time.Duration
		want   string
	}{
		"Kafka is back":               {late, nil, nil, quiet, admin.Ready},
		"it was not there":            {context.DeadlineExceeded, nil, nil, quiet, admin.Ready},
		"it failed a moment ago":      {late, nil, nil, quiet - 1, admin.Degraded},
		"Kafka is away":               {late, nil, errors.New("no answer"), quiet, admin.NotReady},
		"a right is missing":          {errors.New("no right to write"), nil, nil, quiet, admin.Degraded},
		"records wait":                {late, func(h *health) { h.troubles = func() map[string]error { return map[string]error{"t": late} } }, nil, quiet, admin.Degraded},
		"the topics are not in order": {late, func(h *health) { h.topicsOK = false }, nil, quiet, admin.NotReady},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
			o := Options{Now: func() time.Time { return now }, Log: zap.NewNop()}
			h := newHealth(config.Default(), o, metrics.New("test"), newOutages(o.Now, o.Log))
			h.topicsOK, h.serving = true, true
			h.reached(nil)
			h.Published(c.failed)
			h.outages.of("jet", time.Hour).Answered(false)
			if c.change != nil {
				c.change(h)
			}
			now = now.Add(c.age)
			h.reached(c.probe)
			s := h.Status()
			if over := len(s.Outages) == 0; s.Status != c.want || over != (c.want == admin.Ready) {
				t.Errorf("got %s %q, outages %+v, want %s", s.Status, s.Reasons, s.Outages, c.want)
			}
		})
	}
}

// Nothing is said of how many ids are left to read before that is known.
func TestWhatIsLeftToReadIsToldWhenItIsKnown(t *testing.T) {
	for behind, want := range map[int64]int{0: 0, 7: 1} {
		if got := left(dedupe.State{Behind: behind}); len(got) != want {
			t.Errorf("%d records behind: got %v", behind, got)
		}
	}
}
