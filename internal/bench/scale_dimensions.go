package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// The far ends of the dimensions.
const (
	manyTypes      = 50
	manySources    = 200
	fewPartitions  = 6
	manyPartitions = 600
	manyIDs        = 10_000_000
)

// dimension is something that cost should not depend on, at two sizes.
type dimension struct {
	name  string
	about string // for people
	ends  [2]end // low, high
}

// end is a dimension at one size.
type end struct {
	label   string
	config  siteConfig
	batches bool                                            // takes -batch
	write   func(serial int, now time.Time) ([]byte, error) // makes a request; nil: the usual ones
	topics  int                                             // partitions of the topics made beforehand; 0: none is
	ids     int                                             // that are in the window before the load
}

// dimensionOf builds a dimension by its name.
func dimensionOf(name string, signs credentials) dimension {
	switch name {
	case "types":
		return typesDimension(signs)
	case "sources":
		return sourcesDimension(signs)
	case "partitions":
		return partitionsDimension(signs)
	}
	return idsDimension(signs)
}

// usual is the source of the usual requests, and that of batches.
func usual(signs credentials) string {
	return fmt.Sprintf("  - {name: %s, provider: jetemail, auth: {type: jetemail, secrets: [{id: bench, value: %q}]}}\n"+
		"  - {name: %s, provider: sendgrid, auth: {type: sendgrid, secrets: [{id: bench, value: %q}]}}\n",
		sourceName, signs.secret, batchSource, signs.verifier)
}

// typesDimension has as many words for types as the far end wants, over every route:
// both ends read them by the same mapping, and differ in nothing but the word.
func typesDimension(signs credentials) dimension {
	routes := event.Routes()
	mappings := wordsSource(signs.secret, routes)
	of := func(words int) end {
		return end{label: strconv.Itoa(words), config: siteConfig{sources: mappings}, write: func(serial int, now time.Time) ([]byte, error) {
			return wordRequest(serial, serial%words, signs.secret, now)
		}}
	}
	return dimension{
		name: "types", ends: [2]end{of(1), of(manyTypes)},
		about: fmt.Sprintf("words for types, declared by one mapping, in equal parts; there are %d routes (types by direction), and a topic for each, so that %d words fill %d topics",
			len(routes), manyTypes, len(routes)),
	}
}

// wordsSource is a mapping that knows the words. The unknown routes have no row: a word
// without one is unknown, and inbound.unknown is reached by the direction.
func wordsSource(secret string, routes []event.Route) string {
	var types []string
	for i := range manyTypes {
		r := routes[i%len(routes)]
		outcome := string(r.Type)
		if r.Direction == event.Inbound {
			outcome = "inbound " + outcome
		}
		types = append(types, fmt.Sprintf("%s: %s", word(i), outcome))
	}
	return fmt.Sprintf(`  - name: words
    provider: mapping
    auth: {type: jetemail, secrets: [{id: bench, value: %q}]}
    mapping:
      type: event
      types: {%s}
      fields: {provider_event_id: id, occurred_at: timestamp, message_id: message, sender: from, recipient: to, subject: subject, smtp: {response: response, mx: mx}}
`, secret, strings.Join(types, ", "))
}

// word is the i-th word for a type.
func word(i int) string { return fmt.Sprintf("w%02d", i) }

// wordRequest is a signed request of one event with a word for its type.
func wordRequest(serial, w int, secret string, now time.Time) ([]byte, error) {
	body := fmt.Appendf(nil, `{"id":"%s","event":"%s","timestamp":%d,"message":"4d1b7f52-66d0-4d2e-8b6e-%012x","from":"billing@shop.example",`+
		`"to":"customer.%08x@mail.example","subject":"Your order has been shipped","mx":"mx1.mail.example","response":"250 2.0.0 OK"}`,
		eventID(serial), word(w), now.Unix(), serial, serial)
	return signedTo("words", secret, serial, body, now)
}

// signedTo is a request to a source, signed as JetEmail signs.
func signedTo(source, secret string, serial int, body []byte, now time.Time) ([]byte, error) {
	req := webhook.Request{Header: http.Header{"X-Webhook-Id": {eventID(serial)}}, Body: body}
	if err := webhook.Sign(webhook.Config{Type: "jetemail"}, webhook.Secret{ID: "bench", Value: []byte(secret)}, &req, now); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return wire(source, &req)
}

// sourcesDimension spreads the same events over sources.
func sourcesDimension(signs credentials) dimension {
	of := func(sources int) end {
		return end{label: strconv.Itoa(sources), config: siteConfig{sources: jetSources(sources, signs.secret)}, write: func(serial int, now time.Time) ([]byte, error) {
			i := serial % sources
			return signedTo(numbered(i), secretOf(i, signs.secret), serial, deliveredEvent(serial, now), now)
		}}
	}
	return dimension{name: "sources", about: "sources with a secret each, in equal parts", ends: [2]end{of(1), of(manySources)}}
}

// partitionsDimension has two topics of many partitions: those that the load goes to.
func partitionsDimension(signs credentials) dimension {
	of := func(n int) end {
		return end{label: strconv.Itoa(n), batches: true, topics: n, config: siteConfig{sources: usual(signs)}}
	}
	return dimension{name: "partitions", about: "partitions of the typed topic, and as many of the raw one", ends: [2]end{of(fewPartitions), of(manyPartitions)}}
}

// idsDimension fills the window of ids beforehand, to its bound: each further id pushes
// one out.
func idsDimension(signs credentials) dimension {
	of := func(n int) end {
		return end{label: strconv.Itoa(n), batches: true, ids: n, config: siteConfig{maxIDs: manyIDs, brokerBytes: 1 << 30, brokerSegment: 64 << 20, sources: usual(signs)}}
	}
	return dimension{name: "ids", about: "ids in the window (dedupe.max_ids is the larger one), read at start from their topic as after any restart", ends: [2]end{of(0), of(manyIDs)}}
}

// touchTopics writes to every partition of the two topics, twice and more than Kafka's
// index.interval.bytes: a partition's first record makes its log, the first entry of its
// index two files more, for which a broker takes ten milliseconds. That is no part of what a
// steady load costs.
func touchTopics(ctx context.Context, brokers []string, prefix string, n int) (err error) {
	client, err := broker.Dial(broker.Options{Brokers: brokers, Timeout: time.Minute})
	if err != nil {
		return err
	}
	defer client.Close()
	p := broker.NewPublisher(client, broker.PublisherOptions{Now: time.Now, Budget: time.Minute})
	defer func() { err = errors.Join(err, p.Close(context.WithoutCancel(ctx))) }()
	for _, topic := range []string{prefix + ".delivered", prefix + ".raw"} {
		left := make(map[int]bool, n)
		for i := range n {
			left[i] = true
		}
		recs := make([]broker.Record, 0, n)
		for i := 0; len(left) > 0; i++ {
			key := fmt.Appendf(nil, "touch-%d", i)
			if part := broker.PartitionFor(key, n); left[part] {
				delete(left, part)
				recs = append(recs, broker.Record{Topic: topic, Key: key, Value: make([]byte, 5<<10), Time: time.Now()})
			}
		}
		for range 2 {
			if err := p.Publish(ctx, recs); err != nil {
				return fmt.Errorf("bench: write to every partition of %s: %w", topic, err)
			}
		}
	}
	return nil
}

// makeTopics makes the two topics that the usual load goes to, with n partitions each.
func makeTopics(ctx context.Context, brokers []string, prefix string, n int) (err error) {
	client, err := broker.Dial(broker.Options{Brokers: brokers, Timeout: 5 * time.Minute})
	if err != nil {
		return err
	}
	defer client.Close()
	hour := map[string]string{"retention.ms": "3600000"}
	for _, spec := range []broker.TopicSpec{
		{Name: prefix + ".delivered", Partitions: n, Configs: hour},
		{Name: prefix + ".raw", Partitions: n, Configs: map[string]string{"retention.ms": "3600000", "max.message.bytes": "16777216"}},
	} {
		if _, e := client.EnsureTopics(ctx, []broker.TopicSpec{spec}, true); e != nil {
			err = errors.Join(err, fmt.Errorf("bench: topic %s: %w", spec.Name, e))
		}
	}
	return err
}
