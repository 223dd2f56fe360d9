package embedded_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/postrider/postrider/internal/broker/embedded"
)

// Below the reserve nothing is appended; reading goes on, and so does writing as
// soon as there is space.
func TestNoRecordsAreTakenWhenTheDiskIsNearlyFull(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	free.Store(1 << 30)
	o := embedded.Options{Dir: t.TempDir(), MinFreeBytes: 1 << 20, CleanEvery: time.Millisecond}
	b := start(t, o.WithFree(func(string) (int64, error) { return free.Load(), nil }))
	createTopic(t, b, topic, 1)
	wantCode(t, b, 0, "one", nil)

	free.Store(1<<20 - 1)
	wantError(t, b.Health(), "1048575 bytes are free", o.Dir, "kafka.embedded.dir", "free disk space")
	for range 2 {
		wantCode(t, b, 1, "two", kerr.NotEnoughReplicas)
	}
	if got := values(t, b, 0); got != "one" {
		t.Errorf("records with a full disk = %q, want %q", got, "one")
	}

	free.Store(1 << 20)
	if err := b.Health(); err != nil {
		t.Errorf("with space again: %v", err)
	}
	wantCode(t, b, 1, "two", nil)
	if got := values(t, b, 0); got != "one two" {
		t.Errorf("records = %q", got)
	}
}

// A folder that cannot be asked is not trusted.
func TestUnknownSpaceIsNoSpace(t *testing.T) {
	t.Parallel()
	broken := errors.New("stale file handle")
	b := start(t, embedded.Options{Dir: t.TempDir()}.WithFree(func(string) (int64, error) { return 0, broken }))
	createTopic(t, b, topic, 1)
	if err := b.Health(); !errors.Is(err, broken) {
		t.Errorf("health = %v, want %v", err, broken)
	}
	wantCode(t, b, 0, "one", kerr.NotEnoughReplicas)
}

// wantCode sends one record as an idempotent producer does that has sent sequence
// numbers below this one: the same arguments make the same bytes.
func wantCode(t *testing.T, b *embedded.Broker, sequence int32, value string, want *kerr.Error) {
	t.Helper()
	code, err := produce(b.Addr(), sequence, value)
	if err != nil {
		t.Fatal(err)
	}
	if got := kerr.TypedErrorForCode(code); got != want {
		t.Errorf("answer to %q = %v, want %v", value, got, want)
	}
}

// produce asks on a connection of its own and returns the answer's error code.
func produce(addr string, sequence int32, value string) (int16, error) {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 7, -1, 1000
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = batch(sequence, value)
	top := kmsg.NewProduceRequestTopic()
	top.Topic, top.Partitions = topic, append(top.Partitions, part)
	req.Topics = append(req.Topics, top)

	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)); err != nil {
		return 0, err
	}
	var head [8]byte // length, correlation id
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return 0, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(conn, body); err != nil {
		return 0, err
	}
	res := kmsg.NewPtrProduceResponse()
	res.Version = req.Version
	if err := res.ReadFrom(body); err != nil {
		return 0, err
	}
	return res.Topics[0].Partitions[0].ErrorCode, nil
}

// batch is one record of producer 4711 as it goes over the wire.
func batch(sequence int32, value string) []byte {
	rec := kmsg.NewRecord()
	rec.Value = []byte(value)
	rec.Length = int32(len(rec.AppendTo(nil)) - 1)
	b := kmsg.NewRecordBatch()
	b.Magic, b.NumRecords, b.PartitionLeaderEpoch = 2, 1, -1
	b.ProducerID, b.FirstSequence = 4711, sequence
	// Far from being expired, and the same each time.
	b.FirstTimestamp = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	b.MaxTimestamp = b.FirstTimestamp
	b.Records = rec.AppendTo(nil)
	b.Length = int32(len(b.AppendTo(nil)) - 12)
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}
