package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/selection"
)

// piece is a part of a range that was read: the records that are selected, and how
// far reading had come with each.
type piece struct {
	at    int // the range's place in the plan
	msgs  []broker.Message
	marks []mark // one a message
	end   mark   // of the whole piece
	gaps  []Gap

	passed int  // messages that are delivered
	noted  mark // what of it is in the progress
}

// mark is how far a range was read. The counts are of the piece, up to there.
type mark struct {
	next        int64 // everything below was read
	read        int64
	replayed    int64
	undecodable int64
}

// chooser picks the records of a run. Safe for concurrent use.
type chooser struct {
	matcher *selection.Matcher
	maxHops int
	all     bool // copies of copies too, and no marks: records are restored as they were
}

// newChooser makes the chooser of a request.
func newChooser(req *Request, keyKind string) (*chooser, error) {
	sel := req.Select
	if req.FromFile != "" && noCondition(&sel) {
		sel.All = true
	}
	if req.Exact {
		sel.Replayed = true
	}
	m, err := selection.Compile(sel, selection.Options{KeyKind: keyKind})
	if err != nil {
		return nil, err //nolint:wrapcheck // it tells all that is wrong with it
	}
	return &chooser{matcher: m, maxHops: req.MaxHops, all: req.Exact}, nil
}

// verdict judges one record. A copy of too many copies counts as a copy that nobody
// asked for.
func (c *chooser) verdict(m *broker.Message) (selection.Verdict, error) {
	v, err := c.matcher.Match(&selection.Record{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time, Key: m.Key, Value: m.Value, Headers: m.Headers,
	})
	if err == nil && v == selection.Yes && !c.all && Hops(m.Headers) >= c.maxHops {
		v = selection.Replayed
	}
	return v, err //nolint:wrapcheck // it names the expression and the record
}

// shrink lets go of what was read and not selected: few messages in the memory of all
// that were read would hold too much of it.
func (p *piece) shrink(read []broker.Message) {
	if len(p.msgs) < len(read)/2 {
		p.msgs, p.marks = slices.Clone(p.msgs), slices.Clone(p.marks)
		return
	}
	clear(read[len(p.msgs):])
}

// take judges a record that was read and notes it in the piece.
func (p *piece) take(c *chooser, m *broker.Message, next int64) error {
	v, err := c.verdict(m)
	if err != nil {
		return err
	}
	p.end.next = next
	p.end.read++
	switch v {
	case selection.Yes:
		p.msgs, p.marks = append(p.msgs, *m), append(p.marks, p.end)
	case selection.Replayed:
		p.end.replayed++
	case selection.Undecodable:
		p.end.undecodable++
	case selection.No:
	}
	return nil
}

// reader reads the ranges of a plan and picks what is selected.
type reader struct {
	client *broker.Client
	plan   *Plan
	choose *chooser
	bytes  int // of one fetch
	// ours reports the topics of this software's own state.
	ours func(topic string) bool
}

// filePiece is how many records of an archive make a piece, unless they are large.
const filePiece = 256

// read reads the range at a place in the plan from an offset on and calls fn with its
// pieces in order. The last one reaches the range's end.
func (r *reader) read(ctx context.Context, at int, from int64, fn func(*piece) error) error {
	if r.plan.Request.FromFile != "" {
		return r.readFile(ctx, at, from, fn)
	}
	rng := &r.plan.Ranges[at]
	if from >= rng.To {
		return nil
	}
	err := r.client.Scan(ctx, rng.Topic, rng.Partition, from, rng.To, broker.ScanOptions{Bytes: r.bytes, HeaderRoom: markCount}, func(c broker.Chunk) error {
		p := &piece{at: at, end: mark{next: from}, msgs: c.Messages[:0], marks: make([]mark, 0, len(c.Messages))}
		for i := range c.Messages { // what is selected moves up in its own memory
			if err := p.take(r.choose, &c.Messages[i], c.Messages[i].Offset+1); err != nil {
				return err
			}
		}
		for _, g := range c.Gaps {
			p.gaps = append(p.gaps, gapOf(rng, g))
		}
		p.end.next = c.Next
		p.shrink(c.Messages)
		return fn(p)
	})
	return err //nolint:wrapcheck // it names what was read, or is ours
}

func gapOf(r *Range, g broker.OffsetGap) Gap {
	gap := Gap{Topic: r.Topic, Partition: r.Partition, From: g.From, To: g.To, Reason: GapCompacted}
	if g.Expired {
		gap.Reason = GapExpired
	}
	return gap
}

// readFile reads an archive: one range, whose offsets are the numbers of its records.
func (r *reader) readFile(ctx context.Context, at int, from int64, fn func(*piece) error) error {
	src, err := openFileSource(r.plan.Request.FromFile, from, r.plan.Ranges[at].To)
	if err != nil {
		return err
	}
	defer src.close()
	p, bytes := &piece{at: at, end: mark{next: from}}, 0
	for {
		m, number, err := src.next(ctx)
		if errors.Is(err, io.EOF) {
			return fn(p)
		}
		if err != nil {
			return err
		}
		if err := r.mayGoBack(m.Topic); err != nil {
			return err
		}
		if err := p.take(r.choose, &m, number+1); err != nil {
			return fmt.Errorf("replay: %s, record %d: %w", r.plan.Request.FromFile, number+1, err)
		}
		if bytes += sizeOf(&m); p.end.read == filePiece || bytes >= batchBytes {
			if err := fn(p); err != nil {
				return err
			}
			p, bytes = &piece{at: at, end: mark{next: number + 1}}, 0
		}
	}
}

// mayGoBack refuses an archive's records of topics that are none of a replay's: they
// were put there by somebody else.
func (r *reader) mayGoBack(topic string) error {
	to := &r.plan.Request.To
	if to.Kind != ToTopic || to.Topic != "" || !r.ours(topic) && !strings.HasPrefix(topic, "__") {
		return nil
	}
	return &RequestError{[]string{fmt.Sprintf("%s holds records of topic %s, which is not for replays; name the topic that they are to go to", r.plan.Request.FromFile, topic)}}
}
