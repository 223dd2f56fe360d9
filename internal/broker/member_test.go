package broker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap/zaptest"
)

// joinTest is a member of a group of its own on testTopic.
func joinTest(t *testing.T, c *Client, change ...func(*JoinOptions)) *Member {
	t.Helper()
	o := JoinOptions{Group: "g", Topics: []string{testTopic}, Now: time.Now, Log: zaptest.NewLogger(t)}
	for _, f := range change {
		f(&o)
	}
	m, err := c.Join(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func nextOf(t *testing.T, m *Member) *Assignment {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	a, err := m.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Release)
	return a
}

func TestMemberGoesOnWhereTheGroupCommitted(t *testing.T) {
	_, c := groupRig(t)
	pub := NewPublisher(c, PublisherOptions{Now: time.Now})
	defer pub.Close(t.Context())
	for i := range 10 {
		if err := pub.Publish(t.Context(), []Record{{Topic: testTopic, Key: fmt.Append(nil, i), Value: fmt.Append(nil, i)}}); err != nil {
			t.Fatal(err)
		}
	}
	m := joinTest(t, c)
	a := nextOf(t, m)
	want := []Position{{testTopic, 0, 0}, {testTopic, 1, 0}}
	if diff := cmp.Diff(want, a.Partitions); diff != "" {
		t.Error(diff)
	}
	got := 0
	err := c.Stream(t.Context(), a.Partitions, StreamOptions{
		Room: func(string, int) int { return 1 << 20 },
		Deliver: func(b Batch) error {
			if got += len(b.Messages); got == 10 {
				return ErrStop
			}
			return nil
		},
	})
	if err != nil || got != 10 {
		t.Errorf("got %d, %v", got, err)
	}
	if err := a.Commit(t.Context(), map[string]map[int]int64{testTopic: {1: 3}}); err != nil {
		t.Error(err)
	}
	a.Release()
	if err := a.Commit(t.Context(), nil); !errors.Is(err, ErrRevoked) {
		t.Errorf("commit after release: %v", err)
	}
	if a = nextOf(t, m); a.Partitions[1].Offset != 3 {
		t.Errorf("got %+v", a.Partitions)
	}
}
