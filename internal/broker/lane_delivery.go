package broker

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"go.uber.org/zap"
)

// delivery is the effort to get one group into the log, once.
//
// What makes it once: the broker remembers, per producer id and partition, the
// sequence numbers of the last five batches. It takes only the batch that
// continues them, and answers a repeated one with success without appending it.
// So the same bytes may be sent as often as needed. The rules that follow:
//
//   - While no attempt has an unknown outcome (connection refused, no leader, a
//     refusal that comes before the append) nothing is in the log and nothing
//     is on its way: the group may be formed anew, without the records whose
//     callers have left. Such records are never published.
//   - After an attempt with an unknown outcome (no answer, timeout, leadership
//     lost) the bytes are frozen: only exactly these prove themselves repeated.
//   - A batch refused for one of its records used up no sequence numbers. Its
//     halves follow with the same numbers. Were the whole in the log after all,
//     from an attempt of unknown outcome, the broker would refuse the halves as
//     out of order rather than take them twice. So halves of a group with such
//     an attempt are sent under its identity or not at all.
//   - "Out of order", "unknown producer" and the like on a group that has no
//     attempt of unknown outcome: it is not in the log, and goes out again under
//     a new identity. On a group that has one, they prove nothing: the first
//     attempt may have been appended before the broker lost its memory. It is
//     not sent under a new identity, because that could make a second copy; its
//     records fail with ErrUnknownOutcome and the callers' peers decide.
//   - Patient records are not given up: where others would fail, their group goes
//     on, with pauses where a setting is at fault, under a new identity where the
//     old one proves nothing any more. Only that last case can make a second copy.
//   - When a group ends with an unknown outcome, the lane leaves its identity
//     behind. Its numbers can't be used again: a different batch with the same
//     numbers would be taken for the repeated one, acknowledged and lost.
//     Getting the next identity is a round trip, so that a frozen broker gets
//     no further records until it answers again.
type delivery struct {
	l     *lane
	b     *batch
	group []*entry

	formed bool
	apart  bool // the group does not go with others
	// unsure: an attempt with these bytes has an unknown outcome.
	unsure bool
	// lineage is the generation of the identity under which an attempt of a
	// larger group with these records has an unknown outcome; 0: there is none.
	lineage uint64
	tries   int
	missing int // answers that the topic does not exist
	blocked int // refusals that somebody has to do something about
	until   time.Time
	began   time.Time
	last    error
}

const (
	// maxBlocked is the longest pause between attempts while a setting is at fault.
	maxBlocked = 5 * time.Second
	// blockedLog is every how many such attempts the log says so again.
	blockedLog = 12
)

// errTrackLost: the identity that would have kept a record from being appended
// twice is gone.
var errTrackLost = errors.New("producer id was replaced")

// deliver brings group into the log or settles it otherwise. A group that is
// refused for one of its records is halved until that record is alone.
func (l *lane) deliver(group []*entry, b *batch, lineage uint64) {
	l.expose(lineage != 0)
	d := delivery{l: l, b: b, group: group, lineage: lineage, began: l.p.opts.Now()}
	l.conclude(&d, d.run())
}

// conclude ends a delivery that was refused for one of its records, if it was.
func (l *lane) conclude(d *delivery, culprit error) {
	switch {
	case culprit == nil:
	case len(d.group) == 1:
		d.fail(culprit)
	default:
		lineage := d.lineage
		if d.unsure {
			lineage = l.id.generation
		}
		l.deliver(d.group[:len(d.group)/2], d.b, lineage)
		l.deliver(d.group[len(d.group)/2:], d.b, lineage)
	}
}

// run repeats attempts until the group is settled, or refused for one of its
// records: then that refusal is returned.
func (d *delivery) run() (culprit error) {
	for d.form() {
		seen := d.l.p.client.generation()
		r, err := d.attempt()
		if done, culprit := d.react(r, err, seen); done {
			return culprit
		}
	}
	return nil
}

// react acts on an attempt's result, and waits before the next one. done means that
// there is none: the group is settled, or refused for one of its records.
func (d *delivery) react(r rule, err error, seen uint64) (done bool, culprit error) {
	if r.verdict == accepted {
		d.accept()
		return true, nil
	}
	if d.note(r, err); r.verdict == divide && !d.perhapsDamaged(err) {
		return true, r.topicError(d.l.topic.name, err)
	}
	if d.judge(r, err, seen) {
		return true, nil
	}
	_ = d.l.p.wait(d.l.p.root, d.pause()) // cut short by Close only
	return false, nil
}

// form prepares the next attempt. It settles records whose time is over; false
// means that none is left.
func (d *delivery) form() bool {
	if cause := context.Cause(d.l.p.root); cause != nil {
		d.giveUp(cause)
		return false
	}
	now := d.l.p.opts.Now()
	if d.lineage != 0 && d.l.id.generation != d.lineage && d.lostTrack(d.late(errTrackLost)) {
		return false
	}
	if !d.unsure {
		return d.reform(now)
	}
	for _, e := range d.group {
		if e.state.Load() == stateClaimed && now.Before(d.until) {
			return true
		}
	}
	d.giveUp(ErrDeadline)
	return false
}

// reform encodes the records that somebody still waits for.
func (d *delivery) reform(now time.Time) bool {
	d.l.encoding.Lock()
	defer d.l.encoding.Unlock()
	live := d.group[:0]
	for _, e := range d.group {
		if d.wanted(e, now) {
			live = append(live, e)
		}
	}
	changed := len(live) != len(d.group)
	clear(d.group[len(live):])
	d.group = live
	if changed || !d.formed {
		d.encode(now)
	}
	d.l.exposed = len(live) > 0
	if len(live) == 0 && d.last != nil {
		d.l.p.log.Warn("records expired unsent", append(d.fields(), zap.Error(d.last))...)
	}
	return len(live) > 0
}

func (d *delivery) wanted(e *entry, now time.Time) bool {
	open := e.state.Load() == stateClaimed
	if open && now.Before(e.w.sendBy) {
		return true
	}
	d.l.p.release(int64(e.size))
	if open {
		e.settle(d.late(ErrDeadline))
	}
	return false
}

func (d *delivery) encode(now time.Time) {
	d.b.reset()
	d.until = time.Time{}
	for _, e := range d.group {
		d.b.add(e.rec, now)
		if e.w.deadline.After(d.until) {
			d.until = e.w.deadline
		}
	}
	d.formed = true
}

// identityRule is ruleOf for InitProducerID, which appends nothing.
func identityRule(err error) rule {
	code, ok := codeOf(err)
	if !ok {
		return rule{verdict: reroute, reason: reasonNetwork}
	}
	r := ruleOf(code)
	r.unsure = false
	if r.verdict != refused && r.verdict != reroute {
		r.verdict = again
	}
	return r
}

// transportRule classifies a failure below the protocol. kafka-go calls a topic
// missing also when it has never reached the cluster, so a failure to route is
// looked into.
func (l *lane) transportRule(left time.Duration, taken bool, err error) (rule, error) {
	r := rule{verdict: reroute, unsure: taken, reason: reasonNetwork}
	if !errors.Is(err, protocol.ErrNoTopic) && !errors.Is(err, protocol.ErrNoPartition) && !errors.Is(err, protocol.ErrNoLeader) {
		return r, explain(err)
	}
	r.reason = reasonLeader
	ctx, cancel := context.WithTimeout(l.p.root, left)
	defer cancel()
	if _, cause := l.p.partitions(ctx, l.topic.name); cause != nil {
		r.reason, err = reasonNetwork, explain(cause)
		if code, ok := codeOf(cause); ok {
			r.reason = ruleOf(code).reason
		}
	}
	return r, err
}

// note remembers what a failed attempt leaves behind.
func (d *delivery) note(r rule, err error) {
	d.last = err
	d.l.p.troubles.begin(d.l.topic.name, r.topicError(d.l.topic.name, err))
	if r.unsure {
		d.unsure, d.l.doubt = true, true
	}
	if !d.atRisk() {
		d.l.expose(false)
	}
}

// perhapsDamaged says that a broker found the batch corrupt for the first time:
// that may have happened on the way.
func (d *delivery) perhapsDamaged(err error) bool {
	return d.tries == 1 && errors.Is(err, kafka.InvalidMessage)
}

// judge acts on a failed attempt; true means that the group is settled.
func (d *delivery) judge(r rule, err error, seen uint64) bool {
	if r.reason == reasonTopic {
		d.missing++
	}
	switch {
	case r.verdict == refused, d.missing >= unknownTopicTries:
		if d.block(r.topicError(d.l.topic.name, err)) {
			return true
		}
	case r.verdict == reidentify:
		if d.atRisk() {
			return d.lostTrack(unknown(r.topicError(d.l.topic.name, err), nil))
		}
		d.l.forget()
	case r.verdict == reroute:
		d.l.p.reroute(seen)
	}
	d.l.p.observer.Retried(r.reason)
	return false
}

// block is what happens while a setting is at fault: those who wait for an answer
// get it, the patient wait for somebody to put it right. True means that nobody
// is left.
func (d *delivery) block(err error) bool {
	if !d.anyPatient() {
		d.fail(d.late(err))
		return true
	}
	if d.blocked%blockedLog == 0 {
		d.l.p.log.Error("records wait for somebody to change a setting",
			append(d.fields(), zap.String("reason_code", "blocked"), zap.Error(err))...)
	}
	d.blocked++
	d.missing = 0
	d.shed(d.late(err))
	return false
}

// lostTrack ends a group whose records may be in the log while nothing can prove
// it any more. The patient ones are sent again under a new identity: at least
// once, perhaps twice. True means that nobody is left.
func (d *delivery) lostTrack(err error) bool {
	if !d.anyPatient() {
		d.fail(err)
		d.l.forget()
		return true
	}
	d.shed(err)
	d.l.forget()
	d.unsure, d.lineage, d.formed = false, 0, false
	d.l.p.log.Warn("records are published again, perhaps twice",
		append(d.fields(), zap.String("reason_code", "perhaps_twice"), zap.Error(err))...)
	d.l.p.observer.Retried(reasonPerhapsTwice)
	return false
}

func (d *delivery) anyPatient() bool {
	return slices.ContainsFunc(d.group, func(e *entry) bool { return e.patient && e.state.Load() == stateClaimed })
}

// shed settles the group's impatient entries. Their records stay part of it, as
// its bytes may be frozen; the entries themselves do not: once settled they are
// their callers', who use them again.
func (d *delivery) shed(err error) {
	for i, e := range d.group {
		if e.patient {
			continue
		}
		gone := &entry{size: e.size}
		gone.state.Store(stateAbandoned)
		d.group[i] = gone
		e.settle(err)
	}
}

func (d *delivery) pause() time.Duration {
	if d.blocked > 0 {
		return maxBlocked/2 + rand.N(maxBlocked/2) //nolint:gosec // jitter is no secret
	}
	return min(backoff(d.tries), max(0, d.until.Sub(d.l.p.opts.Now())))
}

// accept settles the group as acknowledged.
func (d *delivery) accept() {
	l, p := d.l, d.l.p
	l.sequence, l.doubt = nextSequence(l.sequence, d.b.records), false
	p.unjam(l)
	d.settle(nil)
	p.observer.BatchAcked(l.topic.name, len(d.group), len(d.b.buf), p.opts.Now().Sub(d.began))
	if d.tries > 1 {
		p.log.Info("published after retries", append(d.fields(), zap.Error(d.last))...)
	}
}

// giveUp settles the group because nobody waits any more, or because of Close.
func (d *delivery) giveUp(reason error) { d.fail(d.late(reason)) }

// fail settles the group with err.
func (d *delivery) fail(err error) {
	if d.unsure {
		d.l.forget()
	}
	if d.l.p.opts.Store == nil || !errors.Is(err, ErrClosed) { // else they stay in the store, and whoever closed us says so
		d.l.p.log.Warn("records not published", append(d.fields(), zap.Error(err))...)
	}
	d.settle(err)
}

func (d *delivery) settle(err error) {
	var bytes int64
	for _, e := range d.group {
		bytes += int64(e.size)
	}
	d.l.p.release(bytes)
	var refs []*Ref // most groups have no stored record
	for i, e := range d.group {
		if ref := e.settle(err); ref != nil {
			if refs == nil {
				refs = make([]*Ref, len(d.group))
			}
			refs[i] = ref
		}
	}
	if refs != nil {
		d.l.keepOrBury(d.group, refs, err)
	}
}

// atRisk says that the records may be in the log.
func (d *delivery) atRisk() bool { return d.unsure || d.lineage != 0 }

// late is the outcome of records whose attempts ended for reason.
func (d *delivery) late(reason error) error {
	switch {
	case d.atRisk():
		return unknown(reason, d.last)
	case errors.Is(reason, ErrDeadline):
		return expired(d.last)
	}
	return reason
}

func (d *delivery) fields() []zap.Field {
	return []zap.Field{
		zap.String("topic", d.l.topic.name), zap.Int32("partition", d.l.partition),
		zap.Int("records", len(d.group)), zap.Int("attempts", d.tries),
	}
}
