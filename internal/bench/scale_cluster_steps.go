package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// What the steps send.
const (
	repeatedEvents = 500             // to one receiver, and then to another
	dyingTime      = 4 * time.Second // of load while one is killed
	farAhead       = 1 << 30         // serial numbers that the load does not reach
)

// repeats sends events to one receiver and then, when the others have had time to read
// of them, to another; and others to two at the same moment.
func (g *growth) repeats(ctx context.Context, c *crowd, r *clusterReport) error {
	requests, err := g.distinct(farAhead, repeatedEvents)
	if err != nil {
		return err
	}
	before, err := c.scrape(ctx)
	if err != nil {
		return err
	}
	if err := post(ctx, requests, c.targets[0]); err != nil {
		return err
	}
	if err := pause(ctx, 2*time.Second); err != nil { // half a second is what is promised on a machine with time to spare
		return err
	}
	if err := post(ctx, requests, c.targets[1]); err != nil {
		return err
	}
	after, err := c.scrape(ctx)
	if err != nil {
		return err
	}
	again := int(after.accepted()-before.accepted()) - repeatedEvents
	r.Findings = append(r.Findings, fmt.Sprintf("of %d events sent to one receiver and two seconds later to another, %d were published again", repeatedEvents, again))
	if again > 0 {
		r.Faults = append(r.Faults, fmt.Sprintf("%d repeats came through after two seconds", again))
	}
	return g.atOnce(ctx, c, r)
}

// atOnce sends the same events to two receivers at the same moment.
func (g *growth) atOnce(ctx context.Context, c *crowd, r *clusterReport) error {
	requests, err := g.distinct(farAhead+repeatedEvents, repeatedEvents)
	if err != nil {
		return err
	}
	before, err := c.scrape(ctx)
	if err != nil {
		return err
	}
	if err := post(ctx, requests, c.targets[0], c.targets[1]); err != nil {
		return err
	}
	after, err := c.scrape(ctx)
	if err != nil {
		return err
	}
	r.Findings = append(r.Findings, fmt.Sprintf("of %d events sent to two receivers at the same moment, %d were published twice, under the same ids: "+
		"receivers share nothing but what they read of each other in Kafka, half a second later", repeatedEvents, int(after.accepted()-before.accepted())-repeatedEvents))
	return nil
}

// distinct makes requests of one event each.
func (g *growth) distinct(first, n int) ([][]byte, error) {
	requests := make([][]byte, n)
	for i := range requests {
		var err error
		if requests[i], err = singleRequest(first+i, g.signs.secret, time.Now()); err != nil {
			return nil, err
		}
	}
	return requests, nil
}

// post sends all requests to each of the receivers, which proceed side by side.
func post(ctx context.Context, requests [][]byte, to ...*target) error {
	errs := make([]error, len(to))
	var wg sync.WaitGroup
	for i, t := range to {
		wg.Go(func() {
			c := client{address: t.process.ready.Listen}
			defer c.hangUp()
			w := window{to: time.Now().Add(time.Minute), grace: answerGrace}
			for _, request := range requests {
				if status, err := c.send(ctx, request, w); err != nil || status != http.StatusOK {
					errs[i] = errors.Join(err, fmt.Errorf("bench: %s answered %d", t.name, status))
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// death kills a receiver under load, by a signal that it cannot catch, and looks for
// every event that was answered 200 in the topic. The last receiver is the one.
func (g *growth) death(ctx context.Context, c *crowd, r *clusterReport) error {
	victim := c.targets[len(c.targets)-1]
	ledger := &answeredEvents{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		ledger.load(ctx, c.balancer.address(), g.options.growthConns(), g.signs.secret, time.Now().Add(dyingTime))
	}()
	waitUntil(time.Now().Add(dyingTime/2), ctx.Done())
	if err := victim.process.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("bench: kill %s: %w", victim.name, err)
	}
	<-victim.process.done
	<-done
	c.targets = c.targets[:len(c.targets)-1]
	found, err := g.published(ctx, c.sites[0].prefix+".delivered")
	if err != nil {
		return err
	}
	lost := 0
	for id := range ledger.ids {
		if found[id] == 0 {
			lost++
		}
	}
	r.Findings = append(r.Findings, fmt.Sprintf("one of %d receivers was killed under load: %d requests were answered 200, %d connections broke, and of the events answered for %d are missing",
		crowdSize, len(ledger.ids), ledger.broken, lost))
	if lost > 0 {
		r.Faults = append(r.Faults, fmt.Sprintf("%d events that were answered 200 are not in the topic", lost))
	}
	return nil
}

// answeredEvents is what was answered 200.
type answeredEvents struct {
	mu     sync.Mutex
	next   int
	ids    map[string]bool
	broken int
}

// load sends events, each once, until a time; what is not answered is not sent again.
func (a *answeredEvents) load(ctx context.Context, address string, conns int, secret string, until time.Time) {
	a.ids = make(map[string]bool)
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			c := client{address: address}
			defer c.hangUp()
			for time.Now().Before(until) && ctx.Err() == nil {
				a.one(ctx, &c, secret, window{to: until, grace: answerGrace})
			}
		})
	}
	wg.Wait()
}

// one sends one event.
func (a *answeredEvents) one(ctx context.Context, c *client, secret string, w window) {
	a.mu.Lock()
	serial := 2*farAhead + a.next
	a.next++
	a.mu.Unlock()
	request, err := singleRequest(serial, secret, time.Now())
	if err != nil {
		return
	}
	status, err := c.send(ctx, request, w)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil && status == http.StatusOK {
		a.ids[eventID(serial)] = true
		return
	}
	a.broken++
}

// published counts the records of a topic by the provider's event ids.
func (g *growth) published(ctx context.Context, topic string) (map[string]int, error) {
	client, err := broker.Dial(broker.Options{Brokers: g.options.brokers, Timeout: time.Minute})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	held, err := client.Offsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	found := make(map[string]int)
	for partition, span := range held {
		err := client.Read(ctx, topic, partition, span.First, span.Next, func(m broker.Message) error {
			var e struct {
				ID string `json:"provider_event_id"`
			}
			err := json.Unmarshal(m.Value, &e)
			found[e.ID]++
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("bench: read %s: %w", topic, err)
		}
	}
	return found, nil
}
