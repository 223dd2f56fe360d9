package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"          //nolint:depguard // a yardstick
	"github.com/segmentio/kafka-go/protocol" //nolint:depguard // a yardstick
)

// How long a lane tries to publish, and what it waits between attempts.
const (
	laneBudget = 4 * time.Second
	lanePause  = 50 * time.Millisecond
)

// lane publishes to one partition by group commit: what has come while a request was
// on its way makes up the next. Every batch carries a producer's id and a sequence
// number, so that sending it again does not store it twice.
type lane struct {
	api       *kafka.Client
	topic     string
	partition int

	mu   sync.Mutex
	line []*waiting
	busy bool // a goroutine is publishing

	// Of the goroutine that publishes.
	producer *kafka.ProducerSession
	sequence int32
}

// waiting is a record in the line.
type waiting struct {
	key, value []byte
	done       chan error // takes one outcome
}

// newLanes makes a lane for every partition of a topic.
func newLanes(transport *kafka.Transport, brokers []string, topic string, n int) []*lane {
	api := &kafka.Client{Addr: kafka.TCP(brokers...), Timeout: 2 * laneBudget, Transport: transport}
	lanes := make([]*lane, n)
	for i := range lanes {
		lanes[i] = &lane{api: api, topic: topic, partition: i}
	}
	return lanes
}

// publish returns when the record is acknowledged. Safe for concurrent use.
func (l *lane) publish(ctx context.Context, key, value []byte) error {
	w := &waiting{key, value, make(chan error, 1)}
	l.mu.Lock()
	l.line = append(l.line, w)
	if !l.busy {
		l.busy = true
		go l.work(context.WithoutCancel(ctx))
	}
	l.mu.Unlock()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work publishes until the line is empty. No single request's end stops it: a batch is
// many requests' affair.
func (l *lane) work(ctx context.Context) {
	for {
		l.mu.Lock()
		group := l.line
		l.line = nil
		l.busy = len(group) > 0
		l.mu.Unlock()
		if len(group) == 0 {
			return
		}
		err := l.commit(ctx, group)
		for _, w := range group {
			w.done <- err
		}
	}
}

// commit sends one batch until it is acknowledged or the budget is used up.
func (l *lane) commit(ctx context.Context, group []*waiting) error {
	ctx, cancel := context.WithTimeout(ctx, laneBudget)
	defer cancel()
	var batch []byte
	for {
		err := l.identify(ctx)
		if err == nil {
			if batch == nil {
				batch = l.encode(group, time.Now().UnixMilli())
			}
			err = l.send(ctx, batch)
		}
		if err == nil {
			l.sequence += int32(len(group))
			return nil
		}
		select {
		case <-time.After(lanePause):
		case <-ctx.Done():
			l.producer = nil // nobody knows what became of its last sequence number
			return fmt.Errorf("bench: yardstick: publish: %w", err)
		}
	}
}

// identify asks for a producer's id, once.
func (l *lane) identify(ctx context.Context) error {
	if l.producer != nil {
		return nil
	}
	got, err := l.api.InitProducerID(ctx, &kafka.InitProducerIDRequest{})
	if err == nil {
		err = got.Error
	}
	if err != nil {
		return err //nolint:wrapcheck // commit names it
	}
	l.producer, l.sequence = got.Producer, 0
	return nil
}

// send makes one attempt.
func (l *lane) send(ctx context.Context, batch []byte) error {
	got, err := l.api.RawProduce(ctx, &kafka.RawProduceRequest{
		Topic: l.topic, Partition: l.partition, RequiredAcks: kafka.RequireAll, RawRecords: protocol.RawRecordSet{Reader: bytes.NewReader(batch)},
	})
	if err == nil {
		err = got.Error
	}
	if errors.Is(err, kafka.DuplicateSequenceNumber) {
		return nil // an earlier attempt arrived
	}
	return err //nolint:wrapcheck // commit names it
}

// encode writes a record batch of version 2 (KIP-98) behind its length, as RawProduce
// wants it.
func (l *lane) encode(group []*waiting, now int64) []byte {
	const head = 4 + 61
	b := make([]byte, head, head+1024*len(group))
	var record []byte
	for i, w := range group {
		record = append(record[:0], 0, 0) // no attributes, the batch's time
		record = binary.AppendVarint(record, int64(i))
		record = append(binary.AppendVarint(record, int64(len(w.key))), w.key...)
		record = append(binary.AppendVarint(record, int64(len(w.value))), w.value...)
		record = binary.AppendVarint(record, 0) // headers
		b = append(binary.AppendVarint(b, int64(len(record))), record...)
	}
	put, n := binary.BigEndian, len(group)
	put.PutUint32(b, uint32(len(b)-4))
	put.PutUint32(b[12:], uint32(len(b)-16))
	put.PutUint32(b[16:], 1<<32-1) // leader epoch: unknown
	b[20] = 2                      // version
	put.PutUint32(b[27:], uint32(n-1))
	put.PutUint64(b[31:], uint64(now))
	put.PutUint64(b[39:], uint64(now))
	put.PutUint64(b[47:], uint64(l.producer.ProducerID))
	put.PutUint16(b[55:], uint16(l.producer.ProducerEpoch))
	put.PutUint32(b[57:], uint32(l.sequence))
	put.PutUint32(b[61:], uint32(n))
	put.PutUint32(b[21:], crc32.Checksum(b[25:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}
