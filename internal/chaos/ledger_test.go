package main

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// world is a doctored run: a journal as text and the records that are there.
type world struct {
	t       *testing.T
	gen     *generator
	journal strings.Builder
	records []record
	serial  uint32
	request uint32
	offset  int64
}

// record is one record of a topic without the prefix.
type record struct {
	topic string
	msg   *broker.Message
}

// newWorld begins a run with one phase.
func newWorld(t *testing.T, order string) *world {
	t.Helper()
	w := &world{t: t, gen: testGenerator()}
	w.say("P 0 phase %s", order)
	return w
}

func (w *world) say(format string, args ...any) { fmt.Fprintf(&w.journal, format+"\n", args...) }

// sent makes a request with one event of a stream; nothing is in Kafka yet.
func (w *world) sent(stream uint32, retry string) marker {
	m := mark(w.serial, stream, w.serial)
	w.say("Q %d 0 %d 1 %x %s", w.request, m.serial, sha256.Sum256([]byte(w.gen.item(m))), retry)
	w.serial++
	w.request++
	return m
}

// answered notes an attempt at the newest request: when, for how long, status.
func (w *world) answered(at, took int64, status int) {
	w.answeredOn(at, at, took, status)
}

// answeredOn does so for an attempt on a connection that was made at since.
func (w *world) answeredOn(since, at, took int64, status int) {
	w.say("A %d %d %d %d %d", w.request-1, at, at+took, status, since)
}

// published puts an event's record there.
func (w *world) published(m marker) { w.typed(m); w.raw(m) }

func (w *world) typed(m marker) {
	topic, msg := received(w.t, w.gen, m)
	w.put(topic, msg)
}

func (w *world) raw(m marker) { w.put("raw", &broker.Message{Value: []byte(w.gen.item(m))}) }

func (w *world) put(topic string, msg *broker.Message) {
	msg.Offset = w.offset
	w.offset++
	w.records = append(w.records, record{topic, msg})
}

// verdict judges the one phase.
func (w *world) verdict() verdict {
	w.t.Helper()
	return w.ledger().verdictOf(0, 250*time.Millisecond)
}

// ledger reads the journal and then the records.
func (w *world) ledger() *ledger {
	w.t.Helper()
	l := newLedger(w.gen)
	if err := readJournal(strings.NewReader(w.journal.String()), l); err != nil {
		w.t.Fatal(err)
	}
	for _, r := range w.records {
		l.sight(r.topic, r.msg)
	}
	return l
}

// wantOnly fails unless the verdict's breaches are just those that name what.
func wantOnly(t *testing.T, v verdict, what ...string) {
	t.Helper()
	got := v.breaches()
	if len(got) != len(what) {
		t.Fatalf("breaches %q, want %d", got, len(what))
	}
	for i, w := range what {
		if !strings.Contains(got[i], w) {
			t.Errorf("breach %q, want one about %q", got[i], w)
		}
	}
}

func TestASoundRun(t *testing.T) {
	w := newWorld(t, "ordered")
	for i := range uint32(3 * streamBlock) {
		m := w.sent(i%streamBlock, "retry")
		w.answered(int64(i)*1000, 500, 503)
		w.answered(int64(i)*1000+600, 300, 200)
		w.published(m)
	}
	v := w.verdict()
	wantOnly(t, v)
	if v.Requests != 48 || v.Accepted != 48 || v.Present != 48 || v.Retried != 48 || v.Statuses[503] != 48 {
		t.Errorf("got %+v", v)
	}
	if v.P50 != 500*time.Microsecond || v.Max != 500*time.Microsecond {
		t.Errorf("p50 %v, max %v", v.P50, v.Max)
	}
}

func TestLostEvents(t *testing.T) {
	w := newWorld(t, "ordered")
	m := w.sent(0, "retry")
	w.answered(0, 500, 200)
	w.raw(m)
	w.sent(0, "once") // not accepted, not there: nobody promised anything
	w.answered(1000, 500, 503)
	wantOnly(t, w.verdict(), "1 events were accepted and are lost (I1)")
}

func TestLostRawCopies(t *testing.T) {
	w := newWorld(t, "ordered")
	m := w.sent(0, "retry")
	w.answered(0, 500, 200)
	w.typed(m)
	wantOnly(t, w.verdict(), "no raw copy (I1)")
}

func TestAlteredEvents(t *testing.T) {
	w := newWorld(t, "ordered")
	m := w.sent(0, "retry")
	w.answered(0, 500, 200)
	w.published(m)
	replace(w.records[0].msg, w.gen.fill(m)[:8], "00000000")
	// What was altered is not there as it was sent: it is lost, too.
	wantOnly(t, w.verdict(), "lost", "altered (I2)")
}

func TestInventedRecords(t *testing.T) {
	w := newWorld(t, "ordered")
	m := w.sent(0, "retry")
	w.answered(0, 500, 200)
	w.published(m)
	w.typed(mark(99, 0, 99)) // of this run, and never sent
	w.put("raw", &broker.Message{Value: []byte("{}")})
	w.put("opened", &broker.Message{Value: []byte("{}")})
	l := w.ledger()
	wantOnly(t, l.verdictOf(0, 0))
	if len(l.invented) != 3 {
		t.Errorf("invented %+v, want three", l.invented)
	}
}

func TestDuplicatesByTheirCause(t *testing.T) {
	for name, tt := range map[string]struct {
		attempts func(w *world)
		kill     string
		want     []string
	}{
		"sent again after a refusal":  {func(w *world) { w.answered(0, 10, 503); w.answered(20, 10, 200) }, "", []string{"1 duplicates, though"}},
		"accepted at once":            {func(w *world) { w.answered(0, 10, 200) }, "", []string{"1 duplicates, though"}},
		"in flight at a kill":         {func(w *world) { w.answered(0, 100, 0); w.answered(200, 10, 200) }, "F 50 bridge-kill 0 ", nil},
		"in flight before it is gone": {func(w *world) { w.answered(60, 10, 0); w.answered(200, 10, 200) }, "F 50 bridge-kill 0 65", nil},
		"begun when it was gone":      {func(w *world) { w.answered(70, 10, 0); w.answered(200, 10, 200) }, "F 50 bridge-kill 0 65", []string{"only 0 events were in flight"}},
		"in the spool at a kill, first sent when nobody was there": {
			func(w *world) { w.answeredOn(40, 70, 10, 0); w.answered(200, 10, 200) }, "F 50 bridge-kill 1 65", nil,
		},
		"in the spool at a kill, first sent to the next receiver": {
			func(w *world) { w.answered(70, 10, 0); w.answered(200, 10, 200) }, "F 50 bridge-kill 1 65", []string{"no kill explains"},
		},
		"killed at another time":    {func(w *world) { w.answered(0, 100, 0); w.answered(200, 10, 200) }, "F 150 bridge-kill 0 ", []string{"only 0 events were in flight"}},
		"in the spool at a kill":    {func(w *world) { w.answered(0, 10, 200) }, "F 150 bridge-kill 1 ", nil},
		"refused by a full spool":   {func(w *world) { w.answered(0, 10, 503); w.answered(20, 10, 200) }, "F 15 spool-full 0 ", nil},
		"not refused by a full one": {func(w *world) { w.answered(20, 10, 200) }, "F 15 spool-full 0 ", []string{"1 duplicates, though"}},
		"refused, and another in flight": {
			func(w *world) { w.answered(0, 10, 503); w.answered(20, 10, 200) }, "F 150 bridge-kill 1 ", []string{"no kill explains"},
		},
	} {
		w := newWorld(t, "ordered")
		if tt.kill != "" {
			w.say("%s", tt.kill)
		}
		m := w.sent(0, "retry")
		tt.attempts(w)
		w.published(m)
		w.published(m)
		t.Run(name, func(t *testing.T) { wantOnly(t, w.verdict(), tt.want...) })
	}
}

func TestOrder(t *testing.T) {
	w := newWorld(t, "ordered")
	var ms []marker
	for i, status := range []int{200, 200, 503, 200} { // the third is given up
		ms = append(ms, w.sent(0, "once"))
		w.answered(int64(i)*100, 10, status)
	}
	other := w.sent(streamBlock, "retry") // another key of the same kind
	w.answered(1000, 10, 200)
	for _, m := range []marker{ms[1], ms[3], other, ms[2], ms[0], ms[0]} {
		w.published(m)
	}
	v := w.verdict()
	if v.Order != 1 { // ms[0]'s first copy; ms[2] was never accepted
		t.Errorf("%d out of order, want 1: %+v", v.Order, v.offences)
	}
	l := w.ledger()
	l.phases[0].ordered = false
	unordered := newLedger(w.gen)
	if err := readJournal(strings.NewReader(strings.Replace(w.journal.String(), " ordered", " unordered", 1)), unordered); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.records {
		unordered.sight(r.topic, r.msg)
	}
	if got := unordered.verdictOf(0, 0).Order; got != 0 {
		t.Errorf("%d out of order where none is asked for", got)
	}
}

func TestLateAnswers(t *testing.T) {
	w := newWorld(t, "ordered")
	for i, took := range []int64{2_400_000, 2_700_000, 2_800_000} {
		m := w.sent(0, "retry")
		w.answered(int64(i)*10_000_000, took, 200)
		w.published(m)
	}
	v := w.verdict()
	wantOnly(t, v, "1 answers came too late (I6)")
	if v.Late != 2 {
		t.Errorf("%d late, want two: slack is told, not hidden", v.Late)
	}
	w.say("S %d %d", 21_000_000, 200_000) // this program slept for 0.2 s of the last one
	v = w.verdict()
	wantOnly(t, v)
	if v.Late != 2 || v.Stall != 200*time.Millisecond {
		t.Errorf("late %d, stalled %v", v.Late, v.Stall)
	}
}

func TestAnswersDuringAnOutage(t *testing.T) {
	w := newWorld(t, "ordered")
	w.say("F 1000000 %s 0 node 0", stepNodeKill)
	for _, at := range []int64{0, 1_500_000, 7_000_000, 9_500_000} {
		m := w.sent(0, "retry")
		w.answered(at, 1000+at/1000, 200)
		w.published(m)
	}
	w.say("F 9000000 %s 0 ", stepNodeKill+over)
	v := w.verdict()
	if v.OutageFirst != (answers{1, 2500 * time.Microsecond}) || v.OutageLater != (answers{1, 8 * time.Millisecond}) {
		t.Errorf("first %+v, later %+v", v.OutageFirst, v.OutageLater)
	}
}

func TestWrongAnswersAndStuckEvents(t *testing.T) {
	w := newWorld(t, "ordered")
	w.sent(0, "retry")
	w.answered(0, 10, 401)
	w.answered(20, 10, 429)
	wantOnly(t, w.verdict(), "1 events were never accepted", "1 answers were 401")
}

func TestJournalThatIsNotWhole(t *testing.T) {
	for _, text := range []string{
		"A 1 0 10 200", "P 0 phase", "Q 0 0 0 1 00 retry", "X", "P 0 a ordered\nA 0 0 1 200",
		"P 0 a ordered\nQ 0 1 0 1 " + strings.Repeat("0", 64) + " retry", "S 1 x",
	} {
		if err := readJournal(strings.NewReader(text), newLedger(testGenerator())); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
