package normalize_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/pkg/event"
)

func TestItemsAreWrittenAsSpans(t *testing.T) {
	for want, items := range map[string]normalize.Items{
		"": nil, "0": {0}, "0,3-5": {0, 3, 4, 5}, "1-2,4": {1, 2, 4}, "*": {-1}, "7,9": {7, 9},
	} {
		if got := string(items.AppendText(nil)); got != want {
			t.Errorf("%v: got %q, want %q", items, got, want)
		}
	}
}

func TestItemsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := normalize.Items(rapid.SliceOfDistinct(rapid.IntRange(0, 60), rapid.ID[int]).Draw(t, "items"))
		slices.Sort(items)
		text := string(items.AppendText(nil))
		got, err := normalize.ParseItems(text)
		if err != nil || !slices.Equal(got, items) {
			t.Fatalf("%s: got %v, %v; want %v", text, got, err, items)
		}
		for i := range 62 {
			if got.Has(i) != slices.Contains(items, i) {
				t.Fatalf("%s: wrong about %d", text, i)
			}
		}
	})
}

func TestTheWholeBodyIsEveryItem(t *testing.T) {
	items, err := normalize.ParseItems("*")
	if err != nil || !items.Has(0) || !items.Has(77) || !items.Has(-1) {
		t.Errorf("got %v, %v", items, err)
	}
}

// However many items a payload might have, what lists them is short.
func TestItemsAreBounded(t *testing.T) {
	var items normalize.Items
	for i := range 30_000 {
		items = append(items, 2*i)
	}
	text := string(items.AppendText(nil))
	if n := strings.Count(text, ",") + 1; n != normalize.MaxItems || len(text) > 64<<10 {
		t.Errorf("%d items in %d bytes", n, len(text))
	}
}

func TestItemsThatNobodyWroteAreRefused(t *testing.T) {
	for _, text := range []string{",", "0,", "-1", "3-3", "5-3", "1,1", "2,1", "0-4,4", "10000", "0-99999999999", "a", "1 ", "*,1", "0-1-2"} {
		if got, err := normalize.ParseItems(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestRawRecordNamesItemsThatAreNoPlainEvents(t *testing.T) {
	s, v := secretive()
	want := normalize.Counts{
		Events: 3, DeadLetters: 2, Repeats: 1, LeftOut: normalize.Items{4}, Dead: normalize.Items{1, 2},
		Duplicates: normalize.Items{0, 1}, Conflicts: normalize.Items{3}, Reused: true,
	}
	rec := normalize.RawRecord(s, v, "raw-1", want)
	if all := text(rec.Headers); !strings.Contains(all, "\nevents=3\ndead-letters=2\nrepeats=1\nleft-out=4\ndead-items=1-2\nduplicates=0-1\nconflicts=3\nreused-id=true\nquery=") {
		t.Errorf("headers in another order: %s", all)
	}
	got, err := normalize.RecordedCounts(rec.Headers)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestCountsOfOtherRecords(t *testing.T) {
	got, err := normalize.RecordedCounts(nil)
	if want := (normalize.Counts{Events: -1, DeadLetters: -1, Repeats: -1}); err != nil || !cmp.Equal(got, want) {
		t.Errorf("without headers: got %+v, %v", got, err)
	}
	for _, name := range []string{"events", "left-out", "conflicts"} {
		_, err := normalize.RecordedCounts([]event.Header{{Key: name, Value: []byte("many")}})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
