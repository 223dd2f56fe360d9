package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/deadletter"
	"github.com/postrider/postrider/internal/ingest"
)

// LetterRun takes dead letters through the mapping, one after the other in the
// order in which their requests came, and says what becomes of them or, with
// Execute, publishes it and marks them as resolved. Letters that are resolved
// already are passed over.
type LetterRun struct {
	Redriver *Redriver // connected
	Reader   deadletter.Reader
	Journal  *deadletter.Journal
	Filter   deadletter.Filter
	Owner    deadletter.Owner // who runs it
	Execute  bool
	// Looked is told how many of how many records were looked at; nil: nobody.
	Looked func(records, of int64)

	letters *Letters
	report  LetterReport
	groups  map[deadletter.Kind]*LetterGroup
	chunk   []*letterTask
}

// LetterReport is the outcome of a LetterRun.
type LetterReport struct {
	Groups  []*LetterGroup // by kind
	Total   LetterGroup
	Expired int64 // letters that retention took before they were read
	// Failures are the first letters that still are none of an event's.
	Failures []LetterFailure
}

// LetterGroup counts the letters of one kind. Each open letter is in exactly one of
// Publishable, Known and Failing.
type LetterGroup struct {
	deadletter.Kind

	Letters     int            `json:"letters"`
	Resolved    int            `json:"resolved"`          // before
	Publishable int            `json:"publishable"`       // would be published, or were
	Known       int            `json:"known"`             // were published before, and have no mark
	Failing     map[string]int `json:"failing,omitempty"` // still are no event, by the first reason
	Events      int            `json:"events"`            // that would be published, or were
}

// LetterFailure is a letter that stays one.
type LetterFailure struct {
	Place  string `json:"place"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// maxFailures bounds LetterReport.Failures.
const maxFailures = 20

// letterTask is one letter on its way.
type letterTask struct {
	attempt *Attempt
	outcome RedriveOutcome
	err     error
}

// maxChunk is how many letters are in progress at a time.
const maxChunk = 64

// EnsureReplays makes the topic that remembers resolved dead letters, unless
// kafka.topics.create is never; without it nothing can be marked.
func EnsureReplays(ctx context.Context, cfg *config.Config, client *broker.Client) error {
	specs := []broker.TopicSpec{replaysSpec(cfg.Kafka, cfg.EmbeddedBroker())}
	_, err := client.EnsureTopics(ctx, specs, cfg.Kafka.Topics.Create == "missing")
	return err //nolint:wrapcheck // it says who it is
}

// NewMarker makes a publisher for marks of dead letters alone. It has to be closed.
func NewMarker(cfg *config.Config, client *broker.Client, log *zap.Logger, now func() time.Time) *broker.GroupCommitter {
	return broker.NewPublisher(client, PublisherOptions(cfg, now, log))
}

// Run does it. The report says how far it came, also after an error. A context that
// ends stops it between two letters.
func (x *LetterRun) Run(ctx context.Context) (*LetterReport, error) {
	x.groups = make(map[deadletter.Kind]*LetterGroup)
	x.letters = x.Redriver.Letters(x.Reader, x.beat)
	if !x.Redriver.known {
		return &x.report, errWindow
	}
	err := x.locked(ctx, func() error {
		scan := deadletter.Scan{
			Reader: x.Reader, Topic: x.Redriver.cfg.Kafka.Topics.Deadletter(), Filter: x.Filter, Looked: x.Looked,
			Expired: func(gap *broker.OffsetGapError) { x.report.Expired += gap.Log.First - gap.Offset },
		}
		return errors.Join(scan.Each(ctx, func(l *deadletter.Letter) error { return x.take(ctx, l) }), x.finish(ctx))
	})
	x.report.Groups = slices.SortedFunc(maps.Values(x.groups), func(a, b *LetterGroup) int { return deadletter.Compare(a.Kind, b.Kind) })
	return &x.report, err
}

// locked calls fn while no other run publishes, if this one does.
func (x *LetterRun) locked(ctx context.Context, fn func() error) error {
	if !x.Execute {
		return fn()
	}
	p := x.Redriver.publisher
	if err := x.Journal.Lock(ctx, p, x.Owner); err != nil {
		return err //nolint:wrapcheck // it says who it is
	}
	log, err := x.Reader.Offsets(ctx, x.Redriver.cfg.Kafka.Topics.Deadletter())
	if err == nil {
		x.Journal.Prune(log)
		err = fn()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), redriveBudget)
	defer cancel()
	return errors.Join(err, x.Journal.Flush(ctx, p), x.Journal.Unlock(ctx, p))
}

// beat says that the run is at work.
func (x *LetterRun) beat(ctx context.Context) error {
	if !x.Execute {
		return nil
	}
	return x.Journal.Renew(ctx, x.Redriver.publisher) //nolint:wrapcheck // it says who it is
}

// take attempts one letter, and adds it to those in progress.
func (x *LetterRun) take(ctx context.Context, l *deadletter.Letter) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := x.beat(ctx); err != nil {
		return err
	}
	g := x.group(l)
	x.count(g, func(g *LetterGroup) { g.Letters++ })
	if x.Journal.How(l) != "" {
		x.count(g, func(g *LetterGroup) { g.Resolved++ })
		return nil
	}
	a, err := x.letters.Attempt(ctx, l)
	if cannot, ok := errors.AsType[*UnusableError](err); ok {
		x.fail(l, cannot.Why, cannot.Err.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.Place(), err)
	}
	if x.chunk = append(x.chunk, &letterTask{attempt: a}); len(x.chunk) < maxChunk {
		return nil
	}
	return x.finish(ctx)
}

// finish publishes what is in progress, or looks what it would come to. Letters
// whose first events have one key, and hence order, go one after the other.
func (x *LetterRun) finish(ctx context.Context) error {
	tasks := x.chunk
	x.chunk = nil
	if len(tasks) == 0 {
		return nil
	}
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), redriveBudget)
	defer cancel()
	if err := x.beat(work); err != nil { // reading on may have taken long
		return err
	}
	x.redriveAll(work, tasks)
	var failed error
	for _, task := range tasks {
		err := task.err
		if err == nil {
			err = x.settle(task)
		}
		if failed == nil && err != nil {
			failed = fmt.Errorf("%s: %w", task.attempt.Letter.Place(), err)
		}
	}
	if x.Execute && failed == nil {
		failed = x.Journal.Flush(work, x.Redriver.publisher)
	}
	return failed
}

// redriveAll does the tasks, and notes in each how it ended.
func (x *LetterRun) redriveAll(ctx context.Context, tasks []*letterTask) {
	var wg sync.WaitGroup
	for _, lane := range x.lanes(tasks) {
		wg.Go(func() {
			for i, task := range lane {
				if task.err = x.redrive(ctx, task); task.err != nil {
					for _, rest := range lane[i+1:] {
						rest.err = task.err
					}
					return
				}
			}
		})
	}
	wg.Wait()
}

// lanes sorts tasks by the key of their first event. One of several events has
// several keys; then all go one after the other.
func (x *LetterRun) lanes(tasks []*letterTask) [][]*letterTask {
	byKey := make(map[string][]*letterTask)
	for _, task := range tasks {
		switch events := task.attempt.Events; len(events) {
		case 0:
			byKey[""] = append(byKey[""], task)
		case 1:
			key := ingest.RecordKey(x.Redriver.cfg.Kafka.Topics.Key, &events[0].Event)
			byKey[key] = append(byKey[key], task)
		default:
			return [][]*letterTask{tasks}
		}
	}
	return slices.Collect(maps.Values(byKey))
}

// redrive does one task.
func (x *LetterRun) redrive(ctx context.Context, task *letterTask) (err error) {
	if x.Execute {
		task.outcome, err = x.letters.Redrive(ctx, task.attempt)
	} else {
		task.outcome, err = x.letters.Preview(ctx, task.attempt)
	}
	return err
}

// settle counts a task that ended well, and marks its letter.
func (x *LetterRun) settle(task *letterTask) error {
	o, l := &task.outcome, task.attempt.Letter
	g := x.group(l)
	x.count(g, func(g *LetterGroup) { g.Events += len(o.Published) })
	switch {
	case !o.Done():
		x.fail(l, o.Failing[0], failure(task))
		return nil
	case len(o.Published) > 0:
		x.count(g, func(g *LetterGroup) { g.Publishable++ })
	default:
		x.count(g, func(g *LetterGroup) { g.Known++ })
	}
	if !x.Execute {
		return nil
	}
	return x.Journal.Resolve(l, deadletter.Redriven, x.Owner.By, o.IDs()) //nolint:wrapcheck // it says who it is
}

// failure says why a letter stays one.
func failure(task *letterTask) string {
	if dead := task.attempt.Dead; len(dead) > 0 {
		return dead[0].Detail
	}
	return "the broker refuses the event's record as it did before"
}

// fail counts a letter that stays one.
func (x *LetterRun) fail(l *deadletter.Letter, reason, detail string) {
	x.count(x.group(l), func(g *LetterGroup) {
		if g.Failing == nil {
			g.Failing = make(map[string]int)
		}
		g.Failing[reason]++
	})
	if len(x.report.Failures) < maxFailures {
		x.report.Failures = append(x.report.Failures, LetterFailure{Place: l.Place(), Reason: reason, Detail: detail})
	}
}

// group returns the group of a letter.
func (x *LetterRun) group(l *deadletter.Letter) *LetterGroup {
	kind := deadletter.KindOf(l)
	if x.groups[kind] == nil {
		x.groups[kind] = &LetterGroup{Kind: kind}
	}
	return x.groups[kind]
}

// count counts in a group and in the total.
func (x *LetterRun) count(g *LetterGroup, add func(*LetterGroup)) {
	add(g)
	add(&x.report.Total)
}
