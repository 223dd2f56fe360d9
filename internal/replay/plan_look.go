package replay

import (
	"context"
	"slices"

	"github.com/postrider/postrider/internal/broker"
)

// What a sample is made of.
const (
	lookAll    = 20_000 // records in all ranges that are looked at, every one
	lookPlaces = 3      // else: places in each range,
	lookEach   = 500    // and records at each
	lookMost   = 60_000 // in all ranges together
)

// look looks at the records of the ranges.
func (b *planner) look(ctx context.Context, o PlanOptions) error {
	p := b.plan
	p.Exact = o.Count || p.Records <= lookAll
	progress := emptyProgress(p, p.Created)
	tell := func() {
		if progress.sum(); o.Progress != nil {
			progress.Time = b.engine.opt.Now().UTC()
			o.Progress(progress)
		}
	}
	each := lookEach
	if n := len(p.Ranges); n > 0 {
		each = max(20, min(each, lookMost/lookPlaces/n))
	}
	for at := range p.Ranges {
		q := &progress.Partitions[at]
		for _, place := range b.places(&p.Ranges[at], each) {
			if err := b.lookAt(ctx, at, place, q, tell); err != nil {
				return err
			}
		}
		p.Ranges[at].Matching = q.Selected
		if looked := q.Read; !p.Exact && looked > 0 {
			p.Ranges[at].Matching = int64(float64(q.Selected) / float64(looked) * float64(p.Ranges[at].To-p.Ranges[at].From))
		}
		p.Matching += p.Ranges[at].Matching
		tell()
	}
	p.Looked, p.Replayed, p.Undecodable = progress.Read, progress.Replayed, progress.Undecodable
	if limit := p.Request.Select.Limit; limit > 0 {
		p.Matching = min(p.Matching, limit)
	}
	slices.SortStableFunc(p.Samples, func(a, b Sample) int { return a.Time.Compare(b.Time) })
	if n := len(p.Samples); n > 3 {
		p.Samples = []Sample{p.Samples[0], p.Samples[n/2], p.Samples[n-1]}
	}
	return nil
}

// places are the parts of a range that are looked at.
func (b *planner) places(r *Range, each int) []Range {
	n := r.To - r.From
	if b.plan.Exact || n <= int64(lookPlaces*each) {
		return []Range{*r}
	}
	var list []Range
	for i := range int64(lookPlaces) {
		from := r.From + i*(n-int64(each))/(lookPlaces-1)
		list = append(list, Range{Topic: r.Topic, Partition: r.Partition, From: from, To: from + int64(each)})
	}
	return list
}

// lookAt looks at one part of a range.
func (b *planner) lookAt(ctx context.Context, at int, place Range, q *PartitionProgress, tell func()) error {
	part := Plan{Request: b.plan.Request, Ranges: []Range{place}}
	r := &reader{client: b.engine.opt.Client, plan: &part, choose: b.choose, ours: b.engine.state}
	perRange := 0
	err := r.read(ctx, 0, place.From, func(p *piece) error {
		q.Read += p.end.read
		q.Replayed += p.end.replayed
		q.Undecodable += p.end.undecodable
		q.Selected += int64(len(p.msgs))
		q.Next = p.end.next
		for i := range p.msgs {
			if b.see(&p.msgs[i], perRange < 3 && (i == 0 || i == len(p.msgs)/2 || i == len(p.msgs)-1)) {
				perRange++
			}
		}
		if b.plan.Exact {
			b.addGaps(p.gaps)
		}
		tell()
		return nil
	})
	if b.plan.Request.FromFile != "" {
		b.plan.Ranges[at].To, q.To = q.Next, q.Next
		b.plan.Records = q.Next
	}
	return err
}

// addGaps notes gaps that were met, those in neighbouring pieces as one.
func (b *planner) addGaps(gaps []Gap) {
	for _, g := range gaps {
		if n := len(b.plan.Gaps); n > 0 && b.plan.Gaps[n-1].To == g.From && b.plan.Gaps[n-1].Topic == g.Topic &&
			b.plan.Gaps[n-1].Partition == g.Partition && b.plan.Gaps[n-1].Reason == g.Reason {
			b.plan.Gaps[n-1].To = g.To
			continue
		}
		if len(b.plan.Gaps) < keptGaps {
			b.plan.Gaps = append(b.plan.Gaps, g)
		}
	}
}

// see notes a matching record, as a sample too if one is wanted.
func (b *planner) see(m *broker.Message, sample bool) bool {
	p := b.plan
	if p.First.IsZero() || m.Time.Before(p.First) {
		p.First = m.Time
	}
	if m.Time.After(p.Last) {
		p.Last = m.Time
	}
	if sample {
		p.Samples = append(p.Samples, sampleOf(m))
	}
	return sample
}

// sampleOf is what people are shown of a record.
func sampleOf(m *broker.Message) Sample {
	s := Sample{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time, Key: string(m.Key)}
	for _, h := range m.Headers {
		switch v := string(h.Value); h.Key {
		case "ce_type":
			s.Type = v
		case "provider":
			s.Provider = v
		case "source":
			s.Source = v
		case "ce_id", "id":
			s.ID = v
		}
	}
	return s
}
