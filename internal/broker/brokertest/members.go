package brokertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/postrider/postrider/internal/broker"
)

// members are the tests of consumer groups as postrider itself is a member of them.
func members() map[string]func(*suite) {
	return map[string]func(*suite){
		"StreamReadsWhatReadReads":          streamReads,
		"StreamNamesGaps":                   streamNamesGaps,
		"MembersGoOnWhereTheyCommitted":     membersGoOn,
		"MembersHandOverWithoutSkipping":    membersHandOver,
		"MembersFromTheEndStayThere":        membersFromTheEnd,
		"MembersNoticeAddedPartitions":      membersNoticePartitions,
		"MembersCommitWhileTheGroupGathers": membersCommitLate,
		"MembersThatAreSilentArePassedOver": membersPassedOver,
		"MembersOfAnotherKindAreNamed":      membersOfAnotherKind,
	}
}

// rider is a member of the suite's group that reads and commits until it is stopped.
type rider struct {
	*suite
	member *broker.Member
	stop   context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	seen map[broker.Position]int
	held []broker.Position
}

func (s *suite) joinGroup(group string, change func(*broker.JoinOptions), topics ...string) *broker.Member {
	s.Helper()
	o := broker.JoinOptions{Group: group, Topics: topics, SessionTimeout: 6 * time.Second, Drain: 3 * time.Second}
	if change != nil {
		change(&o)
	}
	m, err := s.client.Join(o)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := m.Close(); err != nil {
			s.Error(err)
		}
	})
	return m
}

func (s *suite) assigned(m *broker.Member) *broker.Assignment {
	s.Helper()
	a, err := m.Next(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(a.Release)
	return a
}

// ride starts a rider.
func (s *suite) ride(group string, topics ...string) *rider {
	s.Helper()
	ctx, stop := context.WithCancel(s.ctx)
	r := &rider{suite: s, member: s.joinGroup(group, nil, topics...), stop: stop, done: make(chan struct{}), seen: map[broker.Position]int{}}
	s.Cleanup(r.leave)
	go func() {
		defer close(r.done)
		for ctx.Err() == nil {
			a, err := r.member.Next(ctx)
			if err == nil {
				err = r.read(ctx, a)
			}
			if err != nil && ctx.Err() == nil {
				s.Error(err)
				return
			}
		}
	}()
	return r
}

func (r *rider) leave() {
	r.stop()
	<-r.done
	if err := r.member.Close(); err != nil {
		r.Error(err)
	}
}

// read reads one assignment until it is revoked, and commits what it has seen.
func (r *rider) read(ctx context.Context, a *broker.Assignment) error {
	defer a.Release()
	r.hold(a.Partitions)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-a.Revoked():
			stop()
		case <-reading.Done():
		}
	}()
	next := map[string]map[int]int64{}
	var mu sync.Mutex
	err := r.client.Stream(reading, a.Partitions, broker.StreamOptions{
		Room: func(string, int) int { return 1 << 20 },
		Deliver: func(b broker.Batch) error {
			mu.Lock()
			defer mu.Unlock()
			r.note(b)
			if next[b.Topic] == nil {
				next[b.Topic] = map[int]int64{}
			}
			next[b.Topic][b.Partition] = b.Next
			return nil
		},
	})
	r.hold(nil)
	if !errors.Is(err, context.Canceled) {
		return err
	}
	if len(next) == 0 {
		return nil
	}
	if err := a.Commit(context.WithoutCancel(ctx), next); err != nil && !errors.Is(err, broker.ErrRevoked) {
		return err
	}
	return nil
}

func (r *rider) hold(ps []broker.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = ps
}

func (r *rider) note(b broker.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range b.Messages {
		r.seen[broker.Position{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}]++
	}
}

func (r *rider) holds() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.held)
}

// until waits for a condition.
func (s *suite) until(what string, ok func() bool) {
	s.Helper()
	for !ok() {
		select {
		case <-s.ctx.Done():
			s.Fatalf("still not: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// scatter publishes n records over the partitions of a topic.
func (s *suite) scatter(topic string, n int) {
	s.Helper()
	var recs []broker.Record
	for i := range n {
		recs = append(recs, broker.Record{Topic: topic, Key: fmt.Append(nil, "key", i), Value: fmt.Append(nil, i)})
	}
	s.publish(recs...)
}

func (s *suite) ends(topic string) (total int64) {
	s.Helper()
	ranges, err := s.client.Offsets(s.ctx, topic)
	if err != nil {
		s.Fatal(err)
	}
	for _, r := range ranges {
		total += r.Next
	}
	return total
}

func streamReads(s *suite) {
	topic := s.topic("streamed", 3, nil)
	s.scatter(topic, 500)
	var mu sync.Mutex
	got := map[int][]broker.Message{}
	n := 0
	var at []broker.Position
	for p := range 3 {
		at = append(at, broker.Position{Topic: topic, Partition: p})
	}
	err := s.client.Stream(s.ctx, at, broker.StreamOptions{
		Room: func(string, int) int { return 1000 },
		Deliver: func(b broker.Batch) error {
			mu.Lock()
			defer mu.Unlock()
			got[b.Partition] = append(got[b.Partition], b.Messages...)
			if n += len(b.Messages); n == 500 {
				return broker.ErrStop
			}
			return nil
		},
	})
	if err != nil || n != 500 {
		s.Fatalf("Stream: %d records, %v", n, err)
	}
	for p, ms := range got {
		if want := s.read(topic, p); join(want) != join(ms) || !want[0].Time.Equal(ms[0].Time) || string(want[0].Key) != string(ms[0].Key) {
			s.Errorf("[%d]: got %s, want %s", p, join(ms), join(want))
		}
	}
}

func streamNamesGaps(s *suite) {
	topic := s.topic("gaps", 1, nil)
	s.numbered(topic, 0, 3)
	err := s.client.Stream(s.ctx, []broker.Position{{Topic: topic, Offset: 9}}, broker.StreamOptions{
		Room: func(string, int) int { return 1 }, Deliver: func(broker.Batch) error { return nil },
	})
	var gap *broker.OffsetGapError
	if !errors.As(err, &gap) || gap.Topic != topic || gap.Offset != 9 || gap.Log != (broker.OffsetRange{First: 0, Next: 3}) {
		s.Errorf("Stream = %v, want an *OffsetGapError", err)
	}
}

func membersGoOn(s *suite) {
	topic, group := s.topic("goon", 2, nil), s.prefix+".goon"
	s.scatter(topic, 20)
	m := s.joinGroup(group, nil, topic)
	a := s.assigned(m)
	want := []broker.Position{{Topic: topic}, {Topic: topic, Partition: 1}}
	if !slices.Equal(a.Partitions, want) {
		s.Errorf("assigned %v, want %v", a.Partitions, want)
	}
	if err := a.Commit(s.ctx, map[string]map[int]int64{topic: {0: 2, 1: 3}}); err != nil {
		s.Error(err)
	}
	a.Release()
	if err := a.Commit(s.ctx, map[string]map[int]int64{topic: {0: 4}}); !errors.Is(err, broker.ErrRevoked) {
		s.Errorf("commit after Release = %v", err)
	}
	if err := m.Close(); err != nil {
		s.Error(err)
	}
	s.group(group, "the member has left", empty)
	a = s.assigned(s.joinGroup(group, nil, topic))
	want[0].Offset, want[1].Offset = 2, 3
	if !slices.Equal(a.Partitions, want) {
		s.Errorf("assigned %v, want %v", a.Partitions, want)
	}
}

// One member, two, and one again: each record is seen, and all is committed in the end.
func membersHandOver(s *suite) {
	topic, group := s.topic("over", 4, nil), s.prefix+".over"
	s.scatter(topic, 50)
	first := s.ride(group, topic)
	s.until("the first reads all", func() bool { return first.holds() == 4 })
	s.scatter(topic, 50)
	second := s.ride(group, topic)
	s.until("both have their share", func() bool { return first.holds() == 2 && second.holds() == 2 })
	s.scatter(topic, 50)
	first.leave()
	s.until("the second reads all", func() bool { return second.holds() == 4 })
	s.scatter(topic, 50)
	all := func() int {
		seen := map[broker.Position]bool{}
		for _, r := range []*rider{first, second} {
			r.mu.Lock()
			for at := range r.seen {
				seen[at] = true
			}
			r.mu.Unlock()
		}
		return len(seen)
	}
	total := int(s.ends(topic))
	s.until("all "+strconv.Itoa(total)+" records are seen", func() bool { return all() == total })
	second.leave()
	s.group(group, "all is committed", func(g broker.Group) bool {
		lag := int64(0)
		for _, o := range g.Offsets {
			lag += o.Lag()
		}
		return lag == 0 && len(g.Offsets) == 4
	})
}

func membersFromTheEnd(s *suite) {
	topic, group := s.topic("end", 1, nil), s.prefix+".end"
	s.numbered(topic, 0, 5)
	end := func(o *broker.JoinOptions) { o.FromEnd = true }
	m := s.joinGroup(group, end, topic)
	a := s.assigned(m)
	s.numbered(topic, 5, 3)
	a.Release()
	if err := m.Close(); err != nil {
		s.Error(err)
	}
	b := s.assigned(s.joinGroup(group, end, topic))
	want := []broker.Position{{Topic: topic, Offset: 5}}
	if !slices.Equal(a.Partitions, want) || !slices.Equal(b.Partitions, want) {
		s.Errorf("assigned %v and then %v, want %v twice", a.Partitions, b.Partitions, want)
	}
}

func membersNoticePartitions(s *suite) {
	topic, group := s.topic("more", 1, nil), s.prefix+".more"
	s.numbered(topic, 0, 5)
	m := s.joinGroup(group, func(o *broker.JoinOptions) { o.FromEnd = true }, topic)
	a := s.assigned(m)
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(s.Options.Brokers...), Transport: transport}
	res, err := c.CreatePartitions(s.ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 3}}})
	if err != nil || res.Errors[topic] != nil {
		s.Fatal(err, res)
	}
	<-a.Revoked()
	a.Release()
	want := []broker.Position{{Topic: topic, Offset: 5}, {Topic: topic, Partition: 1}, {Topic: topic, Partition: 2}}
	if a = s.assigned(m); !slices.Equal(a.Partitions, want) {
		s.Errorf("assigned %v, want %v", a.Partitions, want)
	}
}

// While a group gathers for another round, what was handled can be committed.
func membersCommitLate(s *suite) {
	topic, group := s.topic("late", 2, nil), s.prefix+".late"
	s.scatter(topic, 20)
	m := s.joinGroup(group, nil, topic)
	a := s.assigned(m)
	other := s.joinGroup(group, nil, topic)
	got := make(chan *broker.Assignment, 1)
	go func() {
		b, err := other.Next(s.ctx)
		if err != nil {
			s.Error(err)
		}
		got <- b
	}()
	<-a.Revoked()
	if err := a.Commit(s.ctx, map[string]map[int]int64{topic: {0: 1, 1: 1}}); err != nil {
		s.Errorf("commit after Revoked: %v", err)
	}
	a.Release()
	mine := s.assigned(m)
	b := <-got
	defer b.Release()
	for _, p := range slices.Concat(mine.Partitions, b.Partitions) {
		if p.Offset != 1 {
			s.Errorf("assigned %v, want offset 1", p)
		}
	}
	if len(mine.Partitions) != 1 || len(b.Partitions) != 1 {
		s.Errorf("assigned %v and %v", mine.Partitions, b.Partitions)
	}
}

// A member that does not give back in time is passed over; its commit is refused.
func membersPassedOver(s *suite) {
	topic, group := s.topic("slow", 1, nil), s.prefix+".slow"
	s.scatter(topic, 5)
	slow := s.joinGroup(group, func(o *broker.JoinOptions) { o.Drain = 200 * time.Millisecond }, topic)
	a := s.assigned(slow)
	leaving, leave := context.WithCancel(s.ctx)
	gone := make(chan struct{})
	quick := s.joinGroup(group, nil, topic)
	go func() {
		defer close(gone)
		if b, err := slow.Next(leaving); err == nil { // it comes again, as another
			b.Release()
		}
	}()
	b := s.assigned(quick)
	if err := a.Commit(s.ctx, map[string]map[int]int64{topic: {0: 1}}); !errors.Is(err, broker.ErrRevoked) {
		s.Errorf("commit = %v, want ErrRevoked", err)
	}
	<-a.Revoked()
	b.Release()
	leave()
	<-gone
}

func membersOfAnotherKind(s *suite) {
	topic, group := s.topic("kind", 1, nil), s.prefix+".kind"
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: s.Options.Brokers, GroupID: group, Topic: topic, MaxWait: 100 * time.Millisecond,
		GroupBalancers: []kafka.GroupBalancer{kafka.RoundRobinGroupBalancer{}},
	})
	defer r.Close()
	s.group(group, "the other is there", stableWithOne)
	_, err := s.joinGroup(group, nil, topic).Next(s.ctx)
	s.wantError(err, group, "in another way than range")
}
