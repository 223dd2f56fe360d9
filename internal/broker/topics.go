package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// settleTimeout bounds the wait for a new topic to be known everywhere: a
// controller answers before its brokers have heard.
const settleTimeout = 15 * time.Second

// TopicSpec is a topic that should exist.
type TopicSpec struct {
	Name       string
	Partitions int
	// Replication is the number of replicas; 0 leaves it to the cluster's
	// default.replication.factor.
	Replication int
	// Configs are the topic's settings by their Kafka names, used when it is
	// created and compared with what an existing topic has.
	Configs map[string]string
	// Embedded says that the cluster is the broker inside the process, where
	// one replica is all there is: nothing is said about durability.
	Embedded bool
}

// TopicReport is a topic as it is. A number that could not be read is 0, and
// a warning says why.
type TopicReport struct {
	Name            string
	Created         bool // by this call
	Partitions      int
	Replication     int // of the partition with the fewest replicas
	MinISR          int // min.insync.replicas in effect
	MaxMessageBytes int // max.message.bytes in effect, of one compressed batch
	// Retention is how long records are kept; -1 is for ever.
	Retention time.Duration
	// RetentionBytes is how much of each partition is kept; -1 is all.
	RetentionBytes int
	// Warnings are sentences about what is not as asked or not durable.
	Warnings []string
}

// MissingTopicsError says which topics do not exist where none may be created.
type MissingTopicsError struct {
	Specs   []TopicSpec
	Brokers string // for the commands in the message
}

// Error implements error, with a command for each topic.
func (e *MissingTopicsError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "broker: %d topics are missing and kafka.topics.create is never: create them, "+
		"or let postrider do it with kafka.topics.create: missing", len(e.Specs))
	for _, s := range e.Specs {
		b.WriteString("\n  " + s.command(e.Brokers))
	}
	return b.String()
}

// EnsureTopics creates the missing topics in one request where create is true,
// and reports all of them in the order given. Existing topics are left as they
// are; what differs is a warning. Several processes may do so at once. On
// failure it returns what it could report, and an error that names every topic
// at fault with the broker's words and what to do.
func (c *Client) EnsureTopics(ctx context.Context, specs []TopicSpec, create bool) ([]TopicReport, error) {
	missing, err := c.missing(ctx, specs)
	for n := 1; err == nil && len(missing) > 0 && !create && n <= looksAgain; n++ {
		if err = sleep(ctx, backoff(n)); err == nil {
			missing, err = c.missing(ctx, specs)
		}
	}
	if err != nil {
		return nil, err
	}
	var failed error
	created := map[string]bool{}
	switch {
	case len(missing) == 0:
	case create:
		created, failed = c.createTopics(ctx, missing)
	default:
		failed = &MissingTopicsError{Specs: missing, Brokers: c.addr.String()}
	}
	reports, err := c.reports(ctx, specs, created, failed == nil)
	return reports, errors.Join(failed, err)
}

// Topics reports the named topics that exist, or without names all that are
// not the cluster's own, ordered by name.
func (c *Client) Topics(ctx context.Context, names ...string) ([]TopicReport, error) {
	all := len(names) == 0
	if all {
		names = nil
	}
	found, err := c.look(ctx, names)
	if err != nil {
		return nil, err
	}
	if all {
		names = outward(found)
	}
	var specs []TopicSpec
	for _, name := range names {
		if _, ok := found[name]; ok {
			specs = append(specs, TopicSpec{Name: name})
		}
	}
	return c.describe(ctx, specs, found, nil)
}

// TopicNames lists all topics that are not the cluster's own, in order. It costs the
// brokers far less than Topics, which reads the settings of each.
func (c *Client) TopicNames(ctx context.Context) ([]string, error) {
	found, err := c.look(ctx, nil)
	if err != nil {
		return nil, err
	}
	return outward(found), nil
}

// outward lists the names of those that are not the cluster's own.
func outward(found map[string]kafka.Topic) []string {
	var names []string
	for name, t := range found {
		if !t.Internal {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// layout is those of the named topics that exist, at most metadataTTL old.
func (c *Client) layout(ctx context.Context, names ...string) (map[string]kafka.Topic, error) {
	return c.look(ctx, append([]string{}, names...))
}

// look is layout, except that nil is all topics of the cluster, as they are now.
func (c *Client) look(ctx context.Context, names []string) (map[string]kafka.Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, c.api.Timeout)
	defer cancel()
	res, err := c.api.Metadata(ctx, &kafka.MetadataRequest{Addr: c.addr, Topics: names})
	if err != nil {
		return nil, fmt.Errorf("broker %s: list topics: %w", c.addr, explain(err))
	}
	found := make(map[string]kafka.Topic, len(res.Topics))
	for _, t := range res.Topics {
		if t.Error == nil {
			found[t.Name] = t
		}
	}
	return found, nil
}

func namesOf(specs []TopicSpec) []string {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	return names
}

// looksAgain is how often topics that seem to be missing are looked for again, a
// second in all: the brokers of a cluster learn of a new topic one after the other,
// and any of them may answer.
const looksAgain = 7

// missing is what does not exist, by a view of the cluster that is fresh: a topic
// made a moment ago must not look missing.
func (c *Client) missing(ctx context.Context, specs []TopicSpec) ([]TopicSpec, error) {
	c.refresh(c.generation())
	found, err := c.layout(ctx, namesOf(specs)...)
	if err != nil {
		return nil, err
	}
	var missing []TopicSpec
	for _, s := range specs {
		if _, ok := found[s.Name]; !ok {
			missing = append(missing, s)
		}
	}
	return missing, nil
}

// createTopics returns which topics it made; the error joins the others'.
func (c *Client) createTopics(ctx context.Context, specs []TopicSpec) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	req := &kafka.CreateTopicsRequest{Addr: c.addr}
	for _, s := range specs {
		req.Topics = append(req.Topics, s.config())
	}
	res, err := c.api.CreateTopics(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("broker %s: create topics: %w", c.addr, explain(err))
	}
	made := map[string]bool{}
	var errs []error
	for _, s := range specs {
		switch err := res.Errors[s.Name]; {
		case err == nil:
			made[s.Name] = true
		case errors.Is(err, kafka.TopicAlreadyExists): // somebody else was faster
		default:
			errs = append(errs, s.refused(err, c.addr.String()))
		}
	}
	return made, errors.Join(errs...)
}

// reports waits for those topics to be known that were created, or for all if all of them
// should be.
func (c *Client) reports(ctx context.Context, specs []TopicSpec, created map[string]bool, all bool) ([]TopicReport, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for n := 0; ; n++ {
		found, err := c.layout(ctx, namesOf(specs)...)
		if err != nil {
			return nil, err
		}
		unseen := slices.DeleteFunc(slices.Clone(specs), func(s TopicSpec) bool { return !all && !created[s.Name] || hasLeaders(found[s.Name]) })
		if len(unseen) == 0 {
			return c.describe(ctx, specs, found, created)
		}
		c.refresh(c.generation())
		if sleep(ctx, backoff(n+1)) != nil {
			return nil, fmt.Errorf("broker: topic %s exists but cannot be seen: grant DESCRIBE on it to this account, "+
				"or look whether its partitions have a leader", unseen[0].Name)
		}
	}
}

// hasLeaders reports whether every partition has a leader to talk to.
func hasLeaders(t kafka.Topic) bool {
	return len(t.Partitions) > 0 && !slices.ContainsFunc(t.Partitions, func(p kafka.Partition) bool {
		return p.Error != nil || p.Leader.Host == ""
	})
}

func (s TopicSpec) config() kafka.TopicConfig {
	conf := kafka.TopicConfig{Topic: s.Name, NumPartitions: s.Partitions, ReplicationFactor: s.Replication}
	if s.Partitions == 0 {
		conf.NumPartitions = -1
	}
	if s.Replication == 0 {
		conf.ReplicationFactor = -1
	}
	for _, k := range s.configNames() {
		conf.ConfigEntries = append(conf.ConfigEntries, kafka.ConfigEntry{ConfigName: k, ConfigValue: s.Configs[k]})
	}
	return conf
}

func (s TopicSpec) configNames() []string {
	names := make([]string, 0, len(s.Configs))
	for k := range s.Configs {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// command creates the topic with Apache Kafka's own tool.
func (s TopicSpec) command(brokers string) string {
	args := []string{"kafka-topics.sh", "--bootstrap-server", brokers, "--create", "--topic", s.Name}
	if s.Partitions > 0 {
		args = append(args, "--partitions", strconv.Itoa(s.Partitions))
	}
	if s.Replication > 0 {
		args = append(args, "--replication-factor", strconv.Itoa(s.Replication))
	}
	for _, k := range s.configNames() {
		args = append(args, "--config", k+"="+s.Configs[k])
	}
	return strings.Join(args, " ")
}

// refused explains why the broker would not create the topic.
func (s TopicSpec) refused(err error, brokers string) error {
	advice := "or create it yourself: " + s.command(brokers)
	if code, ok := errors.AsType[kafka.Error](err); ok {
		if hint := createHint(code); hint != "" {
			advice = hint + ", " + advice
		}
	}
	return fmt.Errorf("broker: topic %s could not be created: %w; %s", s.Name, err, advice)
}

// createHint covers the codes that CreateTopics gives for rights and settings.
func createHint(code kafka.Error) string {
	hints := map[kafka.Error]string{
		kafka.TopicAuthorizationFailed:   "grant CREATE on the topic (or on the cluster) and DESCRIBE to this account",
		kafka.ClusterAuthorizationFailed: "grant CREATE on the cluster, or on topics with this prefix, to this account",
		kafka.InvalidReplicationFactor:   "set kafka.topics.replication to no more than the cluster has brokers (0 is the cluster's default)",
		kafka.InvalidPartitionNumber:     "check kafka.topics.partitions",
		kafka.InvalidConfiguration:       "check kafka.topics.retention and kafka.topics.max_message_bytes",
		kafka.PolicyViolation:            "the cluster's create.topic.policy wants other settings than kafka.topics has",
		kafka.InvalidTopic:               "check kafka.topics.prefix and templates: letters, digits, '.', '_' and '-', and no topic that differs in '.' and '_' alone",
		kafka.RequestTimedOut:            "the controller was too slow, so try again",
		kafka.NotController:              "the controller changed meanwhile, so try again",
	}
	return hints[code]
}
