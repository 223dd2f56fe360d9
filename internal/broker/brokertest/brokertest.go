// Package brokertest holds every broker that postrider runs on to the same
// conformance suite: the embedded one and a real Apache Kafka.
package brokertest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// Cluster is a broker under test.
type Cluster struct {
	// Options reach it.
	Options broker.Options
	// Embedded says that it is the broker inside the process, which checks no
	// topic settings and has one replica of everything.
	Embedded bool
}

// bound ends a test that hangs; every wait in the suite is on a condition.
const bound = 60 * time.Second

// Run holds a cluster to the suite. It makes topics with names of its own and
// deletes none, so it can share a cluster. up is called once.
func Run(t *testing.T, up func(t *testing.T) Cluster) {
	t.Helper()
	cluster := up(t)
	for name, test := range map[string]func(*suite){
		"TopicsAreCreatedOnceAndReported":      topicsAreCreatedOnceAndReported,
		"TopicsAreOnlyCheckedWhenToldSo":       topicsAreOnlyChecked,
		"TopicsAreCreatedByManyAtOnce":         topicsAreCreatedByMany,
		"TopicsThatGiveLessAreReported":        topicsThatGiveLess,
		"TopicsTheBrokerRefusesAreExplained":   topicsTheBrokerRefuses,
		"RecordsComeBackAsPublished":           recordsComeBack,
		"KeysGoWhereJavaPutsThem":              keysGoWhereJavaPutsThem,
		"ConcurrentWritersKeepOrderPerKey":     concurrentWritersKeepOrder,
		"TooLargeIsRefusedAlone":               tooLargeIsRefusedAlone,
		"UnknownTopicIsAnError":                unknownTopic,
		"OffsetsByTime":                        offsetsByTime,
		"ReadIsBoundedAndNamesGaps":            readIsBounded,
		"ReadWaitsForWhatIsNotThereYet":        readWaits,
		"PublishesEveryCompression":            publishesCompression,
		"ReadDecodesEveryCompression":          readDecodesCompression,
		"FollowSeesManyTopicsAndLaterOnes":     followSeesMany,
		"ConsumerGroupsGoOnWhereTheyCommitted": consumerGroups,
		"GroupsAreListed":                      groupsAreListed,
		"GroupsAreDescribed":                   groupsAreDescribed,
		"GroupThatIsNotIsSaidSo":               groupThatIsNot,
		"GroupOfATopicThatIsNot":               groupOfATopicThatIsNot,
		"GroupsWithMembersAreNotMoved":         membersAreNotMoved,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newSuite(t, cluster))
		})
	}
	for name, test := range members() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newSuite(t, cluster))
		})
	}
}

// suite is one test's client and publisher, and names nobody else uses.
type suite struct {
	*testing.T
	Cluster
	ctx    context.Context //nolint:containedctx // a test's own bound
	client *broker.Client
	pub    *broker.GroupCommitter
	prefix string
}

func newSuite(t *testing.T, c Cluster) *suite {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	client, err := broker.Dial(c.Options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	pub := broker.NewPublisher(client, broker.PublisherOptions{
		Now:    time.Now,
		Budget: 20 * time.Second, AttemptTimeout: 10 * time.Second,
	})
	t.Cleanup(func() {
		end, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		if err := pub.Close(end); err != nil {
			t.Errorf("close publisher: %v", err)
		}
	})
	return &suite{T: t, Cluster: c, ctx: ctx, client: client, pub: pub, prefix: "conformance." + strings.ToLower(rand.Text()[:10])}
}

// topic makes a topic of the test's own and returns its name.
func (s *suite) topic(name string, partitions int, configs map[string]string) string {
	s.Helper()
	spec := s.spec(name, partitions, configs)
	if _, err := s.client.EnsureTopics(s.ctx, []broker.TopicSpec{spec}, true); err != nil {
		s.Fatal(err)
	}
	return spec.Name
}

func (s *suite) spec(name string, partitions int, configs map[string]string) broker.TopicSpec {
	return broker.TopicSpec{Name: s.prefix + "." + name, Partitions: partitions, Configs: configs, Embedded: s.Embedded}
}

func (s *suite) publish(recs ...broker.Record) {
	s.Helper()
	if err := s.pub.Publish(s.ctx, recs); err != nil {
		s.Fatal(err)
	}
}

// read returns all that a partition holds.
func (s *suite) read(topic string, partition int) []broker.Message {
	s.Helper()
	ranges, err := s.client.Offsets(s.ctx, topic)
	if err != nil {
		s.Fatal(err)
	}
	r := ranges[partition]
	var got []broker.Message
	err = s.client.Read(s.ctx, topic, partition, r.First, r.Next, func(m broker.Message) error {
		got = append(got, m)
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
	return got
}

func (s *suite) wantError(err error, parts ...string) {
	s.Helper()
	if err == nil {
		s.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			s.Errorf("error does not say %q: %v", p, err)
		}
	}
}
