package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

const (
	heartbeatEvery = 3 * time.Second
	// joinPause is what kafka-go waits for after a failure; Next's own waiting comes on top.
	joinPause = 100 * time.Millisecond
	// lookEvery is how often the topics' partitions are counted.
	lookEvery = 2 * time.Second
	// looksTwice is how many looks in a row it takes to believe in other numbers: the
	// brokers of a cluster learn of them one after the other.
	looksTwice = 2
	// leaveWait is how long leaving may take before its connections are cut.
	leaveWait = 5 * time.Second
)

// membership is one life of a member: kafka-go's, for the topics that exist.
type membership struct {
	m       *Member
	topics  map[string]int // partitions of each
	cg      *kafka.ConsumerGroup
	sockets *sockets

	mu   sync.Mutex
	last *Assignment
}

// membership is the one there is, or a new one if there are other topics by now.
func (m *Member) membership(ctx context.Context) (*membership, error) {
	m.mu.Lock()
	g := m.group
	m.mu.Unlock()
	if g == nil {
		m.c.refresh(m.c.generation()) // a topic made a moment ago must not look missing
	}
	topics, err := m.counts(ctx)
	if err != nil {
		return nil, err
	}
	if g != nil && slices.Equal(names(g.topics), names(topics)) {
		g.topics = topics
		return g, nil
	}
	if len(topics) == 0 {
		return nil, errNoTopic
	}
	if err := m.leave(); err != nil { //nolint:contextcheck // leaving is to succeed when ctx has ended
		return nil, err
	}
	if g, err = m.enter(topics); err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.group = g
	m.mu.Unlock()
	if m.quit.Err() != nil { // closed meanwhile
		return nil, m.leave() //nolint:contextcheck // as above
	}
	return g, nil
}

func names(topics map[string]int) []string { return slices.Sorted(maps.Keys(topics)) }

// counts tells how many partitions each topic has that exists.
func (m *Member) counts(ctx context.Context) (map[string]int, error) {
	layout, err := m.c.layout(ctx, m.o.Topics...)
	if err != nil {
		return nil, err
	}
	topics := make(map[string]int, len(layout))
	for name, t := range layout {
		topics[name] = len(t.Partitions)
	}
	return topics, nil
}

// enter starts kafka-go's member of the group.
func (m *Member) enter(topics map[string]int) (*membership, error) {
	d := m.c.dialer
	s := newSockets(d.DialFunc)
	d.DialFunc = s.connect
	cg, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:                m.o.Group,
		Brokers:           m.c.brokers(),
		Dialer:            &d,
		Topics:            names(topics),
		GroupBalancers:    []kafka.GroupBalancer{rangeBalancer{}},
		HeartbeatInterval: min(heartbeatEvery, m.o.SessionTimeout/4),
		SessionTimeout:    m.o.SessionTimeout,
		RebalanceTimeout:  m.rebalance(),
		JoinGroupBackoff:  joinPause,
		Logger:            kafka.LoggerFunc(m.debug),
	})
	if err != nil {
		return nil, fmt.Errorf("broker: join group %s: %w", strconv.Quote(m.o.Group), err)
	}
	return &membership{m: m, topics: topics, cg: cg, sockets: s}, nil
}

// rebalance is how long the group waits for a member to come back when it shares out
// anew: until the member has noticed, and drained.
func (m *Member) rebalance() time.Duration { return m.o.Drain + m.o.SessionTimeout/2 }

func (m *Member) debug(format string, args ...any) {
	if m.log.Core().Enabled(zap.DebugLevel) {
		m.log.Debug(fmt.Sprintf(format, args...))
	}
}

// next waits for the next generation.
func (g *membership) next(ctx context.Context) (*Assignment, error) {
	patience, cancel := context.WithTimeout(ctx, 2*(g.m.o.SessionTimeout+g.m.rebalance()))
	defer cancel()
	gen, err := g.cg.Next(patience)
	switch {
	case err == nil:
	case ctx.Err() == nil && patience.Err() != nil:
		g.sockets.refuse()
		_ = g.m.leave() //nolint:contextcheck // as in membership
		return nil, errWedged
	default:
		return nil, err //nolint:wrapcheck // Next tells which group
	}
	a := newAssignment(g, gen)
	g.mu.Lock()
	g.last = a
	g.mu.Unlock()
	if !a.begin() {
		return nil, errEnded
	}
	return a, nil
}

// part waits until the last Assignment is over. If the member is joining anew by then,
// which may take until all others have come, it leaves at once: that ends the join.
func (g *membership) part(last *Assignment) {
	if last == nil {
		return
	}
	select {
	case <-last.done:
		ctx, cancel := context.WithTimeout(context.Background(), leaveWait)
		defer cancel()
		c := g.m.c
		_, _ = c.api.LeaveGroup(ctx, &kafka.LeaveGroupRequest{Addr: c.addr, GroupID: g.m.o.Group, Members: []kafka.LeaveGroupRequestMember{{ID: last.gen.MemberID}}})
	default:
		last.lose()
		<-last.done
	}
}

// close leaves the group, once the Assignment is released or was held for too long.
func (g *membership) close() error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = g.cg.Close() // it has no error
	}()
	g.mu.Lock()
	last := g.last
	g.mu.Unlock()
	g.part(last)
	for _, step := range []func(){g.sockets.cut, g.sockets.refuse, func() {}} {
		select {
		case <-done:
			return nil
		case <-time.After(leaveWait):
			step()
		}
	}
	return fmt.Errorf("broker: leave group %s: still not done; the group gives this member up after %s", strconv.Quote(g.m.o.Group), g.m.o.SessionTimeout)
}

// brokers are the addresses that the client was given.
func (c *Client) brokers() []string { return strings.Split(c.addr.String(), ",") }
