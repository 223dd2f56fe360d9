package replay

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// PlanOptions says how much a plan is worth.
type PlanOptions struct {
	// Count looks at every record instead of a sample.
	Count bool
	// Progress is told how far counting is; nil: nobody wants to know.
	Progress func(Progress)
}

// Plan says what a Request comes to, and writes nothing. Where few records are in
// range it looks at all of them, else at a sample, unless it is to count. The error
// may be a *RequestError, *selection.InvalidError, *selection.UnmatchedError or
// *SameTopicError.
func (e *Engine) Plan(ctx context.Context, req Request, o PlanOptions) (*Plan, error) {
	e.complete(&req)
	if err := e.check(&req); err != nil {
		return nil, err
	}
	choose, err := newChooser(&req, e.opt.KeyKind)
	if err != nil {
		return nil, err
	}
	reports, err := e.topics(ctx, &req)
	if err != nil {
		return nil, err
	}
	p := &Plan{Request: req, Created: e.opt.Now().UTC()}
	b := &planner{engine: e, plan: p, choose: choose}
	if req.FromFile != "" {
		p.Ranges = []Range{{To: -1}}
		o.Count = true // a file has no index
	} else if err := b.ranges(ctx, reports); err != nil {
		return nil, err
	}
	if err := b.look(ctx, o); err != nil {
		return nil, err
	}
	if req.To.Kind == ToRenormalize {
		if p.Diff, err = e.opt.Renormalizer.Diff(ctx, p, o.Count); err != nil {
			return nil, fmt.Errorf("replay: the differences: %w", err)
		}
	}
	b.notes(ctx, reports)
	p.Takes = b.takes()
	return p, nil
}

// planner makes one plan.
type planner struct {
	engine *Engine
	plan   *Plan
	choose *chooser
}

// ranges fixes what is read of each partition.
func (b *planner) ranges(ctx context.Context, reports []broker.TopicReport) error {
	for _, t := range reports {
		if err := b.topic(ctx, t.Name); err != nil {
			return err
		}
	}
	sel := &b.plan.Request.Select
	for _, p := range sel.Partitions {
		if !slices.ContainsFunc(reports, func(t broker.TopicReport) bool { return p < t.Partitions }) {
			return &RequestError{[]string{fmt.Sprintf("none of the topics has a partition %d", p)}}
		}
	}
	for _, s := range sel.Offsets {
		if !slices.ContainsFunc(reports, func(t broker.TopicReport) bool {
			return (s.Topic == "" || s.Topic == t.Name) && s.Partition < t.Partitions
		}) {
			return &RequestError{[]string{fmt.Sprintf("none of the topics has the partition %s", s)}}
		}
	}
	for _, r := range b.plan.Ranges {
		b.plan.Records += r.To - r.From
	}
	return nil
}

// topic fixes what is read of each partition of a topic: from the first record that
// can be meant to the end of now.
func (b *planner) topic(ctx context.Context, topic string) error {
	sel := &b.plan.Request.Select
	logs, err := b.engine.opt.Client.Offsets(ctx, topic)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	from, err := b.offsetsAt(ctx, topic, sel.From)
	if err != nil {
		return err
	}
	var end time.Time
	if !sel.To.IsZero() && sel.Late > 0 {
		end = sel.To.Add(sel.Late)
	}
	to, err := b.offsetsAt(ctx, topic, end)
	if err != nil {
		return err
	}
	for p := range len(logs) {
		r := Range{Topic: topic, Partition: p, From: logs[p].First, To: logs[p].Next}
		if from != nil {
			r.From = max(r.From, min(from[p], r.To))
		}
		if to != nil {
			r.To = min(r.To, to[p])
		}
		if !b.meant(&r, logs[p]) {
			continue
		}
		if err := b.expired(ctx, &r, logs[p]); err != nil {
			return err
		}
		if r.From < r.To {
			b.plan.Ranges = append(b.plan.Ranges, r)
		}
	}
	return nil
}

// offsetsAt is where each partition has reached a time; nil without a time.
func (b *planner) offsetsAt(ctx context.Context, topic string, t time.Time) (map[int]int64, error) {
	if t.IsZero() {
		return nil, nil //nolint:nilnil // there is no such bound
	}
	at, err := b.engine.opt.Client.OffsetsAt(ctx, topic, t)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return at, nil
}

// meant narrows a range to the partitions and offsets that are asked for; false: to
// none.
func (b *planner) meant(r *Range, log broker.OffsetRange) bool {
	sel := &b.plan.Request.Select
	if len(sel.Partitions) > 0 && !slices.Contains(sel.Partitions, r.Partition) {
		return false
	}
	return len(sel.Offsets) == 0 || b.span(r, log)
}

// span narrows a range to the offsets that are asked for; false: to none. Several
// spans of one partition are read as one range, of which the selection takes its
// parts.
func (b *planner) span(r *Range, log broker.OffsetRange) bool {
	first, last := int64(-1), int64(0)
	for _, s := range b.plan.Request.Select.Offsets {
		if s.Partition != r.Partition || s.Topic != "" && s.Topic != r.Topic {
			continue
		}
		to := s.To
		if to == 0 {
			to = log.Next
		}
		if first < 0 || s.From < first {
			first = s.From
		}
		last = max(last, to)
	}
	if first < 0 {
		return false
	}
	r.From, r.To = max(r.From, first), min(r.To, last)
	return true
}

// expired tells what the log has lost of what is asked for. If that has a begin in
// time, nothing is lost unless the log's first record is later.
func (b *planner) expired(ctx context.Context, r *Range, log broker.OffsetRange) error {
	lost := b.lost(r, log)
	if from := b.plan.Request.Select.From; !from.IsZero() && len(lost) > 0 && log.First < log.Next {
		first, err := b.engine.timeOf(ctx, r.Topic, r.Partition, log)
		if err != nil || !first.After(from) {
			return err
		}
	}
	b.plan.Gaps = append(b.plan.Gaps, lost...)
	return nil
}

// lost are the offsets below a log's start that may be asked for: those that are, or
// any, from a begin in time on. Without either, what is there is all that is meant.
func (b *planner) lost(r *Range, log broker.OffsetRange) (gaps []Gap) {
	sel := &b.plan.Request.Select
	if len(sel.Offsets) == 0 {
		if !sel.From.IsZero() && log.First > 0 && r.From == log.First {
			gaps = []Gap{{r.Topic, r.Partition, 0, log.First, GapExpired}}
		}
		return gaps
	}
	for _, s := range sel.Offsets {
		if s.Partition != r.Partition || s.Topic != "" && s.Topic != r.Topic || s.From >= log.First {
			continue
		}
		to := log.First
		if s.To > 0 {
			to = min(to, s.To)
		}
		gaps = append(gaps, Gap{r.Topic, r.Partition, s.From, to, GapExpired})
	}
	return gaps
}

// timeOf is the time of a log's first record.
func (e *Engine) timeOf(ctx context.Context, topic string, partition int, log broker.OffsetRange) (t time.Time, err error) {
	err = e.opt.Client.Scan(ctx, topic, partition, log.First, log.Next, broker.ScanOptions{Bytes: 4 << 10}, func(c broker.Chunk) error {
		if len(c.Messages) == 0 {
			return nil
		}
		t = c.Messages[0].Time
		return broker.ErrStop
	})
	if err != nil {
		return t, fmt.Errorf("replay: %w", err)
	}
	return t, nil
}

// How fast a replay is believed to be, for the estimate.
const (
	readsPerSecond   = 150_000
	copiesPerSecond  = 40_000
	requestTakes     = 50 * time.Millisecond // of an HTTP target
	requestsRenormed = 10_000                // a second
)

// takes estimates how long the plan will take.
func (b *planner) takes() time.Duration {
	p := b.plan
	seconds := float64(p.Records) / readsPerSecond
	switch p.Request.To.Kind {
	case ToHTTP:
		seconds += float64(p.Matching) * requestTakes.Seconds() / float64(p.Request.Pace.MaxInFlight)
	case ToRenormalize:
		seconds += float64(p.Matching) / requestsRenormed
	default:
		seconds += float64(p.Matching) / copiesPerSecond
	}
	if rate := p.Request.Pace.Rate; rate > 0 {
		seconds = max(seconds, float64(p.Matching)/rate)
	}
	if speed := p.Request.Pace.Speed; speed > 0 {
		seconds = max(seconds, p.Last.Sub(p.First).Seconds()/speed)
	}
	return time.Duration(seconds * float64(time.Second)).Round(100 * time.Millisecond)
}

// notes adds what a person should know.
func (b *planner) notes(ctx context.Context, reports []broker.TopicReport) {
	p := b.plan
	note := func(format string, args ...any) { p.Notes = append(p.Notes, fmt.Sprintf(format, args...)) }
	if p.Replayed > 0 && !p.Request.Select.Replayed {
		note("%d of %d records looked at are copies that a replay made, and are left out (--include-replayed takes them)", p.Replayed, p.Looked)
	} else if p.Replayed > 0 {
		note("%d of %d records looked at are copies of copies (%d times or more, see --max-hops), and are left out", p.Replayed, p.Looked, p.Request.MaxHops)
	}
	if p.Undecodable > 0 {
		note("%d of %d records looked at hold no event; the selection asks for an event's fields and leaves them out", p.Undecodable, p.Looked)
	}
	if p.Request.To.Kind == ToTopic {
		b.targetNotes(ctx, note, reports)
	}
	if sel := &p.Request.Select; !sel.To.IsZero() && sel.Late == 0 && !p.Exact {
		note("records are looked at up to the end of each partition, since some may be later than their neighbours; --late bounds how much later")
	}
}

// targetNotes adds what is to know of the topic that copies go to.
func (b *planner) targetNotes(ctx context.Context, note func(string, ...any), reports []broker.TopicReport) {
	to := b.plan.Request.To.Topic
	if to == "" {
		return
	}
	found, err := b.engine.opt.Client.Topics(ctx, to)
	switch {
	case err != nil:
		note("topic %s cannot be looked at: %v", to, err)
	case len(found) > 0:
		b.existingNotes(note, &found[0], reports)
	case b.engine.opt.CreateTopic == nil:
		note("topic %s does not exist, and kafka.topics.create does not let it be made: make it first", to)
	default:
		if spec, err := b.engine.madeTopic(ctx, b.plan); err == nil {
			note("topic %s does not exist; it will be made with %s", to, counted(spec.Partitions, "partition"))
		}
	}
}

// existingNotes adds what a topic that is there does with copies.
func (b *planner) existingNotes(note func(string, ...any), to *broker.TopicReport, reports []broker.TopicReport) {
	for _, t := range reports {
		if t.Partitions != to.Partitions {
			note("%s has %d partitions, and %s %d: records of one key stay in order, but lie in other partitions", to.Name, to.Partitions, t.Name, t.Partitions)
			break
		}
	}
	if keep := to.Retention; b.plan.Request.Exact && keep > 0 && b.plan.First.Before(b.engine.opt.Now().Add(-keep)) {
		note("records keep their times, and %s deletes what is older than %v: the oldest will expire on arrival (--mark gives them the time of now)", to.Name, keep)
	}
}

// counted is a number of things in words.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
