package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/metrics"
)

// spoolPatience is how old a record in the spool may become, while Kafka
// answers, before a person should look.
const spoolPatience = time.Minute

// modeBroker is the durability that does without the spool.
const modeBroker = "broker"

// verdict is one look at the state.
type verdict struct{ admin.Status }

func (v *verdict) not(reason string) {
	v.Status.Status = admin.NotReady
	v.Reasons = append(v.Reasons, reason)
}

func (v *verdict) degraded(reasons ...string) {
	if len(reasons) > 0 && v.Status.Status == admin.Ready {
		v.Status.Status = admin.Degraded
	}
	v.Reasons = append(v.Reasons, reasons...)
}

// Status implements admin.Health.
func (h *health) Status() admin.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := &verdict{admin.Status{
		Status: admin.Ready, Broker: h.broker, Version: h.version, Started: h.started, Instance: h.instance,
		Spool: h.spool(), Durability: maps.Clone(h.durability), Outages: h.outages.present(),
	}}
	v.Spool.Mode = mode(h.durability)
	switch {
	case h.draining:
		v.not("shutting down")
	case !h.serving:
		v.not("starting")
	}
	h.judgeKafka(v)
	h.judgeSpool(v)
	h.judgeTroubles(v)
	h.judgeSeen(v)
	h.judgeRefusals(v)
	for _, o := range v.Outages {
		v.degraded(fmt.Sprintf("events of source %s are not accepted: its provider %s", o.Source, tries(o)))
	}
	if h.failing != "" {
		v.degraded("the last publish failed: " + h.failing)
	}
	v.degraded(h.warnings...)
	v.degraded(h.damage...)
	return v.Status
}

// tries says how long a provider goes on trying.
func tries(o admin.Outage) string {
	if !o.Documented {
		return "is not known to try again"
	}
	return fmt.Sprintf("goes on trying for %.0f s", o.SecondsLeft)
}

// judgeKafka decides what it means that Kafka takes no records: with a spool that
// does, events are accepted all the same.
func (h *health) judgeKafka(v *verdict) {
	why := h.away()
	if why == "" {
		return
	}
	only := h.brokerOnly()
	switch {
	case v.Spool.State != admin.SpoolReady || len(h.durability) == 0:
		v.not(why + ": webhooks are answered with a status that makes the provider send them again")
	case len(only) == len(h.durability):
		v.not(why + ", and no source uses the spool: webhooks are answered with a status that makes the provider send them again")
	case len(only) > 0:
		v.degraded(why+": events are kept in the spool", "not accepted meanwhile are events of sources without the spool: "+strings.Join(only, ", "))
	default:
		v.degraded(why + ": events are kept in the spool")
	}
}

// away says why Kafka takes no records; "" if it does. The caller holds the lock.
func (h *health) away() string {
	switch {
	case !h.broker.Reachable:
		return "the Kafka cluster does not answer"
	case !h.topicsOK:
		return "topics are not in order: " + h.topics
	case h.storage != nil:
		if err := h.storage(); err != nil {
			return err.Error()
		}
	}
	return ""
}

// judgeSpool says what of the spool needs a person.
func (h *health) judgeSpool(v *verdict) {
	s := &v.Spool
	switch s.State {
	case admin.SpoolFull:
		v.degraded("the spool is full: " + s.Detail)
	case admin.SpoolFailed:
		v.degraded("the spool has failed: " + s.Detail)
	}
	if s.Oldest != nil && v.Broker.Reachable && h.now().Sub(*s.Oldest) > spoolPatience {
		v.degraded(fmt.Sprintf("%d records wait in the spool, the oldest since %s", s.Records, s.Oldest.Format(time.RFC3339)))
	}
	if s.Damaged > 0 {
		v.degraded(fmt.Sprintf("the spool's files were damaged, and at most %d records were lost: copies are in its folder damaged", s.Damaged))
	}
	if s.Dead > 0 {
		v.degraded(fmt.Sprintf("Kafka refuses %d records of the spool for good: look at them with `postrider spool ls`", s.Dead))
	}
}

// mostTroubles is how many topics' troubles are told one by one.
const mostTroubles = 3

// judgeTroubles says what keeps records waiting although the cluster answers: a
// right or a topic that is missing, replicas that are not in step.
func (h *health) judgeTroubles(v *verdict) {
	if h.troubles == nil || !v.Broker.Reachable {
		return
	}
	why := h.troubles()
	topics := slices.Sorted(maps.Keys(why))
	for _, topic := range topics[:min(len(topics), mostTroubles)] {
		v.degraded(fmt.Sprintf("records wait for topic %s: %v", topic, why[topic]))
	}
	if more := len(topics) - mostTroubles; more > 0 {
		v.degraded(fmt.Sprintf("records wait for %d more topics", more))
	}
}

// watchPublisher makes what keeps the publisher's records waiting count.
func (h *health) watchPublisher(troubles func() map[string]error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.troubles = troubles
}

// brokerOnly lists the sources that do without the spool; the caller holds the lock.
func (h *health) brokerOnly() []string {
	var names []string
	for name, d := range h.durability {
		if d == modeBroker {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// mode is what all sources have, or "mixed".
func mode(durability map[string]string) string {
	all := slices.Compact(slices.Sorted(maps.Values(durability)))
	switch len(all) {
	case 0:
		return ""
	case 1:
		return all[0]
	}
	return "mixed"
}

// setDurability notes what the sources in force are configured with.
func (h *health) setDurability(compiled []*CompiledSource) {
	d := make(map[string]string, len(compiled))
	for _, s := range compiled {
		d[s.Config.Name] = s.Config.Durability
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.durability = d
	h.outages.brokerOnly(h.brokerOnly())
}

// watchSpool makes the spool's state count.
func (h *health) watchSpool(state func() admin.Spool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spool = state
}

// Spool implements metrics.Watched.
func (h *health) Spool() metrics.Spool {
	h.mu.Lock()
	state := h.spool
	h.mu.Unlock()
	s := state()
	m := metrics.Spool{Usable: s.State == admin.SpoolReady, Records: s.Records, Bytes: s.Bytes, Dead: s.Dead}
	if s.Oldest != nil {
		m.Oldest = h.now().Sub(*s.Oldest)
	}
	return m
}

// Outages implements metrics.Watched.
func (h *health) Outages() []metrics.Outage { return h.outages.measured() }
