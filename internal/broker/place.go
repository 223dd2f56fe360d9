package broker

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"
)

// place is a record's place in the line for its partition: in memory, or in the
// store alone.
type place struct {
	e    *entry // nil: in the store
	ref  Ref    // where in the store
	slot uint32
	size int32
}

// inMemory is the place of an entry.
func inMemory(e *entry) place { return place{e: e, slot: e.slot} }

// inStore is the place of a stored record.
func inStore(s *Stored) place { return place{ref: s.Ref, slot: s.Slot, size: s.Size} }

// bytes is the record's size as part of a batch.
func (at *place) bytes() int {
	if at.e != nil {
		return int(at.e.size)
	}
	return int(at.size)
}

// drop gives the place up because the publisher is closed, or because there is
// no such topic. What the store has, it keeps.
func (at *place) drop(err error) {
	if at.e != nil {
		at.e.drop(err)
	}
}

// Bounds of what lies in the store and is in line.
const (
	// loadBytes is how much of it a lane reads at once. There may be hundreds of
	// lanes.
	loadBytes = 256 << 10
	// longBacklog is the number of stored records before a new one of the same
	// partition from which on it is not worth waiting for the broker.
	longBacklog = 512
)

// patience is how long a patient record waits: longer than any process lives.
const patience = 100 * 365 * 24 * time.Hour

// load reads stored records, which were taken from the queue, into entries that
// nobody waits for.
func (l *lane) load(group []*entry, parked []place) []*entry {
	recs := make([]Record, 0, len(parked))
	whole := make([]place, 0, len(parked))
	for _, at := range parked {
		rec, err := l.p.opts.Store.Load(at.ref)
		if err != nil {
			l.damaged(at.ref, err)
			continue
		}
		recs, whole = append(recs, rec), append(whole, at)
	}
	if len(recs) == 0 {
		return group
	}
	w := l.p.newWaiter(recs, l.p.opts.Now().Add(patience))
	for i := range w.entries {
		e := &w.entries[i]
		e.topic, e.lane, e.size, e.patient = l.topic, l, whole[i].size, true
		e.stored.Store(&whole[i].ref)
		e.state.Store(stateClaimed)
		l.p.inFlight.Add(int64(e.size))
		group = append(group, e)
	}
	return group
}

// damaged gives up a stored record that cannot be read any more. The store has
// counted it and keeps what is left of it.
func (l *lane) damaged(ref Ref, err error) {
	l.p.log.Error("a stored record is damaged and can't be published", zap.String("reason_code", "spool_damaged"),
		zap.String("topic", l.topic.name), zap.Int32("partition", l.partition), zap.Uint64("seq", ref.Seq), zap.Error(err))
	l.p.opts.Store.Settle([]Ref{ref}, err)
}

// Resume puts records that an earlier process left in the store in line for
// their partitions. Call it once, before the first Deliver, so that they go
// before anything new.
func (p *GroupCommitter) Resume(stored []Stored) {
	var f fleet
	for i := range stored {
		p.topic(stored[i].Topic).enqueue(inStore(&stored[i]), &f)
	}
	f.launch()
}

// blocked says that a record for this slot is better stored at once than sent:
// its lane gets nowhere, or has a long line of stored records.
func (t *topic) blocked(slot uint32) bool {
	lanes := t.lanes.Load()
	if lanes == nil {
		return t.stuck.Load()
	}
	l := pick(*lanes, slot)
	return l.stuck.Load() || l.parked.Load() > longBacklog
}

// jam makes the lane of this slot stuck until something of it is acknowledged.
func (t *topic) jam(slot uint32) {
	t.stuck.Store(true)
	if lanes := t.lanes.Load(); lanes != nil {
		pick(*lanes, slot).stuck.Store(true)
	}
}

// keepOrBury tells the store what became of its records in a group that is
// settled: acknowledged, or refused for what they are. Whatever else ended the
// group, they stay.
func (l *lane) keepOrBury(group []*entry, refs []*Ref, err error) {
	switch {
	case err == nil:
		done := make([]Ref, 0, len(refs))
		for _, ref := range refs {
			if ref != nil {
				done = append(done, *ref)
			}
		}
		if len(done) > 0 {
			l.p.opts.Store.Settle(done, nil)
		}
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrInvalid):
		for i, ref := range refs {
			if ref != nil {
				l.p.bury(*ref, group[i].rec, err)
			}
		}
	}
}

// bury puts a stand-in (a dead letter) in the place of a stored record that
// Kafka refuses for what it is. Without one the store sets it aside.
func (p *GroupCommitter) bury(ref Ref, rec *Record, cause error) {
	if stand, ok := p.standIn(rec, cause); ok {
		ctx, cancel := context.WithTimeout(p.root, p.opts.StoreTimeout)
		defer cancel()
		if refs, err := p.opts.Store.Append(ctx, []Record{stand}); err == nil {
			next := Describe(refs[0], &stand)
			var f fleet
			p.topic(stand.Topic).enqueue(inStore(&next), &f)
			f.launch()
			p.opts.Store.Settle([]Ref{ref}, nil)
			return
		}
	}
	p.log.Error("a stored record was refused and is set aside", zap.String("reason_code", "spool_dead"),
		zap.String("topic", rec.Topic), zap.Uint64("seq", ref.Seq), zap.Error(cause))
	p.opts.Store.Settle([]Ref{ref}, cause)
}

func (p *GroupCommitter) standIn(rec *Record, cause error) (Record, bool) {
	if p.opts.StandIn == nil {
		return Record{}, false
	}
	return p.opts.StandIn(rec, cause)
}
