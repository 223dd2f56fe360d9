package brokertest

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"

	"github.com/postrider/postrider/internal/broker"
)

// member is a consumer that is in the suite's group until it is stopped.
type member struct {
	*suite
	reader *kafka.Reader
}

// join starts a member. Its group does not begin anywhere but where it committed,
// or at the end of the log.
func (s *suite) join(group string, topics ...string) *member {
	s.Helper()
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: s.Options.Brokers, GroupID: group, GroupTopics: topics, StartOffset: kafka.LastOffset, MaxWait: 100 * time.Millisecond,
		Dialer: &kafka.Dialer{ClientID: "member-of-the-test", Timeout: 10 * time.Second, DualStack: true},
	})
	m := &member{s, r}
	s.Cleanup(m.leave)
	return m
}

// leave ends the member; a second time does nothing.
func (m *member) leave() {
	if m.reader == nil {
		return
	}
	if err := m.reader.Close(); err != nil {
		m.Errorf("close the member: %v", err)
	}
	m.reader = nil
}

// next reads a record and commits it.
func (m *member) next() kafka.Message {
	m.Helper()
	msg, err := m.reader.FetchMessage(m.ctx)
	if err == nil {
		err = m.reader.CommitMessages(m.ctx, msg)
	}
	if err != nil {
		m.Fatal(err)
	}
	return msg
}

// group waits until the group is as wanted.
func (s *suite) group(name, what string, as func(broker.Group) bool) broker.Group {
	s.Helper()
	for {
		g, err := s.client.Group(s.ctx, name)
		if err != nil {
			s.Fatalf("waiting for: %s: %v", what, err)
		}
		if as(g) {
			return g
		}
		select {
		case <-s.ctx.Done():
			s.Fatalf("still not: %s: %+v", what, g)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func empty(g broker.Group) bool { return g.State == broker.GroupEmpty && len(g.Members) == 0 }

func (s *suite) commit(group, topic string, offsets map[int]int64) error {
	return s.client.CommitGroup(s.ctx, group, map[string]map[int]int64{topic: offsets})
}

func (s *suite) mustCommit(group, topic string, offsets map[int]int64) {
	s.Helper()
	if err := s.commit(group, topic, offsets); err != nil {
		s.Fatal(err)
	}
}

// stableWithOne reports whether a group has one member, which reads.
func stableWithOne(g broker.Group) bool {
	return g.State == broker.GroupStable && len(g.Members) == 1 && len(g.Members[0].Assigned) > 0
}

func groupsAreDescribed(s *suite) {
	topic, group := s.topic("described", 2, nil), s.prefix+".described"
	s.numbered(topic, 0, 10)
	s.mustCommit(group, topic, map[int]int64{0: 3})
	m := s.join(group, topic)
	g := s.group(group, "one member reads", stableWithOne)
	if g.Protocol != "consumer" || g.Assignor == "" || !g.Exists() || g.Idle() {
		s.Errorf("the group is %+v", g)
	}
	who := g.Members[0]
	if diff := cmp.Diff(map[string][]int{topic: {0, 1}}, who.Assigned); diff != "" {
		s.Errorf("assigned: %s", diff)
	}
	if who.ID == "" || who.Client != "member-of-the-test" || !strings.Contains(who.Host, "127.0.0.1") {
		s.Errorf("the member is %+v", who)
	}
	m.leave()
	g = s.group(group, "the member has left", empty)
	ranges, err := s.client.Offsets(s.ctx, topic)
	if err != nil {
		s.Fatal(err)
	}
	want := []broker.GroupOffset{{Topic: topic, Partition: 0, Offset: 3, Log: ranges[0]}}
	if diff := cmp.Diff(want, g.Offsets[:1]); diff != "" || g.Offsets[0].Lag() != ranges[0].Next-3 || !g.Idle() {
		s.Errorf("lag %d, idle %v, offsets %s", g.Offsets[0].Lag(), g.Idle(), diff)
	}
}

func groupsAreListed(s *suite) {
	topic := s.topic("listed", 2, nil)
	odd := s.prefix + " \x1b[31modd\t\u202eü\n"
	s.mustCommit(odd, topic, map[int]int64{0: 0, 1: 7})
	s.mustCommit(s.prefix, topic, map[int]int64{1: 1})
	groups, err := s.client.Groups(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	for _, name := range []string{odd, s.prefix} {
		if !slices.ContainsFunc(groups, func(g broker.GroupListing) bool { return g.Name == name }) {
			s.Errorf("%q is not in %+v", name, groups)
		}
	}
	if !slices.IsSortedFunc(groups, func(a, b broker.GroupListing) int { return strings.Compare(a.Name, b.Name) }) {
		s.Errorf("not in order: %+v", groups)
	}
	all, err := s.client.GroupOffsets(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	want := map[string]map[int]int64{topic: {0: 0, 1: 7}}
	if diff := cmp.Diff(want, all[odd]); diff != "" {
		s.Errorf("offsets: %s", diff)
	}
}

func groupThatIsNot(s *suite) {
	g, err := s.client.Group(s.ctx, s.prefix+".nobody")
	if err != nil || g.Exists() || !g.Idle() || len(g.Members) > 0 {
		s.Errorf("got %+v, %v; want a group that does not exist", g, err)
	}
}

func groupOfATopicThatIsNot(s *suite) {
	topic, group := s.topic("half", 1, nil), s.prefix+".half"
	err := s.client.CommitGroup(s.ctx, group, map[string]map[int]int64{topic: {0: 0}, s.prefix + ".nothing": {0: 1}})
	s.wantError(err, group, "partition 0 of topic "+s.prefix+".nothing does not exist")
	var unknown *broker.UnknownTopicError
	if !errors.As(err, &unknown) || unknown.Topic != s.prefix+".nothing" {
		s.Errorf("got %v, want an *UnknownTopicError", err)
	}
	g := s.group(group, "what exists was committed", func(g broker.Group) bool { return len(g.Offsets) == 1 })
	if g.Offsets[0].Topic != topic {
		s.Errorf("committed: %+v", g.Offsets)
	}
}

// A commit over the head of members is refused, whole. Once they have left it
// counts: the next ones begin where it says.
func membersAreNotMoved(s *suite) {
	topic, group := s.topic("moved", 1, nil), s.prefix+".moved"
	s.numbered(topic, 0, 10)
	s.mustCommit(group, topic, map[int]int64{0: 4})
	m := s.join(group, topic)
	if got := m.next(); got.Offset != 4 {
		s.Errorf("the group began at %d, want 4", got.Offset)
	}
	var active *broker.GroupActiveError
	err := s.commit(group, topic, map[int]int64{0: 0})
	if !errors.As(err, &active) || len(active.Members) != 1 || active.Members[0].Client != "member-of-the-test" {
		s.Errorf("got %v (%+v), want a *GroupActiveError with the member", err, active)
	}
	s.wantError(err, "member-of-the-test", "127.0.0.1", "no offset was moved")
	m.leave()
	g := s.group(group, "the member has left", empty)
	if g.Offsets[0].Offset != 5 {
		s.Errorf("the group is at %+v, want 5", g.Offsets)
	}
	s.mustCommit(group, topic, map[int]int64{0: 2})
	again := s.join(group, topic)
	for want := range int64(3) {
		if got := again.next(); got.Offset != want+2 || string(got.Value) != strconv.FormatInt(want+2, 10) {
			s.Errorf("got %s at %d, want %d", got.Value, got.Offset, want+2)
		}
	}
}
