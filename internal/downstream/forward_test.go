//go:build unix

package downstream_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/forward"
	"github.com/postrider/postrider/pkg/consumer"
)

// The schedule of the subscriptions here.
const (
	attempts    = 2
	minBackoff  = 20 * time.Millisecond
	maxBackoff  = 200 * time.Millisecond
	delay       = time.Second
	timeout     = 3 * time.Second // longer than a busy machine stands still
	mostAfter   = time.Hour       // of a Retry-After
	slack       = 8 * time.Second // what a busy machine may add
	undisturbed = 2 * time.Second // in which a neighbour's deliveries arrive
)

// stage is a broker with topics, and what is delivered from them.
type stage struct {
	*testing.T
	ctx       context.Context
	site      *site
	prefix    string
	topic     string
	client    *broker.Client
	publisher *broker.GroupCommitter

	mu        sync.Mutex
	published map[string]time.Time // by id
	count     int
}

// onSites plays on the embedded broker and on a real Kafka, if there is one.
func onSites(t *testing.T, play func(s *stage)) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		play(newStage(t, embeddedSite(t)))
	})
	if at := realSite(); at != nil {
		t.Run("real", func(t *testing.T) {
			t.Parallel()
			play(newStage(t, at))
		})
	}
}

func newStage(t *testing.T, at *site) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	client, err := broker.Dial(broker.Options{Brokers: at.brokers, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{T: t, ctx: ctx, site: at, client: client, prefix: "fwd-" + fmt.Sprintf("%x", time.Now().UnixNano()), published: map[string]time.Time{}}
	s.publisher = broker.NewPublisher(client, broker.PublisherOptions{Now: time.Now, Budget: bound, AttemptTimeout: 5 * time.Second})
	t.Cleanup(func() {
		if err := s.publisher.Close(context.Background()); err != nil {
			t.Error(err)
		}
		client.Close()
	})
	s.topic = s.prefix + ".bounced"
	if _, err := client.EnsureTopics(ctx, []broker.TopicSpec{{Name: s.topic, Partitions: partitions, Embedded: at.own != nil}}, true); err != nil {
		t.Fatal(err)
	}
	return s
}

// subscription delivers all of the topic to an address.
func (s *stage) subscription(name, url string) forward.Subscription {
	return forward.Subscription{
		Name: name, Group: s.prefix + ".forward." + name, Topics: []string{s.topic}, URL: url, Format: forward.JSON,
		Secrets: []delivery.Secret{{ID: "a", Key: secret}}, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Timeout: timeout, Concurrency: 300, Attempts: attempts, Delays: []time.Duration{delay},
	}
}

// forward runs subscriptions until the test ends.
func (s *stage) forward(b consumer.Breaker, subs ...forward.Subscription) *forward.Forwarder {
	s.Helper()
	f, err := forward.New(forward.Options{
		Subscriptions: subs, Kafka: consumer.Kafka{Brokers: s.site.brokers}, StopTimeout: 2 * time.Second, MinBackoff: minBackoff, MaxBackoff: maxBackoff,
		Breaker: b, Log: zaptest.NewLogger(s, zaptest.Level(zap.ErrorLevel)), Now: time.Now,
	})
	if err != nil {
		s.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx)
	}()
	s.Cleanup(func() {
		stop()
		<-done
	})
	return f
}

// idOf is the id of the event of a number.
func idOf(n int) string { return fmt.Sprintf("%032x", n+1) }

// publish publishes an event under a key.
func (s *stage) publish(key string) string {
	s.Helper()
	s.mu.Lock()
	id := idOf(s.count)
	s.count++
	m := mark{name: id, topic: s.topic, key: key, id: id}
	s.published[id] = time.Now()
	s.mu.Unlock()
	if err := s.publisher.Publish(s.ctx, []broker.Record{m.record(time.Now())}); err != nil {
		s.Error(err)
	}
	return id
}

// trickle publishes events under keys of their own until the function that it returns
// is called, which returns their ids.
func (s *stage) trickle(every time.Duration, key func(n int) string) (stop func() []string) {
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan struct{})
	var ids []string
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				ids = append(ids, s.publish(key(n)))
			}
		}
	}()
	return func() []string {
		cancel()
		<-done
		return ids
	}
}

// until waits for a condition.
func (s *stage) until(what string, holds func() bool) {
	s.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-s.ctx.Done():
			s.Fatalf("%s: no sight of it within %s", what, bound)
		case <-tick.C:
		}
	}
}

// aside is what lies in the retry topic and among the dead letters of a subscription,
// by id.
func (s *stage) aside(sub forward.Subscription) (delayed, dead map[string]lying) {
	s.Helper()
	s.until("the topics of retries are known", func() bool { // they are new to this client
		var unknown *broker.UnknownTopicError
		var err error
		delayed, dead, err = s.look(sub)
		if err != nil && !errors.As(err, &unknown) {
			s.Fatal(err)
		}
		return err == nil
	})
	return delayed, dead
}

// look is aside while the topics may be missing.
func (s *stage) look(sub forward.Subscription) (delayed, dead map[string]lying, err error) {
	retry, grave := sub.Group+".retry."+delay.String(), sub.Group+".dead"
	l := newLibrary(s.client, nil, []string{retry, grave})
	if err := l.catchUp(s.ctx); err != nil {
		return nil, nil, err
	}
	collect := func(topic string) map[string]lying {
		found := map[string]lying{}
		for _, held := range l.held[topic] {
			for _, rec := range held {
				found[rec.mark] = rec
			}
		}
		return found
	}
	return collect(retry), collect(grave), nil
}

// latencies are the times from publishing to arriving, in order.
func (s *stage) latencies(g *target, ids []string) []time.Duration {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []time.Duration
	for _, id := range ids {
		if got := g.arrivals(id); len(got) > 0 {
			list = append(list, got[0].at.Sub(s.published[id]))
		}
	}
	if len(list) < len(ids) {
		s.Errorf("%d of %d events of a neighbour did not arrive", len(ids)-len(list), len(ids))
	}
	slices.Sort(list)
	return list
}

// quiet wants a neighbour's deliveries to arrive as if nothing were the matter.
func (s *stage) quiet(who string, g *target, ids []string) {
	s.Helper()
	list := s.latencies(g, ids)
	if len(list) < 10 {
		s.Fatalf("%s had only %d events", who, len(list))
	}
	p95 := list[len(list)*95/100]
	s.Logf("%s: %d deliveries, latency p50 %s, p95 %s, max %s", who, len(list), list[len(list)/2].Round(time.Millisecond), p95.Round(time.Millisecond), list[len(list)-1].Round(time.Millisecond))
	if p95 > undisturbed {
		s.Errorf("%s: the latency's 95th percentile is %s, want at most %s", who, p95, undisturbed)
	}
}

// episode is an act played to one event for so many attempts.
type episode struct {
	act   act
	times int
}

func (e episode) String() string {
	if e.times == always {
		return e.act.name + ", always"
	}
	return fmt.Sprintf("%s, %d times", e.act.name, e.times)
}

// episodes are all acts, met once, up to the delay, and for ever.
func episodes(trap string) []episode {
	var list []episode
	for _, a := range acts(trap) {
		switch a.want {
		case arrives, withheld:
			list = append(list, episode{a, always})
		case soon:
			list = append(list, episode{a, 1}, episode{a, attempts}, episode{a, always})
		case later:
			list = append(list, episode{a, 1}, episode{a, always})
		}
	}
	return list
}

// TestEveryFaultInEveryPhase: whatever a target does, an event is delivered, waits in a
// retry topic, or is a dead letter; on schedule; and nobody else notices.
func TestEveryFaultInEveryPhase(t *testing.T) {
	onSites(t, func(s *stage) {
		trap := serveTarget(s.T, nil)
		list := episodes(trap.url())
		scripts := map[string]script{}
		for i, e := range list {
			scripts[idOf(i)] = script{e.act.fault, e.times}
		}
		bad, good := serveTarget(s.T, scripts), serveTarget(s.T, nil)
		for i := range list {
			s.publish(fmt.Sprintf("episode-%d", i))
		}
		sub := s.subscription("scripted", bad.url())
		s.forward(consumer.Breaker{Failures: -1}, sub, s.subscription("neighbour", good.url()))
		s.until("both at work", func() bool { return good.ids() == len(list) && bad.ids() > 0 })
		stop := s.trickle(20*time.Millisecond, func(n int) string { return fmt.Sprintf("neighbour-%d", n) })
		s.until("the end of every episode", func() bool { return s.ended(sub, list, bad) })
		ids := stop()
		s.until("the neighbour's deliveries", func() bool { return good.ids() == len(list)+len(ids) })
		s.quiet("a neighbour", good, ids)
		delayed, dead := s.aside(sub)
		for i, e := range list {
			s.judgeEpisode(e, bad.arrivals(idOf(i)), delayed[idOf(i)], dead[idOf(i)])
		}
		if n := trap.ids(); n > 0 {
			s.Errorf("%d redirects were followed", n)
		}
		s.Logf("%d episodes of %d acts", len(list), len(acts("")))
	})
}

// ended reports whether each event has come to where it belongs.
func (s *stage) ended(sub forward.Subscription, list []episode, g *target) bool {
	s.Helper()
	delayed, dead, err := s.look(sub)
	if err != nil {
		return false
	}
	for i, e := range list {
		id := idOf(i)
		got := g.arrivals(id)
		switch {
		case e.act.want == withheld:
			if delayed[id].due == "" {
				return false
			}
		case e.act.want != arrives && e.times == always:
			if dead[id].reason == "" {
				return false
			}
		case len(got) == 0 || e.act.want != arrives && got[len(got)-1].attempt <= e.times:
			return false
		}
	}
	return true
}

// judgeEpisode holds the attempts with one event against the schedule.
func (s *stage) judgeEpisode(e episode, got []arrival, delayed, dead lying) {
	s.Helper()
	want := map[outcome]int{arrives: 1, withheld: 1, soon: min(e.times+1, 2*attempts), later: min(e.times+1, 2)}[e.act.want]
	if len(got) != want {
		s.Errorf("%s: %d attempts, want %d", e, len(got), want)
		return
	}
	perStage := attempts
	if e.act.want == later {
		perStage = 1
	}
	for i, a := range got {
		if a.err != nil || a.attempt != i+1 {
			s.Errorf("%s: attempt %d came as %d, its signature: %v", e, i+1, a.attempt, a.err)
		}
		if off := a.at.Sub(a.stamp).Abs(); off > timeout+time.Second {
			s.Errorf("%s: attempt %d is stamped %s off", e, i+1, off)
		}
		if i == 0 {
			continue
		}
		least, most := minBackoff/10, maxBackoff
		if i%perStage == 0 {
			least, most = delay, delay
		}
		if gap := a.at.Sub(got[i-1].at); gap < least || gap > timeout+most+slack {
			s.Errorf("%s: attempt %d came %s after the one before, want %s to %s", e, i+1, gap, least, timeout+most+slack)
		}
	}
	s.judgeAside(e, got, delayed, dead)
}

// judgeAside looks at where the event lies in the end.
func (s *stage) judgeAside(e episode, got []arrival, delayed, dead lying) {
	s.Helper()
	wantDead := ""
	if e.times == always && (e.act.want == soon || e.act.want == later) {
		wantDead = consumer.DeadAttempts
	}
	if dead.reason != wantDead {
		s.Errorf("%s: dead for %q, want %q", e, dead.reason, wantDead)
	}
	if e.act.want != withheld {
		return
	}
	due, err := time.Parse(time.RFC3339, delayed.due)
	if wait := due.Sub(got[0].at); err != nil || wait < mostAfter-time.Minute || wait > mostAfter+time.Minute {
		s.Errorf("%s: due after %s (%v), want the most that is honoured, %s", e, wait, err, mostAfter)
	}
}

// TestOtherKeysOfAnOrderedTarget: where order is kept, a message whose delivery hangs
// holds up what belongs to it, and no other message.
func TestOtherKeysOfAnOrderedTarget(t *testing.T) {
	onSites(t, func(s *stage) {
		scripts := map[string]script{}
		for i := range 3 { // of one message
			scripts[idOf(i)] = script{[]fault{hang(""), status(503), reset("")}[i], attempts + 1}
		}
		g := serveTarget(s.T, scripts)
		for range scripts {
			s.publish("slow")
		}
		sub := s.subscription("ordered", g.url())
		sub.Ordered, sub.Concurrency = true, 4
		s.forward(consumer.Breaker{Failures: -1}, sub)
		s.until("the first delivery", func() bool { return len(g.arrivals(idOf(0))) > 0 })
		stop := s.trickle(20*time.Millisecond, func(n int) string { return fmt.Sprintf("quick-%d", n%50) })
		last := idOf(len(scripts) - 1)
		s.until("the slow message's deliveries", func() bool { return len(g.arrivals(last)) == attempts+2 })
		ids := stop()
		s.until("all others", func() bool { return g.ids() == len(scripts)+len(ids) })
		s.quiet("other keys", g, ids)
		for i := 1; i < len(scripts); i++ {
			before, after := g.arrivals(idOf(i-1)), g.arrivals(idOf(i))
			if after[0].at.Before(before[len(before)-1].at) {
				s.Errorf("event %d was tried before event %d was delivered", i, i-1)
			}
		}
	})
}

// TestKeptConnectionsBreak: a target that breaks every connection when it is used for the
// second time gets all the same.
func TestKeptConnectionsBreak(t *testing.T) {
	onSites(t, func(s *stage) {
		g := serveFault(s.T, nil, deaf())
		const n = 100
		for i := range n {
			s.publish(fmt.Sprintf("message-%d", i))
		}
		sub := s.subscription("deaf", g.url())
		sub.Attempts, sub.Concurrency = 20, 4
		s.forward(consumer.Breaker{}, sub)
		s.until("every delivery", func() bool { return g.ids() == n })
		if delayed, dead := s.aside(sub); len(delayed)+len(dead) > 0 {
			s.Errorf("%d events were delayed, %d are dead", len(delayed), len(dead))
		}
	})
}

// TestTargetIsAway: a target that cannot be connected to, in whatever way, costs a few
// attempts and no event; when it is back, all is delivered, and nothing has become a
// dead letter meanwhile.
func TestTargetIsAway(t *testing.T) {
	onSites(t, func(s *stage) {
		good := serveTarget(s.T, nil)
		gates := map[string]*gate{"refuses": newGate(s.T, nil), "is silent": newGate(s.T, func(*net.TCPConn) bool { return true })}
		gates["breaks off"] = newGate(s.T, func(c *net.TCPConn) bool { _ = c.SetLinger(0); c.Close(); return false })
		gates["ends"] = newGate(s.T, func(c *net.TCPConn) bool { c.Close(); return false })
		gates["speaks first"] = newGate(s.T, func(c *net.TCPConn) bool { _, _ = c.Write([]byte("220 hello\r\n")); c.Close(); return false })
		subs := []forward.Subscription{s.subscription("neighbour", good.url())}
		targets := map[string]*target{}
		for i, name := range sortedKeys(gates) {
			sub := s.subscription(fmt.Sprintf("away-%d", i), gates[name].url())
			sub.Attempts = 50
			sub.Concurrency = 8
			subs = append(subs, sub)
			targets[name] = serveTarget(s.T, nil)
		}
		s.forward(consumer.Breaker{Failures: 5, MinWait: 100 * time.Millisecond, MaxWait: 500 * time.Millisecond}, subs...)
		stop := s.trickle(20*time.Millisecond, func(n int) string { return fmt.Sprintf("message-%d", n) })
		s.until("the neighbour's deliveries", func() bool { return good.ids() > 150 })
		ids := stop()
		for name, g := range gates {
			tried := g.connections()
			if name != "refuses" && (tried == 0 || tried > 60) { // five at least, eight at once, and then one at a time
				s.Errorf("a target that %s was called %d times", name, tried)
			}
			g.open(targets[name])
		}
		for name, g := range targets {
			s.until("deliveries to the target that "+name, func() bool { return g.ids() == len(ids) })
		}
		s.until("the last of the neighbour's", func() bool { return good.ids() == len(ids) })
		s.quiet("a neighbour", good, ids)
		for _, sub := range subs {
			if _, dead := s.aside(sub); len(dead) > 0 {
				s.Errorf("%s has %d dead letters", sub.Name, len(dead))
			}
		}
	})
}
