package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"

	"github.com/postrider/postrider/internal/broker/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "email.delivered"

func TestStartAnswersAtOnceAndKeepsItsDataPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data", "broker")
	b := start(t, embedded.Options{Dir: dir})
	createTopic(t, b, topic, 1)
	publish(t, b, "a", "b")
	if got, want := values(t, b, 0), "a b"; got != want {
		t.Errorf("records = %q, want %q", got, want)
	}
	st, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := st.Mode().Perm(); got != 0o700 {
		t.Errorf("data folder's mode = %o, want 700", got)
	}
}

func TestRecordsAndGroupOffsetsSurviveARestart(t *testing.T) {
	t.Parallel()
	o := embedded.Options{Dir: t.TempDir(), Sync: true}
	b := start(t, o)
	createTopic(t, b, topic, 1)
	publish(t, b, "one", "two", "three")
	if got := groupRead(t, b, 2); got != "one two" {
		t.Fatalf("group read %q", got)
	}
	stop(t, b)

	b = start(t, o)
	if got, want := values(t, b, 0), "one two three"; got != want {
		t.Errorf("records after restart = %q, want %q", got, want)
	}
	if got, want := groupRead(t, b, 1), "three"; got != want {
		t.Errorf("group goes on with %q, want %q", got, want)
	}
}

func TestSecondProcessOnTheSameFolderIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, embedded.Options{Dir: dir})
	_, err := embedded.Start(embedded.Options{Dir: dir, Listen: "127.0.0.1:0"})
	wantError(t, err, "process "+strconv.Itoa(os.Getpid()), "kafka.embedded.dir")
	stop(t, b)
	start(t, embedded.Options{Dir: dir}) // free again
}

func TestTakenPortNamesItsKey(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dir := t.TempDir()
	_, err = embedded.Start(embedded.Options{Dir: dir, Listen: ln.Addr().String()})
	wantError(t, err, ln.Addr().String(), "taken", "kafka.embedded.listen")
	start(t, embedded.Options{Dir: dir}) // the failed start left no lock behind
}

func TestStartRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		o    embedded.Options
		want string
	}{
		{"no port", embedded.Options{Listen: "127.0.0.1", Dir: "x"}, "not host:port"},
		{"wildcard", embedded.Options{Listen: "0.0.0.0:0", Dir: "x"}, "such as 127.0.0.1"},
		{"wildcard six", embedded.Options{Listen: "[::]:0", Dir: "x"}, "such as 127.0.0.1"},
		{"no host", embedded.Options{Listen: ":9092", Dir: "x"}, "such as 127.0.0.1"},
		{"no folder", embedded.Options{Listen: "127.0.0.1:0"}, "kafka.embedded.dir"},
		{"negative size", embedded.Options{Listen: "127.0.0.1:0", Dir: "x", SegmentBytes: -1}, "negative"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := embedded.Start(tc.o)
			wantError(t, err, tc.want)
		})
	}
}

func TestUnknownTopicIsACleanErrorAndCreatesNothing(t *testing.T) {
	t.Parallel()
	b := start(t, embedded.Options{Dir: t.TempDir()})
	conn := dial(t, b)
	if _, err := conn.ReadPartitions("email.nothing"); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("error = %v, want UnknownTopicOrPartition", err)
	}
	parts, err := conn.ReadPartitions()
	if err != nil || len(parts) != 0 {
		t.Errorf("topics = %v, %v; want none", parts, err)
	}
}

// A partition over its limit is trimmed, on disk too, and a restart neither
// brings the records back nor stops the trimming.
func TestRetentionKeepsTheFolderSmallAcrossRestarts(t *testing.T) {
	t.Parallel()
	const limit, segment, written = 64 << 10, 8 << 10, 512 << 10
	o := embedded.Options{Dir: t.TempDir(), MaxBytesPerPartition: limit, SegmentBytes: segment, CleanEvery: 20 * time.Millisecond}
	b := start(t, o)
	createTopic(t, b, topic, 1)
	small := func() bool { return folderBytes(t, o.Dir) <= limit+2*segment }

	for round := range 2 {
		publishBytes(t, b, written)
		eventually(t, small, func() string { return fmt.Sprintf("round %d: folder holds %d bytes", round, folderBytes(t, o.Dir)) })
		first, next := offsets(t, b)
		if first == 0 || first >= next {
			t.Errorf("round %d: offsets [%d,%d), want the oldest gone and the newest kept", round, first, next)
		}
		stop(t, b)
		b = start(t, o)
		if again, end := offsets(t, b); again != first || end != next {
			t.Errorf("round %d: offsets after restart [%d,%d), want [%d,%d)", round, again, end, first, next)
		}
	}
}

// None of this may end the process or the service of others.
func TestForeignBytesOnThePortAreHarmless(t *testing.T) {
	t.Parallel()
	b := start(t, embedded.Options{Dir: t.TempDir()})
	createTopic(t, b, topic, 1)
	inputs := [][]byte{
		[]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		{0x16, 0x03, 0x01, 0x00, 0xc8, 0x01, 0x00, 0x00, 0xc4, 0x03, 0x03}, // TLS ClientHello
		{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
		{0, 0, 0, 0, 0, 0, 0, 0},
	}
	for key := range 256 {
		inputs = append(inputs, []byte{0, 0, 0, 12, byte(key >> 7), byte(key), 0, 1, 0, 0, 0, 1, 0, 0, 0xff, 0xff})
	}
	for _, in := range inputs {
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatalf("broker is gone: %v", err)
		}
		if _, err := c.Write(in); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.CloseWrite() // the broker may have hung up already
		}
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: the connection is left open", in)
		}
		c.Close()
	}
	publish(t, b, "still here")
	if got := values(t, b, 0); got != "still here" {
		t.Errorf("records = %q", got)
	}
}

func TestNoticeSaysWhatItIsAndTheWayOut(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"one process", "one copy", "trying", "kafka.brokers"} {
		if !strings.Contains(embedded.Notice(), want) {
			t.Errorf("notice does not say %q: %s", want, embedded.Notice())
		}
	}
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	b := start(t, embedded.Options{Dir: t.TempDir()})
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The rest are the tests' own client, so that nothing of this project is
// needed to judge the broker.

func start(t *testing.T, o embedded.Options) *embedded.Broker {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	b, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func stop(t *testing.T, b *embedded.Broker) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, b *embedded.Broker) *kafka.Conn {
	t.Helper()
	conn, err := kafka.DialContext(t.Context(), "tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func createTopic(t *testing.T, b *embedded.Broker, name string, partitions int) {
	t.Helper()
	err := dial(t, b).CreateTopics(kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: 1})
	if err != nil {
		t.Fatal(err)
	}
}

func leader(t *testing.T, b *embedded.Broker) *kafka.Conn {
	t.Helper()
	conn, err := kafka.DialLeader(t.Context(), "tcp", b.Addr(), topic, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func publish(t *testing.T, b *embedded.Broker, vs ...string) {
	t.Helper()
	conn := leader(t, b)
	for _, v := range vs {
		if _, err := conn.WriteMessages(kafka.Message{Value: []byte(v)}); err != nil {
			t.Fatal(err)
		}
	}
}

func publishBytes(t *testing.T, b *embedded.Broker, total int) {
	t.Helper()
	const each = 1 << 10
	conn, value := leader(t, b), make([]byte, each)
	for range total / each {
		if _, err := conn.WriteMessages(kafka.Message{Value: value}); err != nil {
			t.Fatal(err)
		}
	}
}

func offsets(t *testing.T, b *embedded.Broker) (first, next int64) {
	t.Helper()
	first, next, err := leader(t, b).ReadOffsets()
	if err != nil {
		t.Fatal(err)
	}
	return first, next
}

func values(t *testing.T, b *embedded.Broker, partition int) string {
	t.Helper()
	_, next := offsets(t, b)
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.Addr()}, Topic: topic, Partition: partition, MaxWait: 50 * time.Millisecond})
	defer r.Close()
	var got []string
	for int64(len(got)) < next {
		m, err := r.ReadMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(m.Value))
	}
	return strings.Join(got, " ")
}

func groupRead(t *testing.T, b *embedded.Broker, n int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{b.Addr()}, Topic: topic, GroupID: "g",
		StartOffset: kafka.FirstOffset, MaxWait: 50 * time.Millisecond,
	})
	defer r.Close()
	var got []string
	for range n {
		m, err := r.FetchMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.CommitMessages(ctx, m); err != nil {
			t.Fatal(err)
		}
		got = append(got, string(m.Value))
	}
	return strings.Join(got, " ")
}

// folderBytes counts the records' files alone.
func folderBytes(t *testing.T, dir string) int64 {
	t.Helper()
	var sum int64
	err := filepath.Walk(dir, func(path string, fi os.FileInfo, err error) error {
		if err == nil && filepath.Ext(path) == ".dat" {
			sum += fi.Size()
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil // deleted by retention meanwhile
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func eventually(t *testing.T, ok func() bool, state func() string) {
	t.Helper()
	deadline, tick := time.After(20*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", state())
		}
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
}
