package ingest_test

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
)

// listed are the lists of a raw record.
func listed(r broker.Record) string {
	var text strings.Builder
	for _, name := range []string{"left-out", "dead-items", "duplicates", "conflicts", "reused-id"} {
		if v := header(r, name); v != "" {
			text.WriteString(" " + name + "=" + v)
		}
	}
	return text.String()
}

// The raw record says what became of its items, by their places in the payload.
func TestRawRecordListsItsItems(t *testing.T) {
	for mode, want := range map[dedupe.Mode]string{
		dedupe.Drop: " left-out=1,3,5 dead-items=2 conflicts=4",
		dedupe.Mark: " dead-items=2-3 duplicates=1,3,5 conflicts=4-5",
		dedupe.Off:  " dead-items=2-3",
	} {
		l := newLine(t, nil)
		l.src.Dedupe = mode
		l.want(ingest.ResultPublished, with("a", "one"), jetEvent("b"), jetEvent("c"), `17`)
		l.want(ingest.ResultPublished, with("a", "two"))
		l.want(ingest.ResultPublished, jetEvent("d"), jetEvent("b"), `{}`, `17`, with("c", "other"), with("a", "two"))
		raw := l.pub.topic("raw")
		if got := listed(raw[0]); got != " dead-items=3" {
			t.Errorf("%s: the first says%s", mode, got)
		}
		if got := listed(raw[2]); got != want {
			t.Errorf("%s: got%s, want%s", mode, got, want)
		}
	}
}

func TestRawRecordNamesTheWholeBody(t *testing.T) {
	l := newLine(t, nil)
	l.src.Dedupe = dedupe.Mark
	for range 2 {
		if _, err := l.acceptBody("not json", l.src); err != nil {
			t.Fatal(err)
		}
	}
	if got := listed(l.pub.topic("raw")[1]); got != " dead-items=* duplicates=*" {
		t.Errorf("got%s", got)
	}
}

func TestRawRecordSaysThatItsSignedIDIsAnothers(t *testing.T) {
	l := newLine(t, nil)
	for _, body := range []string{jetEvent("a"), jetEvent("b")} {
		if _, err := l.signedWith(covers, "n1", body); err != nil {
			t.Fatal(err)
		}
	}
	raw := l.pub.topic("raw")
	if got := listed(raw[0]) + listed(raw[1]); got != " reused-id=true" {
		t.Errorf("got%s", got)
	}
}

// A usual request's raw record has none of them.
func TestRawRecordOfPlainEventsListsNothing(t *testing.T) {
	l := newLine(t, nil)
	l.want(ingest.ResultPublished, jetEvent("a"), jetEvent("b"))
	if got := listed(l.pub.topic("raw")[0]); got != "" {
		t.Errorf("got%s", got)
	}
}

// What is recorded takes the place of a window: the same records come out. Off asks neither.
func TestRecordedDecisionsMakeTheSameRecords(t *testing.T) {
	recorded := &dedupe.Recorded{
		Repeat:  func(item int) bool { return item == 1 },
		Changed: func(item int) bool { return item == 2 },
		Reused:  true,
	}
	for mode, want := range map[dedupe.Mode]string{dedupe.Drop: "a! c!", dedupe.Mark: "a! b!+ c!", dedupe.Off: "a b c"} {
		l := newLine(t, func(o *ingest.PipelineOptions) { o.Window = recorded })
		l.src.Dedupe = mode
		for range 2 { // nothing is remembered
			l.want(ingest.ResultPublished, jetEvent("a"), jetEvent("b"), with("c", "two"))
		}
		l.wantPublished(want + " " + want)
		recs := l.pub.topic("outbound.delivered")
		if first, again := header(recs[0], "ce_id"), header(recs[len(recs)/2], "ce_id"); first != again {
			t.Errorf("%s: another id the second time", mode)
		}
	}
}
