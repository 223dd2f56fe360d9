package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/deadletter"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// after is a moment so many minutes after noon.
func after(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

// places are those of the letters that a filter means, in the order read.
func places(t *testing.T, r deadletter.Reader, f deadletter.Filter) []string {
	t.Helper()
	var got []string
	scan := deadletter.Scan{Reader: r, Topic: "dead", Filter: f}
	if err := scan.Each(t.Context(), func(l *deadletter.Letter) error {
		got = append(got, l.Place())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestFilters(t *testing.T) {
	top := newTopics(map[string]int{"dead": 3})
	top.letter(0, after(1), "missing_type", 3)
	top.letter(0, after(5), "invalid_json", 3)
	top.letter(1, after(3), "missing_type", 4)
	top.letter(1, after(2), "empty_body", 4) // late
	top.put("dead", 1, after(9), "somebody", "else")
	for _, tt := range []struct {
		name string
		f    deadletter.Filter
		want string
	}{
		{"all, by time", deadletter.Filter{}, "dead/0/0 dead/1/0 dead/1/1 dead/0/1 dead/1/2"},
		{"reason", deadletter.Filter{Reasons: []string{"missing_type"}}, "dead/0/0 dead/1/0"},
		{"two reasons", deadletter.Filter{Reasons: []string{"missing_type", "empty_body"}}, "dead/0/0 dead/1/0 dead/1/1"},
		{"stage", deadletter.Filter{Stages: []string{"validate"}}, ""},
		{"provider and source", deadletter.Filter{Providers: []string{"p"}, Sources: []string{"s"}}, "dead/0/0 dead/1/0 dead/1/1 dead/0/1"},
		{"mapper", deadletter.Filter{Mappers: []int{4}, Reasons: []string{"missing_type"}}, "dead/1/0"},
		{"from, with a late one", deadletter.Filter{From: after(3)}, "dead/1/0 dead/0/1 dead/1/2"},
		{"to is exclusive", deadletter.Filter{To: after(3)}, "dead/0/0 dead/1/1"},
		{"places, in their order", deadletter.Filter{Places: []broker.Position{{Topic: "dead", Partition: 1, Offset: 1}, {Topic: "dead", Offset: 0}}}, "dead/1/1 dead/0/0"},
	} {
		if got := strings.Join(places(t, top, tt.f), " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestPlacesThatAreNot(t *testing.T) {
	top := newTopics(map[string]int{"dead": 2})
	for i := range 5 {
		top.letter(0, after(i), "r", 1)
	}
	top.forget("dead", 0, 2)
	for _, tt := range []struct {
		at   broker.Position
		want string
	}{
		{broker.Position{Topic: "dead", Offset: 1}, "there is no record at dead/0/1: the partition holds offsets 2 to 4"},
		{broker.Position{Topic: "dead", Offset: 5}, "there is no record at dead/0/5: the partition holds offsets 2 to 4"},
		{broker.Position{Topic: "dead", Partition: 1}, "there is no record at dead/1/0: the partition is empty"},
		{broker.Position{Topic: "dead", Partition: 9}, "there is no record at dead/9/0: the partition is empty"},
		{broker.Position{Topic: "raw"}, "raw/0/0 is no dead letter: their topic is dead"},
	} {
		scan := deadletter.Scan{Reader: top, Topic: "dead", Filter: deadletter.Filter{Places: []broker.Position{tt.at}}}
		err := scan.Each(t.Context(), func(*deadletter.Letter) error { return nil })
		if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %s", tt.at, err, tt.want)
		}
	}
}

func TestRetentionDuringAScanIsTold(t *testing.T) {
	top := newTopics(map[string]int{"dead": 1})
	for i := range 5 {
		top.letter(0, after(i), "r", 1)
	}
	top.expire = func() { top.forget("dead", 0, 3) }
	var expired int64
	var got []string
	scan := deadletter.Scan{Reader: top, Topic: "dead", Expired: func(g *broker.OffsetGapError) { expired += g.Log.First - g.Offset }}
	if err := scan.Each(t.Context(), func(l *deadletter.Letter) error { got = append(got, l.Place()); return nil }); err != nil {
		t.Fatal(err)
	}
	if expired != 3 || !slices.Equal(got, []string{"dead/0/3", "dead/0/4"}) {
		t.Errorf("%d expired, got %v", expired, got)
	}
}

// A scan ends with the callback, the context and the reader, and leaves nothing open.
func TestAScanEnds(t *testing.T) {
	top := newTopics(map[string]int{"dead": 2})
	for i := range 6 {
		top.letter(i%2, after(i), "r", 1)
	}
	scan := deadletter.Scan{Reader: top, Topic: "dead"}
	n := 0
	if err := scan.Each(t.Context(), func(*deadletter.Letter) error { n++; return broker.ErrStop }); err != nil || n != 1 {
		t.Errorf("ErrStop: %d letters, %v", n, err)
	}
	broken := errors.New("broken")
	if err := scan.Each(t.Context(), func(*deadletter.Letter) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := scan.Each(ctx, func(*deadletter.Letter) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	scan.Topic = "none"
	if err := scan.Each(t.Context(), nil); err == nil {
		t.Error("a topic that is not there was read")
	}
}

func TestGroups(t *testing.T) {
	top := newTopics(map[string]int{"dead": 1})
	var g deadletter.Groups
	g.Add(top.letter(0, after(7), "missing_type", 3), "")
	g.Add(top.letter(0, after(5), "missing_type", 3), deadletter.Redriven)
	g.Add(top.letter(0, after(6), "missing_type", 3), deadletter.Dismissed)
	g.Add(top.letter(0, after(1), "empty_body", 3), "")
	g.Add(top.letter(0, after(1), "missing_type", 2), "")
	var got []string
	for _, x := range g.List() {
		got = append(got, fmt.Sprintf("%s %d: %d %d %d, %d to %d", x.Reason, x.Mapper, x.Open, x.Redriven, x.Dismissed,
			int(x.First.Sub(noon).Minutes()), int(x.Last.Sub(noon).Minutes())))
	}
	want := []string{"empty_body 3: 1 0 0, 1 to 1", "missing_type 2: 1 0 0, 1 to 1", "missing_type 3: 1 1 1, 5 to 7"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("groups (-want +got):\n%s", d)
	}
}

func TestRawRecordsAreFoundByKeyAndTime(t *testing.T) {
	top := newTopics(map[string]int{"dead": 1, "raw": 4})
	find := func(l *deadletter.Letter) string {
		t.Helper()
		m, err := (&deadletter.Raws{Reader: top, Topic: "raw"}).Find(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		if m == nil {
			return ""
		}
		return fmt.Sprintf("%d/%d", m.Partition, m.Offset)
	}
	l := top.letter(0, after(60), "r", 1)
	home := broker.PartitionFor(l.Key, 4)
	for i := range 50 {
		top.put("raw", home, after(i), "s/older", "x")
	}
	for i := range 5 {
		top.put("raw", home, after(61+i), "s/newer", "x") // it came late, after a stay in a spool
	}
	top.put("raw", home, after(60), string(l.Key), "x")
	if got, want := find(l), fmt.Sprintf("%d/55", home); got != want {
		t.Errorf("found at %q, want %q", got, want)
	}
	if top.reading > 6 {
		t.Errorf("%d records were read, want those from the request's time on", top.reading)
	}
	// Two days later is not looked; nor is what retention took.
	other := top.letter(0, after(61), "r", 1)
	at := broker.PartitionFor(other.Key, 4)
	top.put("raw", at, after(61+49*60), "s/much later", "x")
	top.put("raw", at, after(61), string(other.Key), "x")
	if got := find(other); at != home && got != "" {
		t.Errorf("found at %q behind records of two days later", got)
	}
	top.forget("raw", home, 56)
	if got := find(l); got != "" {
		t.Errorf("found at %q, although it expired", got)
	}
	// The topic had fewer partitions then.
	third := top.letter(0, after(62), "r", 1)
	elsewhere := (broker.PartitionFor(third.Key, 4) + 1) % 4
	m := top.put("raw", elsewhere, after(62), string(third.Key), "x")
	if got, want := find(third), fmt.Sprintf("%d/%d", elsewhere, m.Offset); elsewhere != at && got != want {
		t.Errorf("found at %q, want %q", got, want)
	}
}

func TestTheLastRawRecordIsKept(t *testing.T) {
	top := newTopics(map[string]int{"dead": 1, "raw": 1})
	l := top.letter(0, after(60), "r", 1)
	top.put("raw", 0, after(60), string(l.Key), "x")
	raws := &deadletter.Raws{Reader: top, Topic: "raw"}
	for range 3 {
		if m, err := raws.Find(t.Context(), l); m == nil || err != nil {
			t.Fatalf("got %v, %v", m, err)
		}
	}
	if top.reading != 1 {
		t.Errorf("%d records were read, want 1", top.reading)
	}
}
