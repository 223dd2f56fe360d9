package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/audit"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool"
)

// fill makes a spool that holds records, and leaves it as a process that ended.
func fill(t *testing.T, records ...broker.Record) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "spool")
	s := openSpool(t, dir)
	if _, err := s.Append(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openSpool(t *testing.T, dir string) *spool.Spool {
	t.Helper()
	s, err := spool.Open(spool.Options{Dir: dir, Now: time.Now, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// numbered are records of one key, in order.
func numbered(n int) []broker.Record {
	records := make([]broker.Record, n)
	for i := range records {
		records[i] = broker.Record{Topic: "email.bounced", Key: []byte("vfs/vfs/secret-message"), Value: fmt.Appendf(nil, "value %d", i), Time: time.UnixMilli(int64(i))}
	}
	return records
}

// setAside makes records in a spool ones that Kafka refused.
func setAside(t *testing.T, dir, cause string) {
	t.Helper()
	s := openSpool(t, dir)
	var refs []broker.Ref
	for _, p := range s.Pending() {
		refs = append(refs, p.Ref)
	}
	s.Settle(refs, errors.New(cause))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// damage changes a byte of the last record that mentions a text.
func damage(t *testing.T, dir, text string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.LastIndex(string(b), text); i >= 0 {
			b[i] ^= 1
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no segment has %q", text)
}

// stuck is a broker that takes no record until it is told to.
func stuck(t *testing.T) (env []string, loosen func()) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "email.bounced"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	refusing := make(chan struct{})
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		select {
		case <-refusing:
			return nil, nil, false
		default:
		}
		cluster.KeepControl()
		produce, _ := req.(*kmsg.ProduceRequest)
		return refuse(produce), nil, true
	})
	env = []string{"POSTRIDER_KAFKA_BROKERS=" + cluster.ListenAddrs()[0], "POSTRIDER_SPOOL_DRAIN_TIMEOUT=100ms"}
	return env, func() { close(refusing) }
}

// refuse says that too few replicas are in sync.
func refuse(req *kmsg.ProduceRequest) kmsg.Response {
	res, _ := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			part := kmsg.NewProduceResponseTopicPartition()
			part.Partition, part.ErrorCode = p.Partition, 19 // NOT_ENOUGH_REPLICAS
			topic.Partitions = append(topic.Partitions, part)
		}
		res.Topics = append(res.Topics, topic)
	}
	return res
}

// values are what a topic holds, partition by partition.
func values(t *testing.T, env []string, topic string) []string {
	t.Helper()
	client, err := broker.Dial(broker.Options{Brokers: []string{strings.TrimPrefix(env[0], "POSTRIDER_KAFKA_BROKERS=")}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ranges, err := client.Offsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for p, r := range ranges {
		err := client.Read(t.Context(), topic, p, r.First, r.Next, func(m broker.Message) error {
			list = append(list, string(m.Value))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// TestAdoptCanBeStopped: what a stop leaves is all there, in order, for the next try.
func TestAdoptCanBeStopped(t *testing.T) {
	t.Parallel()
	env, loosen := stuck(t)
	records := numbered(500)
	dir := fill(t, records...)
	out, _, err := postrider(t, env, "spool", "adopt", dir, "--timeout", "300ms", "--output", "json")
	var got adoption
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if exitCode(err) != 1 || got.Records != 500 || got.Left != 500 || got.Published != 0 || !strings.Contains(err.Error(), "500 records are left in "+dir) {
		t.Fatalf("stopped: %v, %+v", err, got)
	}
	loosen()
	out, _, err = postrider(t, env, "spool", "adopt", dir)
	if err != nil || !strings.Contains(out, "500 published, 0 left") {
		t.Fatalf("again: %v\n%s", err, out)
	}
	var want []string
	for _, r := range records {
		want = append(want, string(r.Value))
	}
	published := values(t, env, "email.bounced")
	published = published[max(0, len(published)-len(want)):] // what was on its way when the first one was stopped may be there before
	if diff := cmp.Diff(want, published); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

// TestAdoptNeedsTheTopics: nothing is begun that cannot be finished.
func TestAdoptNeedsTheTopics(t *testing.T) {
	t.Parallel()
	env, loosen := stuck(t)
	loosen()
	records := numbered(2)
	records[1].Topic = "email.elsewhere"
	dir := fill(t, records...)
	_, _, err := postrider(t, env, "spool", "adopt", dir)
	if err == nil || !strings.Contains(err.Error(), "topic email.elsewhere does not exist, and 1 record waits for it") {
		t.Errorf("%v", err)
	}
	if got := values(t, env, "email.bounced"); len(got) != 0 {
		t.Errorf("published %q", got)
	}
}

// TestAdoptOfASpoolInUse fails and leaves it as it is.
func TestAdoptOfASpoolInUse(t *testing.T) {
	t.Parallel()
	env, loosen := stuck(t)
	loosen()
	dir := fill(t, numbered(2)...)
	s := openSpool(t, dir)
	_, _, err := postrider(t, env, "spool", "adopt", dir)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d uses it", os.Getpid())) {
		t.Errorf("%v", err)
	}
	if got := s.State().Records; got != 2 {
		t.Errorf("%d records are left, want 2", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestAdoptTellsOfDamage: what a bad disk took is named; the rest is published.
func TestAdoptTellsOfDamage(t *testing.T) {
	t.Parallel()
	env, loosen := stuck(t)
	loosen()
	dir := fill(t, numbered(3)...)
	damage(t, dir, "value 1")
	out, _, err := postrider(t, env, "spool", "ls", "--dir", dir)
	if err != nil || !strings.Contains(out, "2 records wait") || !strings.Contains(out, "damaged: ") {
		t.Errorf("ls: %v\n%s", err, out)
	}
	out, stderr, err := postrider(t, env, "spool", "export", "--dir", dir)
	if exitCode(err) != 1 || strings.Count(out, "\n") != 2 || !strings.Contains(stderr, "note: ") {
		t.Errorf("export: %v\n%s%s", err, out, stderr)
	}
	out, _, err = postrider(t, env, "spool", "adopt", dir)
	if err != nil || !strings.Contains(out, "1 record lost to damage on the disk") {
		t.Errorf("adopt: %v\n%s", err, out)
	}
	if diff := cmp.Diff([]string{"value 0", "value 2"}, values(t, env, "email.bounced")); diff != "" {
		t.Error(diff)
	}
}

// TestAdoptMakesDeadLetters: an event that Kafka refuses for what it is becomes a
// dead letter, as at the receiver.
func TestAdoptMakesDeadLetters(t *testing.T) {
	t.Parallel()
	publish, env := cluster(t)
	publish() // nothing: it is the topics that are needed
	event := received(1, 1, time.Now())[1]
	var long strings.Builder // too large compressed, too
	for long.Len() < 2<<20 {
		long.WriteString(rand.Text())
	}
	event.Value = append(event.Value[:len(event.Value)-1], fmt.Sprintf(`,"reason":%q}`, long.String())...)
	dir := fill(t, event)
	out, _, err := postrider(t, env, "spool", "adopt", dir, "--output", "json")
	if err != nil || !strings.Contains(out, `"records":1,"published":1,"left":0,"set_aside":0`) {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := values(t, env, "email.deadletter"); len(got) != 1 || !strings.Contains(got[0], `"reason":"too_large"`) {
		t.Errorf("%d dead letters", len(got))
	}
}

// TestAdoptByMoving: the receiver of this machine publishes what it was given,
// behind what it has.
func TestAdoptByMoving(t *testing.T) {
	t.Parallel()
	records := numbered(3)
	gone, own := fill(t, records...), fill(t, numbered(1)...)
	env := []string{"POSTRIDER_SPOOL_DIR=" + own, "POSTRIDER_KAFKA_BROKERS=127.0.0.1:1"} // Kafka is away
	_, _, err := postrider(t, env, "spool", "adopt", own, "--move")
	if err == nil || !strings.Contains(err.Error(), "this machine's own spool") {
		t.Errorf("its own: %v", err)
	}
	s := openSpool(t, own)
	out, _, err := postrider(t, env, "spool", "adopt", gone, "--move")
	if err != nil || !strings.Contains(out, "3 records moved from "+gone+" into "+own+": the receiver publishes them (process ") {
		t.Fatalf("%v\n%s", err, out)
	}
	taken, err := s.TakeRequeued()
	if err != nil || len(taken) != len(records) {
		t.Fatalf("%d were taken, %v", len(taken), err)
	}
	for i, p := range taken {
		if got, err := s.Load(p.Ref); err != nil || string(got.Value) != string(records[i].Value) {
			t.Errorf("record %d: %q, %v", i, got.Value, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	out, _, err = postrider(t, env, "spool", "adopt", gone, "--move", "--output", "json")
	if err != nil || out != fmt.Sprintf(`{"dir":%q,"into":%q,"moved":0,"process":0}`+"\n", gone, own) {
		t.Errorf("again: %v\n%s", err, out)
	}
}

// TestExportIsWhole: what is exported can be published by other means.
func TestExportIsWhole(t *testing.T) {
	t.Parallel()
	rec := broker.Record{
		Topic: "email.raw", Key: []byte{0xff, 'k'}, Value: []byte{0, 1, 0xfe}, Time: time.UnixMilli(1_700_000_000_123),
		Headers: []broker.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte{0xff}}},
	}
	dir := fill(t, rec)
	setAside(t, dir, "it is too large")
	for args, want := range map[string]int{"": 0, "--dead": 1, "--all": 1} {
		out, _, err := postrider(t, nil, strings.Fields("spool export --dir "+dir+" "+args)...)
		if err != nil || strings.Count(out, "\n") != want {
			t.Errorf("%s: %v, %q", args, err, out)
			continue
		}
		if want == 0 {
			continue
		}
		var l spoolLine
		if err := json.Unmarshal([]byte(out), &l); err != nil {
			t.Fatal(err)
		}
		back := broker.Record{Topic: l.Topic, Key: l.KeyBase64, Value: l.Value, Time: l.Time}
		for _, h := range l.Headers {
			back.Headers = append(back.Headers, broker.Header{Key: h.Name, Value: append([]byte(h.Value), h.Base64...)})
		}
		if diff := cmp.Diff(rec, back); diff != "" || l.Cause != "it is too large" || l.Seq == 0 || l.StoredAt.IsZero() {
			t.Errorf("%s%s", diff, out)
		}
	}
}

// TestRequeueIsTakenByARunningProcess: the other process need not be asked.
func TestRequeueIsTakenByARunningProcess(t *testing.T) {
	t.Parallel()
	dir := fill(t, numbered(2)...)
	setAside(t, dir, "no")
	s := openSpool(t, dir)
	out, _, err := postrider(t, nil, "spool", "requeue", "--dir", dir, "1")
	if err != nil || !strings.Contains(out, fmt.Sprintf("1 record put back in line: the receiver takes them within seconds (process %d uses it)", os.Getpid())) {
		t.Errorf("%v\n%s", err, out)
	}
	taken, err := s.TakeRequeued()
	if err != nil || len(taken) != 1 || s.State().DeadRecords != 1 {
		t.Errorf("taken %v, %v; %d are set aside", taken, err, s.State().DeadRecords)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	out, _, err = postrider(t, nil, "spool", "requeue", "--dir", dir, "--all", "--output", "json")
	if err != nil || out != fmt.Sprintf(`{"damaged":0,"dir":%q,"process":0,"requeued":1}`+"\n", dir) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSpoolListIsBoundedAndTellsNoContent looks for anything of a record but its
// topic.
func TestSpoolListIsBoundedAndTellsNoContent(t *testing.T) {
	t.Parallel()
	dir := fill(t, numbered(3)...)
	setAside(t, dir, "refused\x1b[2J")
	waiting := fill(t, numbered(3)...)
	for _, d := range []string{dir, waiting} {
		for _, form := range []string{"text", "json"} {
			out, _, err := postrider(t, nil, "spool", "ls", "--dir", d, "--output", form)
			if err != nil || strings.Contains(out, "secret") || strings.Contains(out, "value") || strings.Contains(out, "\x1b") {
				t.Errorf("%v\n%s", err, out)
			}
		}
	}
}

// TestAuditReadsTheSpool: what waits on the disk is not missing.
func TestAuditReadsTheSpool(t *testing.T) {
	t.Parallel()
	publish, env := cluster(t)
	records := received(1, 4, time.Now().Add(-time.Hour))
	publish(records[0], records[1])
	dir := fill(t, records[2])
	setAside(t, dir, "refused")
	s := openSpool(t, dir)
	if _, err := s.Append(t.Context(), records[3:]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	out, _, err := postrider(t, append(env, "POSTRIDER_SPOOL_DIR="+dir), "audit")
	if err != nil || !strings.Contains(out, "1 request with records in the spool: not missing") ||
		!strings.Contains(out, "holds 2 records for Kafka, and 1 that Kafka refused: see `postrider spool ls`") {
		t.Errorf("%v\n%s", err, out)
	}
	out, _, err = postrider(t, env, "audit", "--output", "json")
	var got struct {
		Total audit.Source
		Spool *auditSpooled
	}
	if jsonErr := json.Unmarshal([]byte(out), &got); jsonErr != nil || err == nil || got.Spool != nil || got.Total.Incomplete != 1 {
		t.Errorf("without it: %v, %v, %+v", err, jsonErr, got)
	}
}

// TestSpoolNumbersComplete: the numbers of records complete.
func TestSpoolNumbersComplete(t *testing.T) {
	t.Parallel()
	dir := fill(t, numbered(2)...)
	setAside(t, dir, "no")
	out, _, err := postrider(t, nil, "__complete", "spool", "requeue", "--dir", dir, "")
	if err != nil || !strings.HasPrefix(out, "1\n2\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
