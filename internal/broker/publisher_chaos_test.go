package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
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

// TestDeliveredOnceUnderOutsideTrouble is the same with a store: nothing may fail,
// everything is in the topic once, each key's records in their order, and the
// store ends empty.
func TestDeliveredOnceUnderOutsideTrouble(t *testing.T) {
	span, err := time.ParseDuration(os.Getenv("POSTRIDER_TEST_CHAOS"))
	if err != nil || os.Getenv("POSTRIDER_TEST_BROKERS") == "" {
		t.Skip("needs POSTRIDER_TEST_BROKERS and POSTRIDER_TEST_CHAOS (a duration)")
	}
	s, seen := newMemStore(), &observed{}
	r := realRig(t, PublisherOptions{Budget: time.Second, AttemptTimeout: time.Second, Store: s, Observer: seen, MaxInFlightBytes: 1 << 20})
	topic := r.newTopic(chaosPartitions)
	end := time.Now().Add(span)
	var wg sync.WaitGroup
	counts := make([]int, 4*chaosPartitions)
	for c := range counts {
		wg.Go(func() {
			for ; time.Now().Before(end); counts[c]++ {
				v := fmt.Sprintf("%d-%06d", c, counts[c])
				rec := Record{Topic: topic, Key: fmt.Append(nil, c), Value: []byte(v)}
				if _, err := r.Deliver(context.Background(), []Record{rec}, BrokerThenSpool); err != nil {
					t.Errorf("%s: %v", v, err)
				}
				if counts[c]%500 == 499 { // else the store becomes the race's only track
					_ = sleep(context.Background(), 100*time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	waitLong(t, "the store is empty", s.empty)
	next := make([]int, len(counts))
	reader := dialTest(t, strings.Split(os.Getenv("POSTRIDER_TEST_BROKERS"), ",")...) // r's connections have seen too much
	for p := range chaosPartitions {
		for _, v := range values(t, reader, topic, p) {
			var c, i int
			if _, err := fmt.Sscanf(v, "%d-%d", &c, &i); err != nil {
				t.Fatal(err)
			}
			if i != next[c] {
				t.Errorf("key %d: record %d where %d was due", c, i, next[c])
			}
			next[c] = i + 1
		}
	}
	total := 0
	for c, n := range next {
		if n != counts[c] {
			t.Errorf("key %d: %d records in the topic, %d were accepted", c, n, counts[c])
		}
		total += n
	}
	t.Logf("%d accepted, %d of them by way of the store, retries %v", total, s.seq, seen.reasons)
}

// waitLong is eventually for what outside trouble may delay.
func waitLong(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for !ok() {
		if sleep(ctx, 50*time.Millisecond) != nil {
			t.Fatalf("still not: %s", what)
		}
	}
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
