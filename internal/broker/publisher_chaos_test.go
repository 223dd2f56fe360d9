package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// chaosPartitions is so many that produce requests have several.
const chaosPartitions = 12

// TestAckedOnceUnderOutsideTrouble publishes unique records for as long as
// POSTRIDER_TEST_CHAOS says (a duration), while somebody else freezes, kills and
// restarts the brokers of POSTRIDER_TEST_BROKERS. Then every acknowledged record
// must be there once, and every record that was said to be never sent must not.
func TestAckedOnceUnderOutsideTrouble(t *testing.T) {
	span, err := time.ParseDuration(os.Getenv("POSTRIDER_TEST_CHAOS"))
	if err != nil || os.Getenv("POSTRIDER_TEST_BROKERS") == "" {
		t.Skip("needs POSTRIDER_TEST_BROKERS and POSTRIDER_TEST_CHAOS (a duration)")
	}
	r := realRig(t, PublisherOptions{Budget: 4 * time.Second, AttemptTimeout: time.Second})
	topic := r.newTopic(chaosPartitions)
	tally := &tally{fates: map[string]string{}}
	end := time.Now().Add(span)
	var wg sync.WaitGroup
	for c := range 2 * chaosPartitions {
		wg.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				v := fmt.Sprintf("%d-%06d", c, i)
				tally.note(v, r.Publish(context.Background(), []Record{{Topic: topic, Key: []byte(v), Value: []byte(v)}}))
			}
		})
	}
	wg.Wait()
	copies := map[string]int{}
	for p := range chaosPartitions {
		for _, v := range values(t, r.client, topic, p) {
			copies[v]++
		}
	}
	tally.check(t, copies)
}

type tally struct {
	mu    sync.Mutex
	fates map[string]string
}

func (y *tally) note(v string, err error) {
	fate := "never sent"
	switch {
	case err == nil:
		fate = "acknowledged"
	case errors.Is(err, ErrUnknownOutcome):
		fate = "unknown"
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.fates[v] = fate
}

func (y *tally) check(t *testing.T, copies map[string]int) {
	t.Helper()
	sum := map[string]int{}
	for v, fate := range y.fates {
		sum[fate]++
		n := copies[v]
		switch {
		case fate == "acknowledged" && n != 1:
			t.Errorf("%s was acknowledged and has %d copies", v, n)
		case fate == "never sent" && n != 0:
			t.Errorf("%s was never sent and has %d copies", v, n)
		case n > 1:
			t.Errorf("%s has %d copies", v, n)
		case fate == "unknown" && n == 1:
			sum["unknown, published"]++
		}
	}
	t.Logf("%v", sum)
}
