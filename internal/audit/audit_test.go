package audit_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/postrider/postrider/internal/audit"
	"github.com/postrider/postrider/pkg/event"
)

// noon is within the window of the tests, which is the day.
var (
	midnight = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	noon     = midnight.Add(12 * time.Hour)
	day      = audit.Options{From: midnight, To: midnight.Add(24 * time.Hour), Settled: midnight.Add(24 * time.Hour)}
)

// made is a request as it lies in the topics.
type made struct {
	n       int // decides about its raw id
	source  string
	at      time.Time
	body    string
	events  []string // what each event's id is made of
	dead    []string // bodies of dead letters
	repeats int
}

// hash is 32 hex digits.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

func (m *made) rawID() string { return fmt.Sprintf("01a1ffc0-edd0-7268-8cc8-%012x", m.n) }

func (m *made) stamp() string { return event.NewTime(m.at, 3).String() }

// raw is the request's record in the raw topic.
func (m *made) raw() audit.Record {
	return audit.Record{
		Kind: audit.Raw, Topic: "email.raw", Partition: m.n % 6, Offset: int64(m.n), Value: []byte(m.body),
		Headers: []event.Header{
			{Key: "source", Value: []byte(m.source)},
			{Key: "id", Value: []byte(m.rawID())},
			{Key: "received_at", Value: []byte(m.stamp())},
			{Key: "events", Value: strconv.AppendInt(nil, int64(len(m.events)), 10)},
			{Key: "dead-letters", Value: strconv.AppendInt(nil, int64(len(m.dead)), 10)},
			{Key: "repeats", Value: strconv.AppendInt(nil, int64(m.repeats), 10)},
		},
	}
}

// event is the record of one of its events.
func (m *made) event(i int) audit.Record {
	e := event.Event{
		Schema: event.Schema, ID: hash(m.source + m.events[i]), Type: event.Bounced, Family: event.Bounced.Family(), Direction: event.Outbound,
		Provider: "vfs", Source: m.source, ProviderType: "HardBounce", ReceivedAt: event.NewTime(m.at, 3), RawID: m.rawID(),
	}
	return audit.Record{
		Kind: audit.Typed, Topic: "email.bounced", Partition: i, Offset: int64(m.n),
		Value: e.AppendJSON(nil), Headers: e.AppendHeaders(nil, event.Stamp{}),
	}
}

// letter is the record of one of its dead letters.
func (m *made) letter(i int) audit.Record {
	return audit.Record{
		Kind: audit.DeadLetter, Topic: "email.deadletter", Partition: i, Offset: int64(m.n),
		Headers: []event.Header{{Key: "source", Value: []byte(m.source)}, {Key: "id", Value: []byte(m.rawID())}, {Key: "reason", Value: []byte("invalid_json")}},
		Value: fmt.Appendf(nil, `{"reason":"invalid_json","source":%q,"received_at":%q,"raw_id":%q,"index":%d,"body":%q}`,
			m.source, m.stamp(), m.rawID(), i, base64.StdEncoding.EncodeToString([]byte(m.dead[i]))),
	}
}

// records are all of it.
func (m *made) records() []audit.Record {
	list := []audit.Record{m.raw()}
	for i := range m.events {
		list = append(list, m.event(i))
	}
	for i := range m.dead {
		list = append(list, m.letter(i))
	}
	return list
}

// batch is a request with three events and a dead letter.
func batch(n int) *made {
	return &made{
		n: n, source: "vfs", at: noon, body: fmt.Sprintf("body %d", n),
		events: []string{fmt.Sprintf("a%d", n), fmt.Sprintf("b%d", n), fmt.Sprintf("c%d", n)}, dead: []string{fmt.Sprintf("bad %d", n)},
	}
}

// without leaves out one record.
func without(list []audit.Record, i int) []audit.Record {
	return slices.Concat(list[:i], list[i+1:])
}

// and adds records, without touching the list.
func and(list []audit.Record, more ...audit.Record) []audit.Record { return slices.Concat(list, more) }

// spooled is the record before it is in its topic.
func spooled(r audit.Record) audit.Record {
	r.Offset, r.Partition = audit.InSpool, 0
	return r
}

// with adds or replaces a header.
func with(r audit.Record, name, value string) audit.Record {
	kept := []event.Header{{Key: name, Value: []byte(value)}}
	for _, h := range r.Headers {
		if h.Key != name {
			kept = append(kept, h)
		}
	}
	r.Headers = kept
	return r
}

// run audits records in the order given and in the reverse one, which must not
// make a difference but to the order of findings and to which of two is the copy.
func run(t *testing.T, o audit.Options, records ...audit.Record) *audit.Report {
	t.Helper()
	forth, back := audit.New(o), audit.New(o)
	for i := range records {
		forth.Add(&records[i])
		back.Add(&records[len(records)-1-i])
	}
	got := forth.Report()
	if diff := cmp.Diff(got.Sources, back.Report().Sources, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the order of records makes a difference (-forth +back):\n%s", diff)
	}
	return got
}

// kinds are the findings' kinds.
func kinds(r *audit.Report) []string {
	var list []string
	for _, f := range r.Findings {
		list = append(list, f.Kind)
	}
	return list
}

func TestWholeRequestsGiveNoFinding(t *testing.T) {
	t.Parallel()
	repeat := made{n: 3, source: "jet", at: noon, body: "again", repeats: 2}
	got := run(t, day, slices.Concat(batch(1).records(), batch(2).records(), repeat.records())...)
	want := []audit.Source{{Name: "jet", Requests: 1, Repeats: 2}, {Name: "vfs", Requests: 2, Events: 6, DeadLetters: 2}}
	if diff := cmp.Diff(want, got.Sources); diff != "" || len(got.Findings) != 0 || got.Missing() != 0 {
		t.Errorf("%s\n%+v", diff, got.Findings)
	}
	if want := (audit.Source{Name: "all", Requests: 3, Events: 6, DeadLetters: 2, Repeats: 2}); got.Total != want {
		t.Errorf("total %+v, want %+v", got.Total, want)
	}
}

// TestFindings doctors a stream in every way there is, and names what must be found.
func TestFindings(t *testing.T) {
	t.Parallel()
	b := batch(1)
	all := b.records()
	place := func(kind, where, detail string, expected, found int) audit.Finding {
		return audit.Finding{
			Kind: kind, Source: "vfs", RawID: b.rawID(), Place: where, ReceivedAt: noon, Expected: expected, Found: found, Detail: detail,
		}
	}
	garbage := audit.Record{Kind: audit.Typed, Topic: "email.sent", Partition: 2, Offset: 7, Value: []byte("no JSON")}
	other := *batch(2)
	other.events = []string{"a1"}
	for name, c := range map[string]struct {
		records []audit.Record
		want    audit.Finding
		missing int
	}{
		"an event is missing": {
			without(all, 2), place(audit.Incomplete, "email.raw[1]@1", "1 of 4 events and dead letters are missing", 4, 3), 1,
		},
		"a dead letter is missing": {
			without(all, 4), place(audit.Incomplete, "email.raw[1]@1", "1 of 4 events and dead letters are missing", 4, 3), 1,
		},
		"an event is missing and another is there twice": {
			and(without(all, 2), all[1]), place(audit.Duplicate, "email.bounced[0]@1", "event "+hash("vfsa1")+" is there again, of the same request", 0, 0), 1,
		},
		"the raw record is missing": {
			all[1:], place(audit.Orphaned, "email.bounced[0]@1", "the raw record that they name is missing", 0, 4), 1,
		},
		"an event was published twice": {
			and(all, all[1]), place(audit.Duplicate, "email.bounced[0]@1", "event "+hash("vfsa1")+" is there again, of the same request", 0, 0), 0,
		},
		"another request has the same event": {
			and(other.records(), all...),
			place(audit.Duplicate, "email.bounced[0]@1", "event "+hash("vfsa1")+" is also there of request "+other.rawID(), 0, 0), 0,
		},
		"a request has more than it says": {
			and([]audit.Record{with(all[0], "events", "2")}, all[1:]...), place(audit.Surplus, "email.raw[1]@1", "the request says that it has 3, and 4 are there", 3, 4), 0,
		},
		"a record is none of ours": {
			and(all, garbage),
			audit.Finding{Kind: audit.Unreadable, Place: "email.sent[2]@7", Detail: "it is no JSON object with an event's fields"},
			0,
		},
	} {
		got := run(t, day, c.records...)
		if len(got.Findings) == 0 || cmp.Diff(c.want, got.Findings[0]) != "" || got.Missing() != c.missing {
			t.Errorf("%s: %d missing, findings %+v, want %+v", name, got.Missing(), got.Findings, c.want)
		}
	}
}

// TestExplanations: what lacks something for a known reason is counted and is no finding.
func TestExplanations(t *testing.T) {
	t.Parallel()
	b, retry := batch(1), *batch(1)
	retry.n, retry.at = 9, noon.Add(time.Minute)
	all, part := b.records(), without(b.records(), 2)
	again := retry.records()
	late := day
	late.To, late.Settled = noon.Add(time.Second), noon.Add(-time.Second)
	uncounted, halfCounted := part[0], part[0]
	uncounted.Headers, halfCounted.Headers = uncounted.Headers[:3], halfCounted.Headers[:4]
	first := made{n: 7, source: "jet", at: noon, body: "first", events: []string{"x"}}
	for name, c := range map[string]struct {
		opt     audit.Options
		records []audit.Record
		want    audit.Source // of Explained to Uncheckable
	}{
		"and another source came first":            {day, slices.Concat(first.records(), part, again), audit.Source{Explained: 1}},
		"the provider's retry is whole":            {day, and(part, again...), audit.Source{Explained: 1}},
		"so it is after the window's end":          {audit.Options{From: day.From, To: noon.Add(time.Second), Settled: day.Settled}, and(part, again...), audit.Source{Explained: 1}},
		"crashed before the raw record":            {day, and(all[2:], again...), audit.Source{Explained: 1}},
		"the rest is in the spool":                 {day, and(part, spooled(all[2])), audit.Source{Spooled: 1}},
		"the raw record is in the spool":           {day, and(all[1:], spooled(all[0])), audit.Source{Spooled: 1}},
		"all of it is in the spool":                {day, []audit.Record{spooled(all[0]), spooled(all[1]), spooled(all[2]), spooled(all[3]), spooled(all[4])}, audit.Source{Spooled: 1}},
		"received when the audit began":            {late, part, audit.Source{InProgress: 1}},
		"received then, the raw record is missing": {late, all[1:], audit.Source{InProgress: 1}},
		"a version that did not count":             {day, and([]audit.Record{uncounted}, part[1:]...), audit.Source{Uncheckable: 1}},
		"one that counted events only":             {day, and([]audit.Record{halfCounted}, part[1:]...), audit.Source{Uncheckable: 1}},
	} {
		got := run(t, c.opt, c.records...)
		total := audit.Source{
			Explained: got.Total.Explained, Spooled: got.Total.Spooled, InProgress: got.Total.InProgress, Uncheckable: got.Total.Uncheckable,
		}
		for _, f := range got.Findings {
			if f.Kind != audit.Duplicate { // the retry's events are there a second time, and are reported so
				t.Errorf("%s: %+v", name, f)
			}
		}
		if total != c.want {
			t.Errorf("%s: %+v, want %+v", name, total, c.want)
		}
	}
}

// TestRetention: what may have been deleted is not missing.
func TestRetention(t *testing.T) {
	t.Parallel()
	all := batch(1).records()
	before, after := noon, noon.Add(time.Millisecond)
	for name, c := range map[string]struct {
		records      []audit.Record
		raw, typed   time.Time
		missing, old int
	}{
		"events may be deleted":                {without(all, 2), before, after, 0, 1},
		"only raw records of that time may be": {without(all, 2), after, before, 1, 0},
		"the raw record may be deleted":        {all[1:], after, before, 0, 1},
		"only events of that time may be":      {all[1:], before, after, 1, 0},
		"all may be deleted, and none is":      {all, after, after, 0, 0},
	} {
		a := audit.New(day)
		a.Kept(c.raw, c.typed)
		for i := range c.records {
			a.Add(&c.records[i])
		}
		if got := a.Report(); got.Missing() != c.missing || got.Total.Uncheckable != c.old {
			t.Errorf("%s: %d missing, %d not checkable, want %d and %d", name, got.Missing(), got.Total.Uncheckable, c.missing, c.old)
		}
	}
}

// TestNoExplanation: what looks like one and is none.
func TestNoExplanation(t *testing.T) {
	t.Parallel()
	b := batch(1)
	part := without(b.records(), 2)
	repeat := made{n: 2, source: "vfs", at: noon.Add(time.Minute), body: b.body, repeats: 3}
	stranger := *batch(1)
	stranger.n, stranger.source = 3, "jet"
	halfRetry := *batch(1)
	halfRetry.n = 4
	smaller := made{n: 5, source: "vfs", at: noon, body: "smaller", events: b.events[:2]}
	queried := *batch(1)
	queried.n = 6
	otherQuery := queried.records()
	otherQuery[0] = with(otherQuery[0], "query", "recipient=b%40example.com")
	uncounted := b.raw()
	uncounted.Headers = uncounted.Headers[:3]
	for name, c := range map[string]struct {
		records []audit.Record
		missing int
	}{
		"a repeat that was dropped because of it": {and(part, repeat.records()...), 1},
		"the same body at another source":         {and(part, stranger.records()...), 1},
		"the same body with other parameters":     {slices.Concat(part, otherQuery), 1},
		"a retry of half of the orphans":          {slices.Concat(b.records()[1:], smaller.records()), 1},
		"orphans like them":                       {slices.Concat(b.records()[1:], halfRetry.records()[1:]), 2},
		"a retry that lacks something too":        {and(part, without(halfRetry.records(), 1)...), 2},
		"a dead letter whose request is missing":  {b.records()[4:], 1},
		"nothing of an uncounted request":         {[]audit.Record{uncounted}, 1},
	} {
		if got := run(t, day, c.records...); got.Missing() != c.missing {
			t.Errorf("%s: %d missing, want %d: %+v", name, got.Missing(), c.missing, got.Findings)
		}
	}
}

// TestMarks: copies that say what they are.
func TestMarks(t *testing.T) {
	t.Parallel()
	b := batch(1)
	all := b.records()
	marking := *batch(2)
	marking.events, marking.dead = []string{"a1", "new"}, nil
	copies := marking.records()
	copies[1] = with(copies[1], "duplicate", "true")
	conflict := *batch(3)
	conflict.events, conflict.dead = []string{"a1 with other content"}, nil
	odd := conflict.records()
	odd[1] = with(odd[1], "conflict", "true")
	replayed := with(all[2], "replay-id", "7")
	replayed.Offset = 99
	late := *batch(1)
	late.events = []string{"what the dead letter has become"}
	redriven := with(late.records()[1], "redrive-of", "email.deadletter/0/3")
	redriven.Offset = 100
	again := *batch(4)
	again.events, again.dead = conflict.events, nil
	odder := again.records()
	odder[1] = with(odder[1], "conflict", "true")
	got := run(t, day, and(slices.Concat(all, copies, odd, odder), replayed, redriven)...)
	want := []audit.Source{{Name: "vfs", Requests: 4, Events: 7, DeadLetters: 1, Conflicts: 2}}
	if diff := cmp.Diff(want, got.Sources); diff != "" || len(got.Findings) != 0 {
		t.Errorf("%s\n%+v", diff, got.Findings)
	}
}

// TestRepeatingSources: where repeats are published, one request may hold an event
// several times, and each counts.
func TestRepeatingSources(t *testing.T) {
	t.Parallel()
	b := batch(1)
	b.events = []string{"a1", "a1", "a1"}
	all := b.records()
	marked := append([]audit.Record{}, all...)
	marked[2], marked[3] = with(all[2], "duplicate", "true"), with(all[3], "duplicate", "true")
	o := day
	o.Repeating = map[string]bool{"vfs": true}
	for name, c := range map[string]struct {
		opt                 audit.Options
		records             []audit.Record
		missing, duplicates int
	}{
		"off":                      {o, all, 0, 2},
		"mark":                     {o, marked, 0, 0},
		"off, one missing":         {o, without(all, 3), 1, 1},
		"mark, one missing":        {o, without(marked, 3), 1, 0},
		"drop publishes no copies": {day, all, 1, 2},
	} {
		if got := run(t, c.opt, c.records...); got.Missing() != c.missing || got.Total.Duplicates != c.duplicates {
			t.Errorf("%s: %d missing, %d duplicates, want %d, %d: %+v", name, got.Missing(), got.Total.Duplicates, c.missing, c.duplicates, got.Findings)
		}
	}
}

// TestWithoutRawCopy: a request too large for a raw copy names none.
func TestWithoutRawCopy(t *testing.T) {
	t.Parallel()
	b := batch(1)
	named := b.event(0)
	e, err := event.Decode(named.Value)
	if err != nil {
		t.Fatal(err)
	}
	e.RawID = ""
	named.Value = e.AppendJSON(nil)
	letter := b.letter(0)
	letter.Value = []byte(`{"reason":"invalid_json","source":"vfs","received_at":"2026-11-21T12:00:00.000Z","body":""}`)
	got := run(t, day, named, letter)
	want := []audit.Source{{Name: "vfs", Events: 1, DeadLetters: 1, WithoutRaw: 1}}
	if diff := cmp.Diff(want, got.Sources); diff != "" || len(got.Findings) != 0 {
		t.Errorf("%s\n%+v", diff, got.Findings)
	}
}

// TestWindow: what was received outside of the window is not judged.
func TestWindow(t *testing.T) {
	t.Parallel()
	var records []audit.Record
	for i, at := range []time.Time{midnight.Add(-time.Millisecond), midnight, day.To.Add(-time.Millisecond), day.To} {
		b := batch(i + 1)
		b.at = at
		records = append(records, without(b.records(), 1)...)
	}
	got := run(t, day, records...)
	if got.Total.Requests != 2 || got.Total.Incomplete != 2 || got.Total.Events != 4 {
		t.Errorf("%+v", got.Total)
	}
}

// TestCopiesOfRecords: a crash has records published again, which is a duplicate
// only where consumers see it.
func TestCopiesOfRecords(t *testing.T) {
	t.Parallel()
	all := batch(1).records()
	twice := and(all, spooled(all[0]), spooled(all[1]), all[0], all[4])
	got := run(t, day, twice...)
	if want := (audit.Source{Name: "all", Requests: 1, Events: 3, DeadLetters: 2}); got.Total != want || len(got.Findings) != 0 {
		t.Errorf("%+v, want %+v; %+v", got.Total, want, got.Findings)
	}
}

// TestCopiesInTheSpool: a record that is drained may be read from both, or twice
// from the spool.
func TestCopiesInTheSpool(t *testing.T) {
	t.Parallel()
	b, retry := batch(1), *batch(1)
	retry.n = 2
	waiting := make([]audit.Record, 0, 10)
	for _, r := range b.records() {
		waiting = append(waiting, spooled(r), spooled(r))
	}
	got := run(t, day, waiting...)
	if want := (audit.Source{Name: "all", Requests: 1, Spooled: 1}); got.Total != want || len(got.Findings) != 0 {
		t.Errorf("%+v, want %+v; %+v", got.Total, want, got.Findings)
	}
	second := make([]audit.Record, 0, 10)
	for _, r := range retry.records()[1:] {
		second = append(second, spooled(r), spooled(r))
	}
	second = append(second, retry.raw())
	got = run(t, day, slices.Concat(waiting, b.records(), second)...)
	if want := (audit.Source{Name: "all", Requests: 2, Events: 3, DeadLetters: 1, Spooled: 1}); got.Total != want || len(got.Findings) != 0 {
		t.Errorf("drained: %+v, want %+v; %+v", got.Total, want, got.Findings)
	}
	got = run(t, day, slices.Concat(waiting, retry.records())...)
	if want := (audit.Source{Name: "all", Requests: 2, Events: 3, DeadLetters: 1, Spooled: 1}); got.Total != want || len(got.Findings) != 0 {
		t.Errorf("not a duplicate yet: %+v, want %+v; %+v", got.Total, want, got.Findings)
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	b := batch(1)
	raw, typed, dead := b.raw(), b.event(0), b.letter(0)
	value := func(r audit.Record, v string) audit.Record { r.Value = []byte(v); return r }
	bad := []audit.Record{
		with(raw, "source", ""), with(raw, "id", "x"), with(raw, "id", "00000000-0000-0000-0000-000000000000"), with(raw, "received_at", "noon"),
		with(raw, "events", "-1"), with(raw, "dead-letters", "many"), with(raw, "repeats", "1.5"), with(raw, "events", "99999999999"),
		value(typed, ""), value(typed, "[]"), value(typed, `{"schema":"other/1"}`), with(typed, "ce_id", "x"),
		value(typed, `{"schema":"email-event/1","id":"00","source":"a","received_at":"2026-11-21T12:00:00Z"}`),
		value(typed, `{"schema":"email-event/1","id":"00","source":"","received_at":"2026-11-21T12:00:00Z"}`),
		value(typed, `{"schema":"email-event/1","id":"00","source":"a","received_at":"2026-11-21T12:00:00Z","raw_id":"7"}`),
		value(dead, "null"), value(dead, "{"), with(dead, "reason", "other"),
	}
	got := run(t, day, bad...)
	if got.Unreadable != len(bad) || len(got.Findings) != len(bad) {
		t.Fatalf("%d of %d are unreadable: %+v", got.Unreadable, len(bad), got.Findings)
	}
	for i, f := range got.Findings {
		if f.Kind != audit.Unreadable || f.Detail == "" {
			t.Errorf("record %d: %+v", i, f)
		}
	}
}

func TestFindingsAreBounded(t *testing.T) {
	t.Parallel()
	o := day
	o.MaxFindings = 2
	var records []audit.Record
	for n := range 5 {
		records = append(records, batch(n + 1).records()[:2]...)
	}
	got := run(t, o, records...)
	if len(got.Findings) != 2 || got.Omitted[audit.Incomplete] != 3 || got.Missing() != 5 {
		t.Errorf("%v, %v omitted, %d missing", kinds(got), got.Omitted, got.Missing())
	}
}
