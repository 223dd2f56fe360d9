package app

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/metrics"
)

// What /readyz makes of each state. Not ready sends providers away: it is only for
// what would be refused.
func TestStatus(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	long, short := now.Add(-2*time.Minute), now.Add(-time.Second)
	away := func(h *health) { h.broker.Reachable = false }
	spool := func(s admin.Spool) func(*health) {
		return func(h *health) { h.spool = func() admin.Spool { return s } }
	}
	durability := func(d map[string]string) func(*health) { return func(h *health) { h.durability = d } }
	for name, c := range map[string]struct {
		change []func(*health)
		status string
		reason string // "" for none
	}{
		"all is well":           {nil, admin.Ready, ""},
		"away, spool":           {[]func(*health){away}, admin.Degraded, "kept in the spool"},
		"away, no spool":        {[]func(*health){away, spool(admin.Spool{State: admin.SpoolOff})}, admin.NotReady, "send them again"},
		"away, spool full":      {[]func(*health){away, spool(admin.Spool{State: admin.SpoolFull, Detail: "no room"})}, admin.NotReady, "no room"},
		"away, spool failed":    {[]func(*health){away, spool(admin.Spool{State: admin.SpoolFailed, Detail: "i/o error"})}, admin.NotReady, "i/o error"},
		"away, broker only":     {[]func(*health){away, durability(map[string]string{"a": "broker"})}, admin.NotReady, "no source uses the spool"},
		"away, one broker only": {[]func(*health){away, durability(map[string]string{"a": "broker", "b": "spool_first"})}, admin.Degraded, "without the spool: a"},
		"spool full":            {[]func(*health){spool(admin.Spool{State: admin.SpoolFull, Detail: "no room"})}, admin.Degraded, "no room"},
		"topics, spool":         {[]func(*health){func(h *health) { h.topicsOK, h.topics = false, "no right" }}, admin.Degraded, "no right: events are kept"},
		"storage, spool":        {[]func(*health){func(h *health) { h.storage = func() error { return errors.New("disk nearly full") } }}, admin.Degraded, "disk nearly full: events are kept"},
		"waits for long":        {[]func(*health){spool(admin.Spool{State: admin.SpoolReady, Records: 7, Oldest: &long})}, admin.Degraded, "7 records wait"},
		"waits for a moment":    {[]func(*health){spool(admin.Spool{State: admin.SpoolReady, Records: 7, Oldest: &short})}, admin.Ready, ""},
		"dead records":          {[]func(*health){spool(admin.Spool{State: admin.SpoolReady, Dead: 2})}, admin.Degraded, "spool ls"},
		"damage":                {[]func(*health){spool(admin.Spool{State: admin.SpoolReady, Damaged: 2})}, admin.Degraded, "at most 2 records were lost"},
		"a topic in trouble": {[]func(*health){func(h *health) {
			h.troubles = func() map[string]error { return map[string]error{"t": errors.New("no right")} }
		}}, admin.Degraded, "topic t: no right"},
		"ids are read": {[]func(*health){func(h *health) { h.seen = func() dedupe.State { return dedupe.State{} } }}, admin.Degraded, "being read"},
		"ids cannot be written": {[]func(*health){func(h *health) {
			h.seen = func() dedupe.State { return dedupe.State{Loaded: true, Problem: "no right"} }
		}}, admin.Degraded, "no right"},
		"an outage":               {[]func(*health){func(h *health) { h.outages.of("jet", time.Hour).Answered(false) }}, admin.Degraded, "goes on trying for 3600 s"},
		"an outage, no retries":   {[]func(*health){func(h *health) { h.outages.of("vfs", 0).Answered(false) }}, admin.Degraded, "is not known to try again"},
		"starting":                {[]func(*health){func(h *health) { h.serving = false }}, admin.NotReady, "starting"},
		"stopping":                {[]func(*health){func(h *health) { h.draining = true }}, admin.NotReady, "shutting down"},
		"stopping is not undone":  {[]func(*health){func(h *health) { h.draining, h.warnings = true, []string{"two replicas"} }}, admin.NotReady, "two replicas"},
		"the last publish failed": {[]func(*health){func(h *health) { h.failing = "timed out" }}, admin.Degraded, "timed out"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Now: func() time.Time { return now }, Log: zap.NewNop()}
			h := newHealth(config.Default(), o, metrics.New("test"), newOutages(o.Now, o.Log))
			h.broker.Reachable, h.topicsOK, h.serving = true, true, true
			h.durability = map[string]string{"a": "broker_then_spool"}
			h.spool = func() admin.Spool { return admin.Spool{State: admin.SpoolReady} }
			for _, change := range c.change {
				change(h)
			}
			s := h.Status()
			if s.Status != c.status || !strings.Contains(strings.Join(s.Reasons, "\n"), c.reason) || (c.reason == "") != (len(s.Reasons) == 0) {
				t.Errorf("got %s %q, want %s with %q", s.Status, s.Reasons, c.status, c.reason)
			}
		})
	}
}
