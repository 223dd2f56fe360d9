package renormalize

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/replay/stored"
)

// outcome is what one stored request becomes today.
type outcome struct {
	request stored.Request
	counts  normalize.Counts // what became of it when it came
	records []broker.Record  // its events, unmarked, in order
	dead    []stored.Letter  // items that are no event
	err     error            // nothing of it can be taken through the mapping
}

// wasDead reports whether an item was no event when the request came. A record of a
// version that did not list them only says how many there were: then any of its dead
// letters may be one of those.
func (o *outcome) wasDead(l *stored.Letter) bool {
	if len(o.counts.Dead) == 0 {
		return len(o.dead) <= o.counts.DeadLetters
	}
	return o.counts.Dead.Has(l.Index)
}

// broken are the dead letters of items that were events when the request came.
func (o *outcome) broken() (list []stored.Letter) {
	for i := range o.dead {
		if !o.wasDead(&o.dead[i]) {
			list = append(list, o.dead[i])
		}
	}
	return list
}

// rescued is how many items were no events when the request came, and now are.
func (o *outcome) rescued() int {
	return max(o.counts.DeadLetters-(len(o.dead)-len(o.broken())), 0)
}

// mapper takes stored requests through the receiver's pipeline, one at a time.
type mapper struct {
	sources  *sources
	topics   ingest.Topics
	plain    *ingest.Pipeline // of requests without repeats and conflicts, which are most
	recorded *ingest.Pipeline
	window   dedupe.Recorded // of recorded
	got      *outcome        // where the publisher puts what it is given
}

func newMapper(o *Options, s *sources) *mapper {
	m := &mapper{sources: s, topics: o.Topics}
	options := ingest.PipelineOptions{
		Publisher: m, Topics: o.Topics, Key: o.Key, Outcomes: unwatched{}, Log: zap.NewNop(), Now: o.Now,
	}
	m.plain = ingest.NewPipeline(options)
	options.Window = &m.window
	m.recorded = ingest.NewPipeline(options)
	return m
}

// take takes one raw record through the mapping. An error is ctx's; what is wrong
// with the request is in the outcome.
func (m *mapper) take(ctx context.Context, msg *broker.Message, out *outcome) error {
	*out = outcome{}
	var src *source
	if src, out.err = m.read(msg, out); out.err != nil {
		return nil //nolint:nilerr // it is the request's
	}
	n := &out.counts
	pipeline, as := m.plain, src.drop
	if len(n.LeftOut)+len(n.Duplicates)+len(n.Conflicts) > 0 || n.Reused {
		pipeline = m.recorded
		m.window = dedupe.Recorded{Repeat: n.LeftOut.Has, Changed: n.Conflicts.Has, Reused: n.Reused}
		if len(n.Duplicates) > 0 {
			as, m.window.Repeat = src.mark, n.Duplicates.Has
		}
	}
	m.got = out
	if _, err := pipeline.Accept(ctx, as, out.request.Verified, out.request.ID); err != nil {
		return fmt.Errorf("renormalize: %w", err)
	}
	return nil
}

// read reads the record back and finds its source.
func (m *mapper) read(msg *broker.Message, out *outcome) (_ *source, err error) {
	if out.request, err = stored.Raw(msg.Headers, msg.Value); err != nil {
		return nil, fmt.Errorf("renormalize: %w", err)
	}
	if out.counts, err = normalize.RecordedCounts(msg.Headers); err != nil {
		return nil, fmt.Errorf("renormalize: %w", err)
	}
	return m.sources.of(&out.request)
}

// Deliver is the publisher of the pipelines. It keeps the events and reads the dead
// letters back; the raw record is there already.
func (m *mapper) Deliver(_ context.Context, recs []broker.Record, _ broker.Durability) ([]bool, error) {
	for i := range recs {
		switch recs[i].Topic {
		case m.topics.Raw:
		case m.topics.Deadletter:
			l, err := stored.DeadLetter(recs[i].Value)
			if err != nil {
				return nil, err //nolint:wrapcheck // take does
			}
			m.got.dead = append(m.got.dead, l)
		default:
			m.got.records = append(m.got.records, recs[i])
		}
	}
	return nil, nil
}

// MaxRecordBytes implements ingest.Publisher: the raw record has been published.
func (m *mapper) MaxRecordBytes(string) int { return 0 }

// unwatched is outcomes that nobody watches.
type unwatched struct{}

// Published implements ingest.Outcomes.
func (unwatched) Published(error) {}
