package dedupe

import (
	"context"
	"errors"
	"sync"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
)

// read reads the topic to its end and then, if it is shared, follows it until ctx
// ends.
func (j *Journal) read(ctx context.Context) {
	ends, ok := j.load(ctx)
	if !ok {
		return
	}
	close(j.loaded)
	if !j.opt.Share {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for partition, next := range ends {
		wg.Go(func() { j.follow(ctx, partition, next) })
	}
}

// load reads the topic from its beginning to what is its end when load begins,
// and returns that. It tries again until it succeeds; false: ctx ended.
func (j *Journal) load(ctx context.Context) (ends map[int]int64, ok bool) {
	for pause := flushEvery; ; pause = min(2*pause, longestPause) {
		ends, err := j.loadOnce(ctx)
		switch {
		case err == nil:
			j.note(nil)
			return ends, true
		case ctx.Err() != nil:
			return nil, false
		}
		j.note(err)
		if !sleep(ctx, pause) {
			return nil, false
		}
	}
}

func (j *Journal) loadOnce(ctx context.Context) (map[int]int64, error) {
	ranges, err := j.opt.Reader.Offsets(ctx, j.opt.Topic)
	if err != nil {
		return nil, err
	}
	ends := make(map[int]int64, len(ranges))
	for partition, r := range ranges {
		ends[partition] = r.Next
		j.lag(partition, r.Next-r.First)
	}
	for partition, r := range ranges {
		if _, err := j.span(ctx, partition, r.First, r.Next); err != nil {
			return nil, err
		}
		j.lag(partition, 0)
	}
	return ends, nil
}

// follow learns what is published from an offset on, until ctx ends.
func (j *Journal) follow(ctx context.Context, partition int, next int64) {
	for pause := flushEvery; ; pause = min(2*pause, longestPause) {
		from, err := j.span(ctx, partition, next, -1)
		if ctx.Err() != nil {
			return
		}
		if from != next {
			next, pause = from, flushEvery
		}
		j.note(err)
		if !sleep(ctx, pause) {
			return
		}
	}
}

// span learns the records of a partition from one offset up to another, or, if
// that is negative, without end; it returns how far it came. What retention took
// before it was read is forgotten. A topic that was made anew is read from its
// beginning, but not up to an end that was the old one's.
func (j *Journal) span(ctx context.Context, partition int, from, to int64) (next int64, err error) {
	for {
		err := j.opt.Reader.Read(ctx, j.opt.Topic, partition, from, to, func(m broker.Message) error {
			j.learn(&m)
			from = m.Offset + 1
			j.lag(partition, m.HighWater-from)
			return nil
		})
		var gap *broker.OffsetGapError
		if !errors.As(err, &gap) {
			return from, err
		}
		if gap.Log.First < from && to >= 0 {
			return from, err
		}
		from = gap.Log.First
	}
}

// Learn takes in the value of a record of the topic that has not got there yet:
// an earlier process left it in the spool. Call it before the first claim. A value
// that is none is passed over.
func (j *Journal) Learn(value []byte) { j.learn(&broker.Message{Topic: j.opt.Topic, Value: value}) }

// learn takes in a record, unless it is the journal's own or cannot be read.
func (j *Journal) learn(m *broker.Message) {
	r, err := parseRecord(m.Value)
	switch {
	case err != nil:
		j.opt.Log.Debug("a record of the seen topic is passed over", zap.String("topic", m.Topic), zap.Int64("offset", m.Offset), zap.Error(err))
	case r.instance != j.instance:
		j.window.learn(&r, j.opt.Now())
	}
}

// note remembers how reading goes, and logs where it begins to fail.
func (j *Journal) note(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		j.reading = ""
		return
	}
	if j.reading == "" {
		j.opt.Log.Warn("the ids of accepted events cannot be read: repeats of what was accepted before the start, or by other receivers, are published again",
			zap.String("topic", j.opt.Topic), zap.String("reason_code", "seen_unread"), zap.Error(err))
	}
	j.reading = err.Error()
}

// lag remembers how many records of a partition are to be read.
func (j *Journal) lag(partition int, records int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.behind[partition] = max(records, 0)
}
