package broker

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

const (
	// mostAnswered bounds an answer. A topic's max.message.bytes may be larger than
	// fetchBytes; nobody's is larger than this.
	mostAnswered = 512 << 20
	// fetchOldest is the first version of the request whose answers have batches of version 2.
	fetchOldest = 4
)

// fetchRaw makes one request for what the cursors want, which must have the same leader.
// Where it fails, x's buffer may still be written to.
func (c *Client) fetchRaw(ctx context.Context, cursors []*cursor, wait time.Duration, x *exchange) (*rawAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+fetchGrace)
	defer cancel()
	x.ctx, x.client = ctx, c.dialer.ClientID
	x.Request = *fetchRequest(cursors, wait, 0)
	x.bound()
	m, err := c.transport.RoundTrip(ctx, c.addr, x)
	if err != nil {
		return nil, c.fetchError(ctx, cursors, err)
	}
	got, ok := m.(*rawAnswer)
	if !ok {
		return nil, fmt.Errorf("broker: fetch was answered with %T", m)
	}
	return got, got.parse()
}

// exchange is a fetch whose answer is left as it came, for kafka-go v0.4.51 decodes
// records one by one, with several pieces of memory for each. Of the fields, bytes, leader
// and buf are the asker's to set.
type exchange struct {
	fetch.Request
	bytes []int // asked for of each partition, in order
	// leader is the broker to ask, whoever leads the partitions: who does not lead them
	// says so for each. Negative: their leader as kafka-go knows it.
	leader  int
	buf     []byte          // to read the answer into, if it is large enough
	ctx     context.Context //nolint:containedctx // kafka-go hands none over
	client  string
	version int16
}

// bound sets how much is asked for of each partition.
func (x *exchange) bound() {
	for i, n := 0, 0; i < len(x.Topics); i++ {
		parts := x.Topics[i].Partitions
		for j := range parts {
			parts[j].PartitionMaxBytes = int32(x.bytes[n]) //nolint:gosec // a mebibyte at most
			n++
		}
	}
}

// Broker implements protocol.BrokerMessage.
func (x *exchange) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	if x.leader < 0 {
		return x.Request.Broker(cluster) //nolint:wrapcheck // fetchError tells its errors apart
	}
	b, ok := cluster.Brokers[int32(x.leader)] //nolint:gosec // broker ids are int32 on the wire
	if !ok {
		return protocol.Broker{}, kafka.BrokerNotAvailable
	}
	return b, nil
}

// Required implements protocol.RawExchanger.
func (x *exchange) Required(versions map[protocol.ApiKey]int16) bool {
	x.version = versions[protocol.Fetch]
	return true
}

// RawExchange implements protocol.RawExchanger. When the context ends, it ends at once,
// and so does the connection: a request that a broker holds back does not linger.
func (x *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	stop := func() bool { return true }
	if conn, ok := rw.(net.Conn); ok {
		stop = context.AfterFunc(x.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	}
	a, err := x.exchange(rw)
	if !stop() && err == nil {
		err = x.ctx.Err() // the connection's deadline is in the past by now
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (x *exchange) exchange(rw io.ReadWriter) (*rawAnswer, error) {
	if x.version < fetchOldest {
		return nil, kafka.UnsupportedVersion
	}
	const id = 1 // a connection has one request at a time
	if err := protocol.WriteRequest(rw, x.version, id, x.client, &x.Request); err != nil {
		return nil, err //nolint:wrapcheck // wrapped where it is made
	}
	var head [8]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, err //nolint:wrapcheck // as above
	}
	size := int64(binary.BigEndian.Uint32(head[:])) - 4
	if size < 0 || size > mostAnswered || binary.BigEndian.Uint32(head[4:]) != id {
		return nil, fmt.Errorf("an answer of %d bytes to request %d", size, binary.BigEndian.Uint32(head[4:]))
	}
	if int64(cap(x.buf)) < size {
		x.buf = make([]byte, size)
	}
	x.buf = x.buf[:size]
	if _, err := io.ReadFull(rw, x.buf); err != nil {
		return nil, err //nolint:wrapcheck // as above
	}
	return &rawAnswer{version: x.version, buf: x.buf}, nil
}

// rawAnswer is what a broker said.
type rawAnswer struct {
	version int16
	buf     []byte
	parts   []answered
}

// ApiKey implements protocol.Message.
func (a *rawAnswer) ApiKey() protocol.ApiKey { return protocol.Fetch } //nolint:revive // its name is kafka-go's

// answered is what it said about one partition.
type answered struct {
	topic     []byte
	partition int32
	code      int16
	high      int64
	batches   []byte
}

// of finds what was said about the partition that was asked for at place i.
func (a *rawAnswer) of(i int, cu *cursor) *answered {
	if i < len(a.parts) && a.parts[i].is(cu) {
		return &a.parts[i]
	}
	for i := range a.parts {
		if a.parts[i].is(cu) {
			return &a.parts[i]
		}
	}
	return nil
}

func (p *answered) is(cu *cursor) bool {
	return int(p.partition) == cu.partition && string(p.topic) == cu.topic
}

// parse reads the answer: https://kafka.apache.org/protocol#The_Messages_Fetch,
// versions 4 to 11.
func (a *rawAnswer) parse() error {
	r := reader{rest: a.buf}
	r.int32() // throttled so long: the broker waits itself
	if a.version >= 7 {
		if code := kafka.Error(r.int16()); code != 0 {
			return fmt.Errorf("broker: fetch: %w", code)
		}
		r.int32() // session
	}
	for range r.count(6) {
		topic := r.take(int(r.int16()))
		for range r.count(30) {
			a.parts = append(a.parts, r.answered(topic, a.version))
		}
	}
	if r.broken {
		return fmt.Errorf("broker: fetch: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

func (r *reader) answered(topic []byte, version int16) answered {
	p := answered{topic: topic, partition: r.int32(), code: r.int16(), high: r.int64()}
	r.int64() // last stable offset
	if version >= 5 {
		r.int64() // log start
	}
	if aborted := r.int32(); aborted > 0 { // transactions
		r.take(16 * int(aborted))
	}
	if version >= 11 {
		r.int32() // preferred replica
	}
	if size := r.int32(); size > 0 {
		p.batches = r.take(int(size))
	}
	return p
}

func (r *reader) int64() int64 { return int64(binary.BigEndian.Uint64(r.take(8))) } //nolint:gosec // signed on the wire
