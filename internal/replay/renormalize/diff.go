package renormalize

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/pkg/event"
)

// Defaults of Options, and bounds of a Diff.
const (
	defaultSample = 10_000
	defaultHeld   = 64 << 20

	batchRequests = 10_000  // requests that are taken through the mapping before the topics are read on
	batchEvents   = 20_000  // of them together
	maxKnown      = 100_000 // events, compared and not, that are known at a time
)

// How much later than its request an event may stand in its topic to be found; the
// selection's own bound (Late) takes their place. Both are published together, but a
// spool that is drained late may part them.
const (
	lateInSample = 5 * time.Minute
	lateInAll    = time.Hour
)

// Diff says what a renormalization of the plan's requests would change: it takes
// them through the mapping, publishes nothing, and compares what they become with
// the events in the typed topics. Looked at are the first requests by time, as many
// as Options.Sample says, or with exact all of them.
//
// An event is compared with its latest version: what the last renormalization
// published, else the original. Copies by other replays, which change nothing, are
// passed over. Equal are events with the same fields, key and topic; the version of
// the mapping is not compared. Requests and events are read once, in the order of
// their times, in bounded memory: an event whose counterpart does not come before
// too many others wait for theirs is counted as not compared. An event that is not
// found within 5 minutes of record time behind its request, or the selection's Late,
// is new; with exact, one that is not found up to the ends of the topics, or, where
// room is needed, within an hour.
func Diff(ctx context.Context, o Options, plan *replay.Plan, exact bool) (*replay.Diff, error) {
	most := int64(orDefault(o.Sample, defaultSample))
	if exact {
		most = math.MaxInt64
	}
	in, err := openRequests(ctx, &o, plan, most)
	if err != nil {
		return nil, err
	}
	defer in.close()
	d := newDiffer(&o, plan, exact)
	for {
		n, err := d.batch(ctx, in)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		if err := d.compare(ctx, d.latest, always); err != nil {
			return nil, err
		}
		d.trim()
	}
	if err := d.finish(ctx); err != nil {
		return nil, err
	}
	d.diff.Exact = in.ended()
	d.diff.Types = d.changes.list()
	return &d.diff, nil
}

func always() bool { return true }

func orDefault(v, def int) int {
	if v <= 0 {
		return def
	}
	return v
}

// differ compares.
type differ struct {
	o      *Options
	ranges []replay.Range
	mapper *mapper
	late   time.Duration
	toEnd  bool // what is not found is looked for up to the ends of the topics

	published *published // nil until the time of the first request is known
	latest    time.Time  // of the requests so far
	ledger    ledger

	diff    replay.Diff
	changes tally
}

func newDiffer(o *Options, plan *replay.Plan, exact bool) *differ {
	d := &differ{o: o, ranges: plan.Ranges, mapper: newMapper(o, newSources(o.Sources)), late: lateInSample, toEnd: exact}
	if exact {
		d.late = lateInAll
	}
	if late := plan.Request.Select.Late; late > 0 {
		d.late, d.toEnd = late, false
	}
	d.ledger = newLedger(orDefault(o.Held, defaultHeld))
	return d
}

// batch takes some requests through the mapping; n is how many.
func (d *differ) batch(ctx context.Context, in *requests) (n int, err error) {
	var out outcome
	for events, full := 0, false; !full; full = n >= batchRequests || events >= batchEvents || d.ledger.bytes > d.ledger.most/2 {
		m, ok := in.next()
		if !ok {
			return n, in.err
		}
		n++
		if err := d.open(ctx, m.Time); err != nil {
			return n, err
		}
		if err := d.mapper.take(ctx, &m, &out); err != nil {
			return n, err
		}
		d.request(&m, &out)
		events += len(out.records)
	}
	return n, nil
}

// open finds where to begin in the topics, once the time of the first request is
// known.
func (d *differ) open(ctx context.Context, t time.Time) (err error) {
	if t.After(d.latest) {
		d.latest = t
	}
	if d.published == nil {
		d.published, err = openPublished(ctx, d.o, d.ranges, t)
	}
	return err
}

// request enters what a request becomes.
func (d *differ) request(m *broker.Message, out *outcome) {
	d.diff.Requests++
	if out.err != nil {
		d.diff.Failed++
		return
	}
	d.diff.DeadLetters += int64(len(out.dead) - len(out.broken()))
	d.diff.Rescued += int64(out.rescued())
	r := d.ledger.request(out.request.ID, m.Time)
	for i := range out.records {
		if rec := &out.records[i]; rec.Topic != d.o.Topics.All {
			d.diff.Events++
			d.ledger.expect(r, event.HeaderText(rec.Headers, "ce_id"), rec)
		}
	}
	for _, old := range d.ledger.strays.take(out.request.ID) {
		d.found(old)
	}
}

// compare reads the topics on up to a time and compares what was found.
func (d *differ) compare(ctx context.Context, until time.Time, more func() bool) error {
	if err := d.published.until(ctx, until, more, d.read); err != nil {
		return err
	}
	return d.settle()
}

// read takes in one published event.
func (d *differ) read(m *broker.Message) {
	v, err := readVersion(m)
	if err != nil {
		return // it is no event of a raw request
	}
	d.found(v)
}

// found files a published event: as the counterpart of one that is expected, as one
// that its request does not become any more, or, while its request did not come, as
// a stray.
func (d *differ) found(v *version) {
	switch e := d.ledger.events[v.key]; {
	case e != nil:
		d.ledger.match(e, v)
	case d.ledger.requests[v.key.raw] != nil:
		d.ledger.gone(v)
		d.diff.Gone++
		d.changes.of(v.route()).Gone++
	default:
		d.ledger.strays.keep(v)
	}
}

// settle compares the events whose counterpart was found.
func (d *differ) settle() error {
	for _, e := range d.ledger.matched() {
		if e.equal() {
			d.diff.Equal++
		} else if err := d.changed(e); err != nil {
			return err
		}
		d.ledger.settle(e)
	}
	return nil
}

// changed tells apart which fields of an event change.
func (d *differ) changed(e *expected) error {
	old, err := readFields(e.old.value)
	if err != nil {
		return err
	}
	now, err := readFields(e.value)
	if err != nil {
		return err
	}
	t := d.changes.of(old.route())
	different := false
	note := func(path, was, is string) {
		t.field(path, e.key.id, was, is)
		different = true
	}
	old.compare(now, note)
	if e.topic != e.old.topic {
		note(fieldTopic, quoted(e.old.topic), quoted(e.topic))
	}
	if e.recordKey != e.old.recordKey {
		note(fieldKey, quoted(e.old.recordKey), quoted(e.recordKey))
	}
	if !different { // the same, written in another way
		d.diff.Equal++
		return nil
	}
	d.diff.Changed++
	t.Changed++
	return nil
}

// trim makes room if there is little: it lets go of what waited long enough, and then
// of the oldest of what is still too much.
func (d *differ) trim() {
	if d.ledger.full() {
		for _, e := range d.ledger.before(d.latest.Add(-d.late)) {
			d.isNew(e)
		}
	}
	for _, e := range d.ledger.excess() {
		d.diff.NotCompared++
		d.ledger.settle(e)
	}
	d.ledger.forget(maxKnown)
}

func (d *differ) isNew(e *expected) {
	d.diff.New++
	d.changes.of(e.route()).New++
	d.ledger.settle(e)
}

// finish looks for what came late, and counts what is not there at all as new.
func (d *differ) finish(ctx context.Context) error {
	if d.published == nil {
		return nil
	}
	until := d.latest.Add(d.late)
	if d.toEnd {
		until = time.UnixMilli(math.MaxInt64)
	}
	if err := d.compare(ctx, until, d.ledger.waits); err != nil {
		return err
	}
	for _, e := range d.ledger.before(time.Time{}) {
		d.isNew(e)
	}
	return nil
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }
