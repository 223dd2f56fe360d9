package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// collect returns a callback and what it saw.
func collect() (fn func(Message) error, seen func() string) {
	var got []string
	return func(m Message) error { got = append(got, string(m.Value)); return nil },
		func() string { return strings.Join(got, " ") }
}

func TestReadNamesTheRecordsThatRetentionTook(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	for _, v := range []string{"0", "1", "2", "3"} {
		r.mustPublish(record(v))
	}
	if err := r.cluster.DeleteRecords(testTopic, 0, 3); err != nil {
		t.Fatal(err)
	}
	fn, seen := collect()
	err := r.client.Read(t.Context(), testTopic, 0, 1, 4, fn)
	var gap *OffsetGapError
	if !errors.As(err, &gap) || gap.Offset != 1 || gap.Log != (OffsetRange{First: 3, Next: 4}) || seen() != "" {
		t.Fatalf("Read = %v after %q, want the gap [1,3)", err, seen())
	}
	if want := "2 records from offset 1 to 2"; !strings.Contains(err.Error(), want) {
		t.Errorf("error does not say %q: %v", want, err)
	}
	if err := r.client.Read(t.Context(), testTopic, 0, gap.Log.First, 4, fn); err != nil || seen() != "3" {
		t.Errorf("Read from the log's beginning = %q, %v", seen(), err)
	}
}

// TestOffsetsRideOutALostConnection: kafka-go tells of a leader that hangs up by an error
// that looks final, and is none.
func TestOffsetsRideOutALostConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	r.mustPublish(records("a", "b")...)
	r.cluster.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		return nil, errors.New("hang up"), true
	})
	got, err := r.client.Offsets(t.Context(), testTopic)
	if want := (OffsetRange{Next: 2}); err != nil || got[0] != want {
		t.Errorf("Offsets = %v, %v, want %v", got[0], err, want)
	}
}

func TestReadRidesOutALeaderChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{}, kfake.NumBrokers(3))
	r.mustPublish(records("a", "b")...)
	fn, seen := collect()
	err := r.client.Read(t.Context(), testTopic, 0, 0, 4, func(m Message) error {
		if m.Offset == 1 {
			next := (r.cluster.LeaderFor(testTopic, 0) + 1) % 3
			if err := r.cluster.MoveTopicPartition(testTopic, 0, next); err != nil {
				t.Error(err)
			}
			r.mustPublish(records("c", "d")...)
		}
		return fn(m)
	})
	if err != nil || seen() != "a b c d" {
		t.Errorf("Read = %q, %v", seen(), err)
	}
}

func TestReadRidesOutPassingErrors(t *testing.T) {
	t.Parallel()
	for _, fault := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.KafkaStorageError,
		kerr.UnknownTopicOrPartition, kerr.OffsetOutOfRange, // from a broker that lags behind
	} {
		t.Run(fault.Message, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, PublisherOptions{})
			r.mustPublish(records("a", "b")...)
			h := r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: fault, Count: 2})
			fn, seen := collect()
			if err := r.client.Read(t.Context(), testTopic, 0, 0, 2, fn); err != nil || seen() != "a b" {
				t.Errorf("Read = %q, %v", seen(), err)
			}
			if h.Hits() != 2 {
				t.Errorf("%d faults, want 2", h.Hits())
			}
		})
	}
}

func TestReadRefusedSaysWhatToGrant(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	r.mustPublish(record("a"))
	r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	fn, _ := collect()
	err := r.client.Read(t.Context(), testTopic, 0, 0, 1, fn)
	if !errors.Is(err, kafka.TopicAuthorizationFailed) || !strings.Contains(err.Error(), "grant READ") {
		t.Errorf("Read = %v", err)
	}
}

// Compaction leaves holes and transactions leave control records. Neither is a
// gap, and none of them may stall a read.
func TestReadPassesOverHoles(t *testing.T) {
	t.Parallel()
	c, cluster := fakeCluster(t)
	if err := cluster.CreateTopic("state", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	p := NewPublisher(c, PublisherOptions{Now: time.Now, Budget: 10 * time.Second})
	defer p.Close(t.Context())
	for i, key := range []string{"x", "x", "y", "x", "z"} {
		rec := Record{Topic: "state", Key: []byte(key), Value: fmt.Append(nil, i)}
		if err := p.Publish(t.Context(), []Record{rec}); err != nil {
			t.Fatal(err)
		}
	}
	cluster.Compact()
	r, err := c.Offsets(t.Context(), "state")
	if err != nil {
		t.Fatal(err)
	}
	fn, seen := collect()
	if err := c.Read(t.Context(), "state", 0, r[0].First, r[0].Next, fn); err != nil || seen() != "2 3 4" {
		t.Errorf("Read = %q, %v", seen(), err)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	r.mustPublish(record("a"))
	fn, seen := collect()
	err := r.client.Read(ctx, testTopic, 0, 0, -1, func(m Message) error { cancel(); return fn(m) })
	if !errors.Is(err, context.Canceled) || seen() != "a" {
		t.Errorf("Read = %q, %v", seen(), err)
	}
}

func TestFollowFromTheEndAcrossBrokersAndLeaderChanges(t *testing.T) {
	t.Parallel()
	const partitions, each = 6, 5
	r := newRig(t, PublisherOptions{}, kfake.NumBrokers(3))
	if err := r.cluster.CreateTopic("many", partitions, nil); err != nil {
		t.Fatal(err)
	}
	r.mustPublish(record("old"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	f := &follower{client: r.client, topics: []string{testTopic, "many"}, cursors: map[string][]*cursor{}}
	layout, err := r.client.layout(ctx, f.topics...)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.discover(ctx, layout); err != nil { // where Follow begins, before anything is published
		t.Fatal(err)
	}
	f.begun = true

	var want []string
	for i := range partitions * each {
		v := fmt.Sprint("v", i)
		want = append(want, v)
		r.mustPublish(Record{Topic: "many", Key: fmt.Append(nil, "key", i), Value: []byte(v)})
	}
	var got []string
	err = f.run(ctx, func(m Message) error {
		if got = append(got, string(m.Value)); len(got) == each {
			r.cluster.ShufflePartitionLeaders()
		}
		if len(got) == len(want) {
			return ErrStop
		}
		return nil
	})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Follow = %v, %v; want %v", got, err, want)
	}
}

func TestFollowLetsADeletedTopicGoAndTakesTheNewOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	if err := r.cluster.CreateTopic("short", 1, nil); err != nil {
		t.Fatal(err)
	}
	r.mustPublish(record("a"), Record{Topic: "short", Value: []byte("b")})
	var got []string
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := r.client.Follow(ctx, []string{testTopic, "short"}, Start{First: true}, func(m Message) error {
		switch got = append(got, string(m.Value)); len(got) {
		case 2:
			if err := r.cluster.DeleteTopic("short"); err != nil {
				t.Error(err)
			}
			r.mustPublish(record("c"))
		case 3:
			r.mustPublish(record("d")) // comes a round later, when the topic is known to be gone
		case 4:
			if err := r.cluster.CreateTopic("short", 1, nil); err != nil {
				t.Error(err)
			}
			r.mustPublish(Record{Topic: "short", Value: []byte("e")})
		case 5:
			return ErrStop
		}
		return nil
	})
	if err != nil || strings.Join(got[2:], " ") != "c d e" {
		t.Errorf("Follow = %q, %v", got, err)
	}
}
