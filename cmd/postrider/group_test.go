package main

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/postrider/postrider/internal/broker"
)

func TestParseTopicChoice(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]topicChoice{
		"email.bounced":           {"email.bounced", nil},
		"email.bounced:0":         {"email.bounced", []int{0}},
		"email.bounced:0,3-5,3-3": {"email.bounced", []int{0, 3, 4, 5, 3}},
	} {
		got, err := parseTopicChoice(in)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(topicChoice{})); err != nil || diff != "" {
			t.Errorf("%s: %v %s", in, err, diff)
		}
	}
	for _, in := range []string{"", ":0", "a:", "a:x", "a:-1", "a:1-", "a:3-1", "a:0,,1", "a:70000", "a:0-70000"} {
		if got, err := parseTopicChoice(in); err == nil {
			t.Errorf("%q: got %+v, want an error", in, got)
		}
	}
}

func TestChosenPartitions(t *testing.T) {
	t.Parallel()
	logs := groupLogs{"a": {0: {}, 1: {}, 2: {}}, "b": {0: {}}}
	got, err := chosenPartitions([]topicChoice{{"a", []int{2, 0}}, {"a", []int{2}}, {"b", nil}}, logs)
	if diff := cmp.Diff(map[string][]int{"a": {0, 2}, "b": {0}}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if got, err := chosenPartitions([]topicChoice{{"b", []int{1}}}, logs); err == nil || !strings.Contains(err.Error(), "topic b has no partition 1") {
		t.Errorf("got %v, %v", got, err)
	}
}

// What a plan says always exists, and what was committed is told as it was.
func TestPlanMoves(t *testing.T) {
	t.Parallel()
	g := broker.Group{Offsets: []broker.GroupOffset{{Topic: "a", Partition: 0, Offset: 7}, {Topic: "a", Partition: 1, Offset: 3}}}
	logs := groupLogs{"a": {0: {First: 5, Next: 10}, 1: {First: 5, Next: 10}, 2: {First: 0, Next: 0}}}
	chosen := map[string][]int{"a": {2, 1, 0}}
	at := func(n int64) *int64 { return &n }
	f := groupFlags{shift: -1}
	for name, tc := range map[string]struct {
		to   destination
		only []int
		want []groupMove
	}{
		"offset": {
			func(string, int, int64, broker.OffsetRange) (int64, string, error) { return 8, "", nil },
			[]int{2, 1, 0},
			[]groupMove{
				{Topic: "a", Partition: 0, Old: at(7), New: 8, First: 5, Next: 10, Lag: 2},
				{Topic: "a", Partition: 1, Old: at(3), New: 8, First: 5, Next: 10, Lag: 2},
				{Topic: "a", Partition: 2, New: 0, Note: "8 is past the end: the end instead"},
			},
		},
		"shift": {
			f.shifted,
			[]int{0, 1},
			[]groupMove{
				{Topic: "a", Partition: 0, Old: at(7), New: 6, First: 5, Next: 10, Lag: 4},
				{Topic: "a", Partition: 1, Old: at(3), New: 5, First: 5, Next: 10, Lag: 5, Note: "2 is before the start: the start instead"},
			},
		},
	} {
		chosen["a"] = tc.only
		got, err := planMoves(&g, logs, chosen, tc.to)
		if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	if got, err := planMoves(&g, logs, map[string][]int{"a": {2}}, f.shifted); err == nil || !strings.Contains(err.Error(), "a[2]: nothing is committed") {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestMovesHaveASign(t *testing.T) {
	t.Parallel()
	five := int64(5)
	for want, m := range map[string]groupMove{"-": {New: 3}, "0": {Old: &five, New: 5}, "+2": {Old: &five, New: 7}, "-5": {Old: &five, New: 0}} {
		if got := m.moves(); got != want {
			t.Errorf("%+v: got %q, want %q", m, got, want)
		}
	}
}

// Both forms of a file come back as they were; and the lines are those of Kafka's
// own tool, which puts longer names into quotes.
func TestOffsetFiles(t *testing.T) {
	t.Parallel()
	want := []offsetLine{{"email.bounced", 0, 5}, {"email.bounced", 12, 1 << 40}}
	for _, asJSON := range []bool{false, true} {
		var b bytes.Buffer
		f := offsetFile{Group: "g", Offsets: want}
		if err := f.write(&b, asJSON); err != nil {
			t.Fatal(err)
		}
		if got, err := parseOffsets(b.Bytes(), "g"); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: got %v, %v", b.String(), got, err)
		}
	}
	for in, want := range map[string][]offsetLine{
		"\"email.inbound.unsubscribed\",0,5\r\n\r\nemail.raw, 1, 6\r\n":                  {{"email.inbound.unsubscribed", 0, 5}, {"email.raw", 1, 6}},
		"g,a,0,1\nother,a,0,2\n\"g\",\"a\",1,3":                                          {{"a", 0, 1}, {"a", 1, 3}},
		"\ufeffa,0,1\n":                                                                  {{"a", 0, 1}},
		` {"group":"another","offsets":[{"topic":"a","partition":0,"offset":1}]}` + "\n": {{"a", 0, 1}},
	} {
		got, err := parseOffsets([]byte(in), "g")
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%q: %v %s", in, err, diff)
		}
	}
}

func TestOffsetFilesThatAreNone(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                      "no offsets of this group",
		"other,a,0,1\n":         "no offsets of this group",
		`{"offsets":[]}`:        "no offsets of this group",
		"a,0,1\na,0\n":          "line 2: expected topic,partition,offset",
		"a,0,1\n\na,x,1\n":      "line 3: partition and offset are not whole numbers",
		"a,0,1\na,0,2\n":        "a[0] is there twice",
		"a,-1,0\n":              "no offset of a partition",
		"a,0,-1\n":              "no offset of a partition",
		",0,1\n":                "no offset of a partition",
		"a,99999999999,1\n":     "not whole numbers",
		`a,"0` + "\n":           "line 1",
		`{"offsets":[{"x":1}]}`: "unknown field",
		`{"group":"g","offsets":[{"topic":"a","partition":0,"offset":1}]}x`: "something follows",
	} {
		if got, err := parseOffsets([]byte(in), "g"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v; want %q", in, got, err, want)
		}
	}
}

func TestShownNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"warehouse": "warehouse", "with blank": "with blank", "ü": "ü", "": `""`,
		"a\x1b[31m": `"a\x1b[31m"`, "a\n": `"a\n"`, "a\u202e": `"a\u202e"`, `a"`: `"a\""`, "\xff": `"\xff"`,
	} {
		if got := shown(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

// TestShiftsDoNotWrapAround: far forward is the end, and never the start.
func TestShiftsDoNotWrapAround(t *testing.T) {
	for shift, want := range map[int64]int64{math.MaxInt64: 9, math.MinInt64: 2, 1: 6, -1: 4} {
		g := &broker.Group{Offsets: []broker.GroupOffset{{Topic: "a", Offset: 5}}}
		logs := groupLogs{"a": {0: broker.OffsetRange{First: 2, Next: 9}}}
		plan, err := planMoves(g, logs, map[string][]int{"a": {0}}, (&groupFlags{shift: shift}).shifted)
		if err != nil || plan[0].New != want {
			t.Errorf("by %d: got %+v, %v; want %d", shift, plan, err, want)
		}
	}
}

// TestAMoveThatFailedIsNotCalledNothing: some partitions may be moved.
func TestAMoveThatFailedIsNotCalledNothing(t *testing.T) {
	var out bytes.Buffer
	c := &cli{out: &out, errOut: &out}
	c.concludeMove(&groupMoving{Group: "crm", uncertain: true})
	if got := out.String(); strings.Contains(got, "Nothing was changed") || !strings.Contains(got, "crm failed") {
		t.Errorf("got %s", got)
	}
}
