package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// answerError is a broker's refusal of a produce request.
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

// request is a produce request for one partition, in one allocation. It is not
// used again: a connection may read it after we stopped waiting.
type request struct {
	rawproduce.Request
	topics     [1]rawproduce.RequestTopic
	partitions [1]rawproduce.RequestPartition
}

// requestFor builds the produce request. Acks is -1: every in-sync replica,
// without exception.
//
// It is what kafka.Client.RawProduce builds, except for the time the broker may
// take to hear from its replicas: RawProduce tells it half of a client-wide
// timeout, or 500 ms, whatever the deadline is. A broker that gives up too
// early reports failures of records that are replicated a moment later. It is
// told three quarters of the time we wait.
func requestFor(l *lane, h *handover, wait time.Duration) *request {
	r := &request{}
	r.partitions[0] = rawproduce.RequestPartition{Partition: l.partition, RecordSet: protocol.RawRecordSet{Reader: h}}
	r.topics[0] = rawproduce.RequestTopic{Topic: l.topic.name, Partitions: r.partitions[:]}
	r.Acks = int16(kafka.RequireAll)
	r.Timeout = int32(max(1, (wait * 3 / 4).Milliseconds())) //nolint:gosec // attempts are far below 24 days
	r.Topics = r.topics[:]
	return r
}

// roundTrip sends one produce request and returns its answer: nil, an
// *answerError, or a failure below the protocol.
func (p *GroupCommitter) roundTrip(ctx context.Context, l *lane, h *handover, wait time.Duration) error {
	res, err := p.produce.RoundTrip(ctx, p.client.addr, &requestFor(l, h, wait).Request)
	if err != nil {
		return err
	}
	answer, ok := res.(*produce.Response)
	if !ok || len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return fmt.Errorf("broker answered a produce request for one partition with %T", res)
	}
	part := &answer.Topics[0].Partitions[0]
	if ruleOf(part.ErrorCode).verdict == accepted {
		return nil
	}
	return &answerError{code: part.ErrorCode, message: part.ErrorMessage}
}
