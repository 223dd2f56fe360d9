package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
)

// groupMove is one partition of a plan: where the group is and where it goes.
type groupMove struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Old       *int64 `json:"old"` // null: nothing is committed
	New       int64  `json:"new"`
	First     int64  `json:"first"` // what the partition holds
	Next      int64  `json:"next"`
	Lag       int64  `json:"lag"` // what there is to read from the new offset
	Note      string `json:"note,omitempty"`
}

// moves is how far the move is, with a sign; back means that records are read
// again.
func (m *groupMove) moves() string {
	switch {
	case m.Old == nil:
		return "-"
	case m.New == *m.Old:
		return "0"
	}
	return fmt.Sprintf("%+d", m.New-*m.Old)
}

// groupLogs is what topics hold, by topic and partition.
type groupLogs map[string]map[int]broker.OffsetRange

// destination says where a group should go on in one partition. Old is negative
// where nothing is committed. The note is for people and may be empty.
type destination func(topic string, partition int, old int64, log broker.OffsetRange) (offset int64, note string, err error)

// planMoves applies a destination to partitions and clamps what it says to what
// they hold, as Kafka's own tool does: an offset that does not exist would make
// each consumer go where its auto.offset.reset says.
func planMoves(g *broker.Group, logs groupLogs, chosen map[string][]int, to destination) ([]groupMove, error) {
	old := map[string]map[int]int64{}
	for _, o := range g.Offsets {
		if old[o.Topic] == nil {
			old[o.Topic] = map[int]int64{}
		}
		old[o.Topic][o.Partition] = o.Offset
	}
	var plan []groupMove
	for topic, partitions := range chosen {
		for _, p := range partitions {
			committed, ok := old[topic][p]
			if !ok {
				committed = -1
			}
			log := logs[topic][p]
			wanted, note, err := to(topic, p, committed, log)
			if err != nil {
				return nil, fmt.Errorf("%s[%d]: %w", topic, p, err)
			}
			m := groupMove{Topic: topic, Partition: p, New: wanted, First: log.First, Next: log.Next, Note: note}
			m.clamp()
			if ok {
				m.Old = &committed
			}
			plan = append(plan, m)
		}
	}
	slices.SortFunc(plan, func(a, b groupMove) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return plan, nil
}

// clamp keeps the new offset within what the partition holds.
func (m *groupMove) clamp() {
	switch wanted := m.New; {
	case wanted < m.First:
		m.New, m.Note = m.First, strconv.FormatInt(wanted, 10)+" is before the start: the start instead"
	case wanted > m.Next:
		m.New, m.Note = m.Next, strconv.FormatInt(wanted, 10)+" is past the end: the end instead"
	}
	m.Lag = m.Next - m.New
}

// topicChoice is what --topic says: a topic and, perhaps, partitions of it.
type topicChoice struct {
	topic      string
	partitions []int // nil: all
}

// parseTopicChoice reads "email.bounced" or "email.bounced:0,3-5".
func parseTopicChoice(text string) (topicChoice, error) {
	topic, list, some := strings.Cut(text, ":")
	choice := topicChoice{topic: topic}
	if topic == "" || some && list == "" {
		return choice, fmt.Errorf("--topic: %q: write it as email.bounced or email.bounced:0,3-5", text)
	}
	for part := range strings.SplitSeq(list, ",") {
		if !some {
			break
		}
		first, last, span := strings.Cut(part, "-")
		if !span {
			last = first
		}
		from, errFrom := strconv.ParseUint(first, 10, 16)
		to, errTo := strconv.ParseUint(last, 10, 16)
		if errFrom != nil || errTo != nil || from > to {
			return choice, fmt.Errorf("--topic: %q: %q is no partition: write it as email.bounced:0,3-5", text, part)
		}
		for p := from; p <= to; p++ {
			choice.partitions = append(choice.partitions, int(p))
		}
	}
	return choice, nil
}

// chosenPartitions resolves choices. A topic or partition that does not exist is an
// error.
func chosenPartitions(choices []topicChoice, logs groupLogs) (map[string][]int, error) {
	chosen := map[string]map[int]bool{}
	for _, choice := range choices {
		log := logs[choice.topic]
		if chosen[choice.topic] == nil {
			chosen[choice.topic] = map[int]bool{}
		}
		partitions := choice.partitions
		if partitions == nil {
			partitions = slices.Collect(maps.Keys(log))
		}
		for _, p := range partitions {
			if _, ok := log[p]; !ok {
				return nil, fmt.Errorf("group: topic %s has no partition %d: it has %s", choice.topic, p, plural(len(log), "partition"))
			}
			chosen[choice.topic][p] = true
		}
	}
	out := make(map[string][]int, len(chosen))
	for topic, partitions := range chosen {
		out[topic] = slices.Sorted(maps.Keys(partitions))
	}
	return out, nil
}

// readLogs asks what the topics of choices hold. Those that do not exist are an
// error that names what was meant; where lenient they are left out and named.
func readLogs(ctx context.Context, client *broker.Client, choices []topicChoice, lenient bool) (logs groupLogs, gone []string, err error) {
	logs = groupLogs{}
	for _, choice := range choices {
		if logs[choice.topic] != nil || slices.Contains(gone, choice.topic) {
			continue
		}
		log, err := client.Offsets(ctx, choice.topic)
		var unknown *broker.UnknownTopicError
		switch {
		case err == nil:
			logs[choice.topic] = log
		case errors.As(err, &unknown) && lenient:
			gone = append(gone, choice.topic)
		case errors.As(err, &unknown):
			return nil, nil, unknownTopic(ctx, client, choice.topic, err)
		default:
			return nil, nil, fmt.Errorf("group: %w", err)
		}
	}
	return logs, gone, nil
}

// unknownTopic names the topic that was meant.
func unknownTopic(ctx context.Context, client *broker.Client, topic string, err error) error {
	names, listErr := client.TopicNames(ctx)
	if near := config.Nearest(topic, names); listErr == nil && near != "" {
		return fmt.Errorf("group: %w; did you mean %s?", err, near)
	}
	return fmt.Errorf("group: %w", err)
}
