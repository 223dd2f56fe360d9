package app_test

import (
	"errors"
	"testing"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/broker"
)

// What has no dead letter of its own gets none: that of an event stands for its
// copy in the topic of all events, too.
func TestNothingStandsInForCopies(t *testing.T) {
	topics := withoutSources(t).Kafka.Topics
	topics.All = true
	standIn := app.StandIn(topics)
	for _, topic := range []string{topics.Raw(), topics.Deadletter(), topics.AllEvents()} {
		if _, ok := standIn(&broker.Record{Topic: topic, Value: []byte("{}")}, errors.New("refused")); ok {
			t.Errorf("a dead letter stands in for a record of %s", topic)
		}
	}
	if letter, ok := standIn(&broker.Record{Topic: topics.Outbound("bounced", "delivery"), Value: []byte("{}")}, errors.New("refused")); !ok || letter.Topic != topics.Deadletter() {
		t.Errorf("an event's own record has no dead letter: %+v", letter)
	}
}
