package broker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// discard is a cluster of one broker that acknowledges everything at once: what is
// left is the publisher's own work.
type discard struct{ partitions int }

func (d discard) RoundTrip(_ context.Context, _ net.Addr, req kafka.Request) (kafka.Response, error) {
	switch req := req.(type) {
	case *metadata.Request:
		return d.metadata(req), nil
	case *initproducerid.Request:
		return &initproducerid.Response{ProducerID: 1}, nil
	case *rawproduce.Request:
		return acknowledge(req), nil
	}
	return nil, fmt.Errorf("unexpected request %T", req)
}

func (d discard) metadata(req *metadata.Request) *metadata.Response {
	res := &metadata.Response{Brokers: []metadata.ResponseBroker{{NodeID: 1, Host: "localhost", Port: 1}}}
	for _, name := range req.TopicNames {
		t := metadata.ResponseTopic{Name: name}
		for i := range d.partitions {
			t.Partitions = append(t.Partitions, metadata.ResponsePartition{PartitionIndex: int32(i), LeaderID: 1})
		}
		res.Topics = append(res.Topics, t)
	}
	return res
}

func acknowledge(req *rawproduce.Request) *produce.Response {
	res := &produce.Response{Topics: make([]produce.ResponseTopic, len(req.Topics))}
	for i, t := range req.Topics {
		parts := make([]produce.ResponsePartition, len(t.Partitions))
		for j, part := range t.Partitions {
			set := part.RecordSet
			_, _ = set.WriteTo(io.Discard)
			parts[j].Partition = part.Partition
		}
		res.Topics[i] = produce.ResponseTopic{Topic: t.Topic, Partitions: parts}
	}
	return res
}

// discardRig is a publisher on such a cluster.
func discardRig(t testing.TB, partitions int, o PublisherOptions, topics ...string) *GroupCommitter {
	t.Helper()
	o.Now = time.Now
	p := NewPublisher(dialTest(t, "localhost:1"), o)
	d := discard{partitions}
	p.produce = d
	p.api = &kafka.Client{Addr: p.client.addr, Transport: d}
	if err := p.Warm(context.Background(), topics...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// request is what one webhook with n events publishes: the raw copy and the events.
// Their headers are as many as real ones.
func request(raw, typed string, seed, n int) []Record {
	headers := make([]Header, 10)
	for i := range headers {
		headers[i] = Header{Key: "ce_attribute" + strconv.Itoa(i), Value: []byte("0123456789abcdef")}
	}
	recs := []Record{{Topic: raw, Key: fmt.Append(nil, "request", seed), Value: bytes.Repeat([]byte("r"), 500*n), Headers: headers, Time: time.UnixMilli(1)}}
	for i := range n {
		recs = append(recs, Record{Topic: typed, Key: fmt.Append(nil, "message", seed, i), Value: bytes.Repeat([]byte("t"), 700), Headers: headers, Time: time.UnixMilli(1)})
	}
	return recs
}

// BenchmarkDeliver measures the publisher's own work: one request is one event or a
// thousand, and the broker answers at once.
func BenchmarkDeliver(b *testing.B) {
	for _, partitions := range []int{6, 600} {
		for _, events := range []int{1, 1000} {
			for _, callers := range []int{1, 64} {
				b.Run(fmt.Sprintf("partitions=%d/events=%d/callers=%d", partitions, events, callers), func(b *testing.B) {
					benchDeliver(b, partitions, events, callers)
				})
			}
		}
	}
}

func benchDeliver(b *testing.B, partitions, events, callers int) {
	b.Helper()
	p := discardRig(b, partitions, PublisherOptions{Store: newMemStore(), MaxInFlightBytes: 1 << 30}, "raw", "typed")
	requests := make([][]Record, callers)
	for i := range requests {
		requests[i] = request("raw", "typed", i, events)
	}
	var next atomic.Int64
	b.ReportAllocs()
	b.SetParallelism((callers + 1) / 2)
	began := cpuTime(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		recs := requests[int(next.Add(1))%callers]
		if callers == 1 && next.Load() > 1 {
			recs = slices.Clone(recs)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for pb.Next() {
			if _, err := p.Deliver(ctx, recs, BrokerThenSpool); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N*events), "cpu-ns/event")
}

// cpuTime is the processor time of this process: what others do on the machine
// disturbs it less than the time on the wall.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
