package replay_test

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
)

// journal writes a run, and a checkpoint of it, as its process would have.
func (r *engineRig) journal(run *replay.Run, checkpoint *replay.Progress) {
	r.Helper()
	value := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			r.Fatal(err)
		}
		return b
	}
	recs := []broker.Record{{Topic: r.topic("replays"), Key: []byte(run.ID), Value: value(run), Time: time.Now()}}
	if checkpoint != nil {
		recs = append(recs, broker.Record{
			Topic: r.topic("replays"), Key: []byte(run.ID + "/checkpoint"), Time: time.Now(),
			Value: value(map[string]any{"progress": checkpoint, "resumed": run.Resumed}),
		})
	}
	r.publish(recs)
}

// A run may be resumed on a machine whose clock is behind that of the first one: its
// checkpoints count all the same.
func TestCheckpointsCountWhateverTheClocksSay(t *testing.T) {
	t.Parallel()
	r := newEngineRig(t)
	now := time.Now().UTC()
	at := func(next int64, when time.Time) replay.Progress {
		return replay.Progress{Time: when, State: replay.Running, Partitions: []replay.PartitionProgress{{Topic: "a", To: 9, Next: next}}}
	}
	run := replay.Run{ID: "01980000-0000-7000-8000-000000000001", State: replay.Running, Updated: now, Resumed: 1, Progress: at(1, now)}
	later := at(5, now.Add(-time.Hour))
	r.journal(&run, &later)
	got, err := r.Engine.Run(r.ctx, run.ID)
	if err != nil || got.Progress.Partitions[0].Next != 5 {
		t.Errorf("Run = %+v, %v, want it at 5", got.Progress, err)
	}

	// What comes after the end says nothing any more.
	run.State, run.Progress.State = replay.Cancelled, replay.Cancelled
	after := at(6, now.Add(time.Hour))
	r.journal(&run, &after)
	if got, err = r.Engine.Run(r.ctx, run.ID); err != nil || got.Progress.State != replay.Cancelled {
		t.Errorf("Run = %+v, %v, want it cancelled", got.Progress, err)
	}
}

// Who believes a run dead cancels it for good; if it is not, it hears of it.
func TestARunThatWasThoughtDeadIsCancelled(t *testing.T) {
	t.Parallel()
	r := newEngineRig(t)
	r.fill(r.make("a", 1), 500)
	req := r.request(replay.Target{Kind: replay.ToTopic, Topic: r.make("b", 1)})
	req.Pace = replay.Pace{Rate: 20, MaxInFlight: 5}
	plan, err := r.Plan(r.ctx, req, replay.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	began, err := r.Start(r.ctx, plan)
	if err != nil {
		t.Fatal(err)
	}
	late := r.options
	late.Now = func() time.Time { return time.Now().Add(time.Hour) }
	if run, err := replay.New(late).Cancel(r.ctx, began.ID, "a colleague"); err != nil || run.State != replay.Cancelled {
		t.Fatalf("Cancel = %s, %v", run.State, err)
	}
	r.Wait()
	run, err := r.Engine.Run(r.ctx, began.ID)
	if err != nil || run.State != replay.Cancelled || run.CancelledBy != "a colleague" || run.Progress.Delivered == 500 {
		t.Errorf("the run is %s by %q with %d delivered, %v", run.State, run.CancelledBy, run.Progress.Delivered, err)
	}
}

// Two who resume one run at once in one process (a request that was repeated) do not
// both get it.
func TestARunIsResumedOnce(t *testing.T) {
	t.Parallel()
	r := newEngineRig(t)
	r.fill(r.make("a", 1), 50)
	req := r.request(replay.Target{Kind: replay.ToTopic, Topic: r.make("b", 1)})
	req.Pace = replay.Pace{Rate: 100, MaxInFlight: 5}
	plan, err := r.Plan(r.ctx, req, replay.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	run := replay.Run{ID: "01980000-0000-7000-8000-000000000002", State: replay.Interrupted, Plan: *plan, Started: plan.Created, Updated: plan.Created}
	for _, g := range plan.Ranges {
		run.Progress.Partitions = append(run.Progress.Partitions, replay.PartitionProgress{Topic: g.Topic, Partition: g.Partition, From: g.From, To: g.To, Next: g.From})
	}
	r.journal(&run, nil)
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		resumed int
	)
	for range 4 {
		wg.Go(func() {
			_, err := r.ResumeInBackground(r.ctx, run.ID)
			_, running := errors.AsType[*replay.RunningError](err)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				resumed++
			} else if !running {
				t.Errorf("Resume = %v, want that it is in progress", err)
			}
		})
	}
	wg.Wait()
	r.Wait()
	if n := len(r.records(r.topic("b"))); resumed != 1 || n != 50 {
		t.Errorf("resumed %d times, %d copies of 50", resumed, n)
	}
}

// What a run needs may be gone from the configuration when it is resumed.
func TestAResumedRunIsCheckedAgain(t *testing.T) {
	t.Parallel()
	r := newEngineRig(t)
	r.fill(r.make("raw", 1), 3)
	req := r.request(replay.Target{Kind: replay.ToRenormalize})
	req.Select.Topics = []string{r.topic("raw")}
	run := replay.Run{ID: "01980000-0000-7000-8000-000000000003", State: replay.Interrupted, Plan: replay.Plan{Request: req}}
	r.journal(&run, nil)
	_, err := r.Resume(r.ctx, run.ID, nil)
	if _, ok := errors.AsType[*replay.RequestError](err); !ok {
		t.Errorf("Resume = %v, want that nothing can be renormalized", err)
	}
}
