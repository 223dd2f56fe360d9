package consumer_test

import (
	"context"
	"strings"
	"testing"

	"github.com/postrider/postrider/pkg/consumer"
)

// TestLagIsToldWhereNothingIsRead: what comes while handlers hang, and there is no room
// for more, is behind as well.
func TestLagIsToldWhereNothingIsRead(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	large := "a=" + strings.Repeat("x", 40<<10)
	r.publish(topic, large, large, large, large)
	cfg := r.config(topic)
	cfg.MaxBytes = 1 // the least room
	hang := make(chan struct{})
	run := r.run(cfg, func(context.Context, *consumer.Message) error {
		<-hang
		return nil
	})
	defer run.halt()
	defer close(hang)
	lag := func(s consumer.State) (n int64) {
		for i := range s.Partitions {
			n += s.Partitions[i].Lag()
		}
		return n
	}
	run.until("all are behind", func(s consumer.State) bool { return s.Running == 1 && lag(s) == 4 })
	r.publish(topic, large, large, large)
	run.until("the later ones, too", func(s consumer.State) bool { return lag(s) == 7 })
}
