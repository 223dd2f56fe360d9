package broker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// The settings that reports are about.
const (
	configMaxMessageBytes = "max.message.bytes"
	configMinISR          = "min.insync.replicas"
	configRetention       = "retention.ms"
	configRetentionBytes  = "retention.bytes"
)

const (
	safeReplication = 3 // one may be down for maintenance while another fails
	safeMinISR      = 2 // an acknowledged record is on two machines
)

// describe reports those of specs that were found.
func (c *Client) describe(ctx context.Context, specs []TopicSpec, found map[string]kafka.Topic, created map[string]bool) ([]TopicReport, error) {
	settings, err := c.settings(ctx, specs, found)
	if err != nil {
		return nil, err
	}
	var reports []TopicReport
	for _, s := range specs {
		t, ok := found[s.Name]
		if !ok {
			continue
		}
		r := TopicReport{Name: s.Name, Created: created[s.Name], Partitions: len(t.Partitions), Replication: replicas(t)}
		r.read(settings[s.Name])
		r.compare(s)
		if !s.Embedded {
			r.judge()
		}
		reports = append(reports, r)
	}
	return reports, nil
}

func replicas(t kafka.Topic) int {
	if len(t.Partitions) == 0 {
		return 0
	}
	n := len(t.Partitions[0].Replicas)
	for _, p := range t.Partitions {
		n = min(n, len(p.Replicas))
	}
	return n
}

// topicSettings are one topic's settings in effect, or why they are unknown.
type topicSettings struct {
	values map[string]string
	err    error
}

// settings asks for all topics at once. Values come with the broker's and the
// software's defaults filled in, so there is no second place to look.
func (c *Client) settings(ctx context.Context, specs []TopicSpec, found map[string]kafka.Topic) (map[string]topicSettings, error) {
	req := &kafka.DescribeConfigsRequest{Addr: c.addr}
	for _, s := range specs {
		if _, ok := found[s.Name]; ok {
			req.Resources = append(req.Resources, kafka.DescribeConfigRequestResource{
				ResourceType: kafka.ResourceTypeTopic,
				ResourceName: s.Name,
				ConfigNames:  []string{configMaxMessageBytes, configMinISR, configRetention, configRetentionBytes},
			})
		}
	}
	if len(req.Resources) == 0 {
		return nil, nil //nolint:nilnil // no topic, no settings
	}
	ctx, cancel := context.WithTimeout(ctx, c.api.Timeout)
	defer cancel()
	res, err := c.api.DescribeConfigs(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("broker %s: read topic settings: %w", c.addr, explain(err))
	}
	out := make(map[string]topicSettings, len(res.Resources))
	for _, r := range res.Resources {
		values := make(map[string]string, len(r.ConfigEntries))
		for _, e := range r.ConfigEntries {
			values[e.ConfigName] = e.ConfigValue
		}
		out[r.ResourceName] = topicSettings{values, r.Error}
	}
	return out, nil
}

func (r *TopicReport) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, "topic "+r.Name+": "+fmt.Sprintf(format, args...))
}

func (r *TopicReport) read(s topicSettings) {
	if s.err != nil {
		r.warn("its settings cannot be read (%v): grant DESCRIBE_CONFIGS on it to this account", s.err)
		return
	}
	r.MaxMessageBytes = atoi(s.values[configMaxMessageBytes])
	r.MinISR = atoi(s.values[configMinISR])
	if v, ok := s.values[configRetention]; ok {
		r.Retention = retention(v)
	}
	r.RetentionBytes = atoi(s.values[configRetentionBytes])
}

// atoi is 0 for what is not a number, which reports take for unknown.
func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// retention reads retention.ms. What a Duration cannot hold (292 years) is for
// ever, too.
func retention(ms string) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	n, err := strconv.ParseInt(ms, 10, 64)
	switch {
	case err != nil:
		return 0
	case n < 0, n > most:
		return -1
	}
	return time.Duration(n) * time.Millisecond
}

// compare warns where an existing topic gives less than was asked for.
func (r *TopicReport) compare(s TopicSpec) {
	if s.Partitions > 0 && r.Partitions != s.Partitions {
		r.warn("it has %d partitions where kafka.topics asks for %d: it stays as it is, "+
			"since adding partitions moves keys to other partitions", r.Partitions, s.Partitions)
	}
	if want := atoi(s.Configs[configMaxMessageBytes]); want > 0 && r.MaxMessageBytes > 0 && r.MaxMessageBytes < want {
		r.warn("it takes records of up to %d bytes where %d are asked for: larger requests lose their raw copy; "+
			"raise its %s", r.MaxMessageBytes, want, configMaxMessageBytes)
	}
	want := retention(s.Configs[configRetention])
	if r.Retention > 0 && (want < 0 || r.Retention < want) {
		r.warn("it keeps records for %s where %s are asked for: raise its %s", r.Retention, forHumans(want), configRetention)
	}
}

func forHumans(d time.Duration) string {
	if d < 0 {
		return "all of them"
	}
	return d.String()
}

// judge warns where an acknowledged record could still be lost.
func (r *TopicReport) judge() {
	if r.Replication > 0 && r.MinISR > r.Replication {
		r.warn("nothing can be published to it: %s is %d but it has only %d replicas", configMinISR, r.MinISR, r.Replication)
		return
	}
	if r.Replication < safeReplication {
		r.warn("it has %d replicas; fewer than %d can lose records or stop when a broker fails", r.Replication, safeReplication)
	}
	if r.MinISR > 0 && r.MinISR < safeMinISR {
		r.warn("%s is %d; below %d an acknowledged record may be on a single machine", configMinISR, r.MinISR, safeMinISR)
	}
}
