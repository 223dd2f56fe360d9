//go:build unix

package downstream_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// What an event says of itself in its metadata, beside a header with its mark.
const (
	metaMark = "mark"
	metaN    = "n"
	metaDo   = "do" // see doFail
	doPoison = "poison"
)

// keys is how many keys each topic has; the topics share them.
const keys = 40

// mark is something that has to have exactly one effect, however often it is published.
type mark struct {
	name, topic, key, id string
	n                    int // counts the marks of its key in its topic
	do                   string
	conflict             bool
}

// dead reports whether it has to become a dead letter instead.
func (m *mark) dead() bool { return m.do == doAlways || m.do == doPermanent || m.do == doPoison }

// record is the mark as a receiver publishes it.
func (m *mark) record(at time.Time) broker.Record {
	kind := event.Type(m.topic[strings.LastIndexByte(m.topic, '.')+1:])
	e := event.Event{
		Schema: event.Schema, ID: m.id, Type: kind, Family: kind.Family(), Direction: event.Outbound,
		Provider: "jetemail", Source: "proof", ProviderType: string(kind), ReceivedAt: event.NewTime(at, 3),
		MessageID: m.key, Recipient: "recipient@example.com", Subject: "Your order has been dispatched",
		Metadata: map[string]string{metaMark: m.name, metaN: strconv.Itoa(m.n), metaDo: m.do},
	}
	if m.do == "" {
		delete(e.Metadata, metaDo)
	}
	if kind == event.Bounced {
		e.Bounce = &event.Bounce{Class: event.Hard, Category: event.InvalidRecipient}
	}
	r := broker.Record{
		Topic: m.topic, Key: []byte(e.Key()), Value: e.AppendJSON(nil), Time: at,
		Headers: e.AppendHeaders([]event.Header{{Key: metaMark, Value: []byte(m.name)}}, event.Stamp{Mapper: 1, Conflict: m.conflict}),
	}
	if m.do == doPoison {
		r.Value = r.Value[:len(r.Value)/2]
	}
	return r
}

// mixture is what a load is made of: shares of what is published.
type mixture struct {
	again    float64            // published before
	conflict float64            // under an id that another one has
	do       map[string]float64 // misbehaves
}

// load publishes marks until it is told to stop.
type load struct {
	topics  []string
	mixture mixture
	rate    int // a second
	prefix  string

	mu        sync.Mutex
	marks     map[string]*mark
	list      []*mark
	count     map[string]int // of a key in a topic
	published int
	repeats   int
}

func newLoad(prefix string, topics []string, rate int, m mixture) *load {
	return &load{topics: topics, mixture: m, rate: rate, prefix: prefix, marks: map[string]*mark{}, count: map[string]int{}}
}

// loadBeat is how often the load publishes.
const loadBeat = 20 * time.Millisecond

// run publishes until stop ends, or fails. Brokers that are away are waited for.
func (l *load) run(stop context.Context, p broker.Publisher) error {
	tick := time.NewTicker(loadBeat)
	defer tick.Stop()
	for {
		select {
		case <-stop.Done():
			return nil
		case <-tick.C:
		}
		recs := make([]broker.Record, max(1, l.rate*int(loadBeat)/int(time.Second)))
		for i := range recs {
			recs[i] = l.next().record(time.Now())
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(stop), patience()) // a broker may be slow to come back
		err := p.Publish(ctx, recs)
		cancel()
		if err != nil {
			return fmt.Errorf("the load cannot be published: %w", err)
		}
	}
}

// next draws what is published next.
func (l *load) next() *mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.published++
	if len(l.list) > 0 && rand.Float64() < l.mixture.again {
		l.repeats++
		return l.list[len(l.list)-1-rand.IntN(min(len(l.list), 500))]
	}
	m := &mark{
		name: fmt.Sprintf("%s-%d", l.prefix, l.published), topic: l.topics[rand.IntN(len(l.topics))],
		key: "message-" + strconv.Itoa(rand.IntN(keys)), do: l.draw(),
		id: fmt.Sprintf("%032x", uint64(l.published)*2654435761+1),
	}
	l.count[m.topic+" "+m.key]++
	m.n = l.count[m.topic+" "+m.key]
	l.marks[m.name] = m
	if len(l.list) > 0 && m.do == "" && rand.Float64() < l.mixture.conflict {
		m.conflict, m.id = true, l.list[rand.IntN(len(l.list))].id
		return m // a second copy would be another one to handle
	}
	l.list = append(l.list, m)
	return m
}

// draw decides how a mark misbehaves; mostly "", not at all.
func (l *load) draw() string {
	x := rand.Float64()
	for _, do := range slices.Sorted(maps.Keys(l.mixture.do)) {
		if x -= l.mixture.do[do]; x < 0 {
			return do
		}
	}
	return ""
}

// wanted is a copy of the marks.
func (l *load) wanted() map[string]*mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.marks)
}

// lying is one record as it lies in Kafka.
type lying struct {
	mark   string
	of     string // where it lay first
	reason string // of a dead letter
	due    string // of a record in a retry topic
}

// library is what lies in the topics of a group, read as far as it was asked for.
type library struct {
	client *broker.Client
	stage  map[string]int // 0: published; then the retry topics by delay; last: dead letters
	held   map[string]map[int][]lying
	// furthest is the last stage that a record has come to, by where it lay first.
	furthest map[string]int
}

func newLibrary(client *broker.Client, topics, aside []string) *library {
	l := &library{client: client, stage: map[string]int{}, held: map[string]map[int][]lying{}, furthest: map[string]int{}}
	for _, t := range topics {
		l.stage[t] = 0
	}
	for i, t := range aside {
		l.stage[t] = i + 1
	}
	return l
}

// catchUp reads what came since.
func (l *library) catchUp(ctx context.Context) error {
	for topic := range l.stage {
		log, err := l.client.Offsets(ctx, topic)
		if err != nil {
			return err
		}
		for p, r := range log {
			if err := l.read(ctx, topic, p, r.Next); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *library) read(ctx context.Context, topic string, partition int, to int64) error {
	if l.held[topic] == nil {
		l.held[topic] = map[int][]lying{}
	}
	from := int64(len(l.held[topic][partition]))
	if from >= to {
		return nil
	}
	return l.client.Read(ctx, topic, partition, from, to, func(m broker.Message) error {
		if at := int64(len(l.held[topic][partition])); m.Offset != at {
			return fmt.Errorf("%s[%d] holds offset %d where %d is expected", topic, partition, m.Offset, at)
		}
		rec := lying{
			mark: event.HeaderText(m.Headers, metaMark), reason: event.HeaderText(m.Headers, consumer.HeaderDead), due: event.HeaderText(m.Headers, consumer.HeaderNotBefore),
			of: cmp.Or(event.HeaderText(m.Headers, consumer.HeaderOf), consumer.Place{Topic: topic, Partition: partition, Offset: m.Offset}.String()),
		}
		l.held[topic][partition] = append(l.held[topic][partition], rec)
		l.furthest[rec.of] = max(l.furthest[rec.of], l.stage[topic])
		return nil
	})
}

// beyond returns what a group has committed although it is neither done nor safe
// further on.
func (l *library) beyond(offsets []broker.GroupOffset, done map[string]int) []string {
	var found []string
	for _, o := range offsets {
		held := l.held[o.Topic][o.Partition]
		if int64(len(held)) < o.Offset {
			found = append(found, fmt.Sprintf("%s[%d] is committed up to %d and ends at %d", o.Topic, o.Partition, o.Offset, len(held)))
		}
		for at, rec := range held[:min(int64(len(held)), o.Offset)] {
			if done[rec.mark] == 0 && l.furthest[rec.of] <= l.stage[o.Topic] {
				found = append(found, fmt.Sprintf("%s[%d]@%d (mark %s) is committed and was not handled", o.Topic, o.Partition, at, rec.mark))
			}
		}
	}
	return found
}

// undrained returns the partitions whose end is not committed.
func (l *library) undrained(ctx context.Context, offsets []broker.GroupOffset, dead string) ([]string, error) {
	committed := map[string]int64{}
	for _, o := range offsets {
		committed[fmt.Sprintf("%s[%d]", o.Topic, o.Partition)] = o.Offset
	}
	var left []string
	for topic := range l.stage {
		if topic == dead {
			continue
		}
		log, err := l.client.Offsets(ctx, topic)
		if err != nil {
			return nil, err
		}
		for p, r := range log {
			name := fmt.Sprintf("%s[%d]", topic, p)
			if committed[name] < r.Next {
				left = append(left, fmt.Sprintf("%s: %d of %d", name, committed[name], r.Next))
			}
		}
	}
	slices.Sort(left)
	return left, nil
}
