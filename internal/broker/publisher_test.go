package broker

import (
	"testing"
)

func TestPublishReachesTheTopic(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	r.mustPublish(records("a", "b", "c")...)
	if d := diffValues(values(t, r.client, testTopic, 0), []string{"a", "b", "c"}); d != "" {
		t.Error(d)
	}
}
