package broker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestTopicsRefusedForRightsSayWhatToGrant(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		code *kerr.Error
		want string
	}{
		{kerr.TopicAuthorizationFailed, "grant CREATE on the topic"},
		{kerr.ClusterAuthorizationFailed, "grant CREATE on the cluster"},
		{kerr.PolicyViolation, "create.topic.policy"},
		{kerr.InvalidReplicationFactor, "kafka.topics.replication"},
		{kerr.UnknownServerError, "kafka-topics.sh"},
	} {
		t.Run(tc.code.Message, func(t *testing.T) {
			t.Parallel()
			c, cluster := fakeCluster(t)
			cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Topic: "email.bounced", Err: tc.code})
			got, err := c.EnsureTopics(t.Context(), specs("email.bounced", "email.sent"), true)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range []string{"email.bounced", tc.want, "kafka-topics.sh"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error does not say %q: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "email.sent") || len(got) != 1 || !got[0].Created {
				t.Errorf("the other topic was not created: %+v, %v", got, err)
			}
		})
	}
}

func TestTopicsAreCreatedInOneRequestWithTheClustersDefaults(t *testing.T) {
	t.Parallel()
	c, cluster := fakeCluster(t)
	requests := make(chan *kmsg.CreateTopicsRequest, 10)
	cluster.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if create, ok := req.(*kmsg.CreateTopicsRequest); ok {
			requests <- create
		}
		return nil, nil, false
	})
	if _, err := c.EnsureTopics(t.Context(), specs("a", "b", "c"), true); err != nil {
		t.Fatal(err)
	}
	if len(requests) != 1 {
		t.Fatalf("%d requests, want 1", len(requests))
	}
	req := <-requests
	if len(req.Topics) != 3 || req.Topics[0].ReplicationFactor != -1 || req.Topics[0].NumPartitions != 2 {
		t.Errorf("request = %+v", req.Topics)
	}
}

func TestTopicsUnreadableSettingsAreAWarning(t *testing.T) {
	t.Parallel()
	c, cluster := fakeCluster(t)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Resource: "a", Err: kerr.TopicAuthorizationFailed})
	got, err := c.EnsureTopics(t.Context(), specs("a"), true)
	if err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(got[0].Warnings, "\n"); !strings.Contains(said, "DESCRIBE_CONFIGS") || got[0].MaxMessageBytes != 0 {
		t.Errorf("report = %+v", got[0])
	}
}

func TestTopicsWithoutABrokerIsUnreachable(t *testing.T) {
	t.Parallel()
	c := dialTest(t, "127.0.0.1:1")
	_, err := c.EnsureTopics(t.Context(), specs("a"), true)
	if !Unreachable(err) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("error = %v, want one that names the broker and may pass", err)
	}
}

func TestMissingTopicsErrorIsOneValue(t *testing.T) {
	t.Parallel()
	c, _ := fakeCluster(t)
	_, err := c.EnsureTopics(t.Context(), specs("a", "b"), false)
	var missing *MissingTopicsError
	if !errors.As(err, &missing) || len(missing.Specs) != 2 {
		t.Errorf("error = %v, want a *MissingTopicsError for both", err)
	}
}

func TestTopicReportWarnsOfWhatCanBeLost(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		r       TopicReport
		mention []string
	}{
		{"safe", TopicReport{Replication: 3, MinISR: 2}, nil},
		{"one replica", TopicReport{Replication: 1, MinISR: 1}, []string{"1 replicas", "single machine"}},
		{"one in sync", TopicReport{Replication: 3, MinISR: 1}, []string{"single machine"}},
		{"impossible", TopicReport{Replication: 1, MinISR: 2}, []string{"nothing can be published"}},
		{"unknown ISR", TopicReport{Replication: 3}, nil},
	} {
		tc.r.Name = "email.sent"
		tc.r.judge()
		if len(tc.r.Warnings) != len(tc.mention) {
			t.Errorf("%s: warnings = %q", tc.name, tc.r.Warnings)
			continue
		}
		for i, want := range tc.mention {
			if w := tc.r.Warnings[i]; !strings.Contains(w, want) || !strings.Contains(w, "email.sent") {
				t.Errorf("%s: warning %q does not say %q", tc.name, w, want)
			}
		}
	}
}

func TestRetentionInWords(t *testing.T) {
	t.Parallel()
	got := map[string]time.Duration{}
	for _, ms := range []string{"1000", "-1", "9223372036854775807", "", "x"} {
		got[ms] = retention(ms)
	}
	want := map[string]time.Duration{"1000": time.Second, "-1": -1, "9223372036854775807": -1, "": 0, "x": 0}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func fakeCluster(t *testing.T, opts ...kfake.Opt) (*Client, *kfake.Cluster) {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return dialTest(t, cluster.ListenAddrs()...), cluster
}

func specs(names ...string) []TopicSpec {
	out := make([]TopicSpec, len(names))
	for i, n := range names {
		out[i] = TopicSpec{Name: n, Partitions: 2}
	}
	return out
}
