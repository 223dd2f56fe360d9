//go:build unix

package replay_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// TestMemoryIsFlat: a process that replays ten times as much needs no more memory, and
// far less than what it replays.
func TestMemoryIsFlat(t *testing.T) {
	onBrokers(t, func(r *rig) {
		if testing.Short() {
			r.Skip("writes 300 MB")
		}
		const small, large, size = 2_000, 20_000, 8_000
		source := r.topic("source", 6, nil)
		value := bytes.Repeat([]byte("x"), size)
		recs := make([]broker.Record, large)
		for i := range recs {
			recs[i] = broker.Record{Topic: source, Key: fmt.Append(nil, i), Value: value, Time: time.Now()}
		}
		for from := 0; from < large; from += 500 {
			r.publish(recs[from : from+500])
		}
		few, many := r.heap(source, small/6), r.heap(source, large)
		if most := uint64(96 << 20); many > most || many > 3*few+32<<20 {
			r.Errorf("replaying %d MB held %d MB, and a tenth of it %d MB; want at most %d MB",
				large*size>>20, many>>20, few>>20, most>>20)
		}
		r.Logf("replaying %d MB held %d MB, a tenth of it %d MB", large*size>>20, many>>20, few>>20)
	})
}

// heap replays the first n records of each partition in a process of its own and
// returns how much memory that held.
func (r *rig) heap(source string, n int64) uint64 {
	r.Helper()
	sel := selection.Selection{Topics: []string{source}}
	for p, end := range r.ends(source) {
		sel.Offsets = append(sel.Offsets, selection.Span{Partition: p, From: 0, To: min(end, n)})
	}
	plan := r.plan(replay.Request{Select: sel, To: replay.Target{Kind: replay.ToTopic, Topic: r.topic(fmt.Sprintf("target-%d", n), 6, nil)}})
	said, err := r.process(child{ID: uuid.Must(uuid.NewV7()).String(), Plan: plan, Heap: true}).Output()
	if err != nil {
		r.Fatalf("%v:\n%s", err, said)
	}
	for line := range strings.Lines(string(said)) {
		var held uint64
		if _, err := fmt.Sscanf(line, "heap %d", &held); err == nil {
			return held
		}
	}
	r.Fatalf("the process did not tell its memory:\n%s", said)
	return 0
}
