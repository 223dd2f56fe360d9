package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// answerError is a broker's refusal of a batch.
type answerError struct {
	code    int16
	message string // the broker's own words, from produce version 8
}

func (e *answerError) Error() string {
	if e.message == "" {
		return kafka.Error(e.code).Error()
	}
	return fmt.Sprintf("%v: %s", kafka.Error(e.code), e.message)
}

// Unwrap makes errors.Is and errors.As see the code.
func (e *answerError) Unwrap() error { return kafka.Error(e.code) }

// load is a produce request for one leader. Acks is -1: every in-sync replica,
// without exception.
//
// It is what kafka.Client.RawProduce builds, except for the time the broker may
// take to hear from its replicas: RawProduce tells it half of a client-wide
// timeout, or 500 ms, whatever the deadline is. A broker that gives up too
// early reports failures of records that are replicated a moment later. It is
// told three quarters of the time we wait.
//
// After a failure it is not used again: a connection may read it after we
// stopped waiting.
type load struct {
	rawproduce.Request
	seats  []*seat
	topics []*topic // of Topics
	size   int      // of the batches, bytes
}

func newLoad() *load {
	r := &load{}
	r.Acks = int16(kafka.RequireAll)
	return r
}

// add puts a seat's batch into the request. The broker's time is that of the
// seat with the least.
func (r *load) add(s *seat) {
	millis := int32(max(1, (s.wait * 3 / 4).Milliseconds())) //nolint:gosec // attempts are far below 24 days
	if len(r.seats) == 0 || millis < r.Timeout {
		r.Timeout = millis
	}
	r.seats = append(r.seats, s)
	r.size += len(s.data)
	s.topic = r.topic(s.l.topic)
	t := &r.Topics[s.topic]
	s.part = len(t.Partitions)
	t.Partitions = append(t.Partitions, rawproduce.RequestPartition{
		Partition: s.l.partition, RecordSet: protocol.RawRecordSet{Reader: &s.handover},
	})
}

// topic returns where the part for a topic is. There are few, so a search is quick.
func (r *load) topic(t *topic) int {
	for i, known := range r.topics {
		if known == t {
			return i
		}
	}
	n := len(r.Topics)
	if n < cap(r.Topics) { // keeps the old partitions' array
		r.Topics = r.Topics[:n+1]
		r.Topics[n].Topic = t.name
	} else {
		r.Topics = append(r.Topics, rawproduce.RequestTopic{Topic: t.name})
	}
	r.topics = append(r.topics, t)
	return n
}

// reset empties the load and keeps its memory.
func (r *load) reset() {
	clear(r.seats)
	for i := range r.Topics {
		clear(r.Topics[i].Partitions)
		r.Topics[i].Partitions = r.Topics[i].Partitions[:0]
	}
	r.seats, r.Topics, r.topics, r.size = r.seats[:0], r.Topics[:0], r.topics[:0], 0
}

func (r *load) roundTrip(ctx context.Context, p *GroupCommitter) (*produce.Response, error) {
	res, err := p.produce.RoundTrip(ctx, p.client.addr, &r.Request)
	if err != nil {
		return nil, err
	}
	answer, ok := res.(*produce.Response)
	if !ok {
		return nil, fmt.Errorf("broker answered a produce request with %T", res)
	}
	return answer, nil
}

// outcomeOf finds the answer to a seat's batch: nil, or an *answerError. It looks
// first where the batch stood in the request.
func outcomeOf(answer *produce.Response, s *seat) error {
	l := s.l
	if s.topic < len(answer.Topics) && answer.Topics[s.topic].Topic == l.topic.name {
		parts := answer.Topics[s.topic].Partitions
		if s.part < len(parts) && parts[s.part].Partition == l.partition {
			return verdictOn(&parts[s.part])
		}
	}
	for i := range answer.Topics {
		if answer.Topics[i].Topic != l.topic.name {
			continue
		}
		for j := range answer.Topics[i].Partitions {
			if part := &answer.Topics[i].Partitions[j]; part.Partition == l.partition {
				return verdictOn(part)
			}
		}
	}
	return fmt.Errorf("broker's answer to a produce request leaves out partition %d of topic %s", l.partition, l.topic.name)
}

func verdictOn(part *produce.ResponsePartition) error {
	if ruleOf(part.ErrorCode).verdict == accepted {
		return nil
	}
	return &answerError{code: part.ErrorCode, message: part.ErrorMessage}
}

// attempt sends the batch once.
func (d *delivery) attempt() (rule, error) {
	l, p := d.l, d.l.p
	d.tries++
	began := p.opts.Now()
	wait := min(p.opts.AttemptTimeout, max(d.until.Sub(began), time.Millisecond))
	if l.id.generation == 0 {
		if err := l.identify(wait); err != nil {
			return identityRule(err), err
		}
		wait = max(wait-p.opts.Now().Sub(began), time.Millisecond)
	}
	if !d.unsure {
		d.b.seal(l.id, l.sequence)
	}
	s := l.sit(d.b.buf, wait)
	err := d.carry(s)
	return d.learn(s, err, p.opts.Now().Sub(began))
}

// learn is what an attempt that ended with err, after some time, means.
func (d *delivery) learn(s *seat, err error, took time.Duration) (rule, error) {
	l := d.l
	l.slow = err != nil || took > slowAttempt
	if err == nil {
		l.seat = s
		return rule{verdict: accepted}, nil
	}
	if refusal := new(answerError); errors.As(err, &refusal) {
		l.seat = s
		return ruleOf(refusal.code), err
	}
	taken, busy := s.revoke()
	d.b.shared = d.b.shared || busy
	return l.transportRule(s.wait-took, taken, err)
}

// identify gets an identity newer than the last one left behind.
func (l *lane) identify(wait time.Duration) error {
	ctx, cancel := context.WithTimeout(l.p.root, wait)
	defer cancel()
	id, err := l.p.ids.get(ctx, l.p, l.left)
	if err == nil {
		l.id = id
	}
	return err
}

// sit takes a seat for the sealed bytes: the last one if it was answered, as
// nobody else knows of it any more.
func (l *lane) sit(data []byte, wait time.Duration) *seat {
	s := l.seat
	if s == nil {
		s = &seat{l: l, done: make(chan struct{}, 1)}
	}
	l.seat = nil
	s.data, s.wait, s.err, s.trip = data, wait, nil, false
	s.state.Store(offered)
	return s
}

// carry brings the batch to its leader, in company if that is wise, and
// returns the answer: nil, an *answerError, or a failure below the protocol.
func (d *delivery) carry(s *seat) error {
	l := d.l
	if d.solitary(s.wait) {
		return l.alone(s)
	}
	began, wait := l.p.opts.Now(), s.wait
	left := func() time.Duration { return max(wait-l.p.opts.Now().Sub(began), time.Millisecond) }
	v := l.convoy(wait)
	s.wait = left()
	if v == nil {
		return l.alone(s)
	}
	err := l.ride(v, s)
	if !errors.Is(err, errApart) {
		return err
	}
	l.topic.routes.Store(nil)
	s.state.Store(offered) // nothing was sent, and nobody reads it any more
	s.wait = left()
	return l.alone(s)
}

// alone sends a request for one batch.
func (l *lane) alone(s *seat) error {
	ctx, cancel := context.WithTimeout(l.p.root, s.wait)
	defer cancel()
	r := newLoad()
	r.add(s)
	answer, err := r.roundTrip(ctx, l.p)
	if err != nil {
		return err
	}
	return outcomeOf(answer, s)
}

// ride waits for a place in a shared request, and for its answer.
func (l *lane) ride(v *convoy, s *seat) error {
	if l.timer == nil {
		l.timer = time.NewTimer(s.wait)
	} else {
		l.timer.Reset(s.wait)
	}
	defer l.timer.Stop()
	v.board(s)
	select {
	case <-s.done:
		return s.err
	case <-l.p.root.Done():
		return l.p.root.Err()
	case <-l.timer.C:
		return context.DeadlineExceeded
	}
}
