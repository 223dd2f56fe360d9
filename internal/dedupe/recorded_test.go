package dedupe_test

import (
	"testing"

	"github.com/postrider/postrider/internal/dedupe"
)

func TestRecordedDecidesByPlace(t *testing.T) {
	r := &dedupe.Recorded{
		Repeat:  func(item int) bool { return item == 7 || item == 8 },
		Changed: func(item int) bool { return item >= 8 }, Reused: true,
	}
	events := []dedupe.Event{{Item: 3}, {Item: 7}, {ID: [16]byte{1}, Content: [16]byte{2}, Item: 8}, {ID: [16]byte{3}, Content: [16]byte{4}, Item: 9}}
	c, err := r.Claim(t.Context(), events, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []dedupe.Verdict{dedupe.Fresh, dedupe.Repeat, dedupe.Repeat, dedupe.Conflict} {
		id, changed := c.ID(i)
		if got := c.Verdict(i); got != want || changed != (i >= 2) || c.Changed(i) != changed {
			t.Errorf("%d: verdict %v, changed %v", i, got, changed)
		}
		if e := events[i]; changed && id != dedupe.ConflictID(e.ID, e.Content) || !changed && id != e.ID {
			t.Errorf("%d: id %x", i, id)
		}
	}
	if !c.Reused() {
		t.Error("the request came under a signed id of another")
	}
	c.Commit()
	c.CommitOnly(func(int) bool { return true })
	c.Abort()
}

func TestRecordedOfNothingIsFresh(t *testing.T) {
	c, err := new(dedupe.Recorded).Claim(t.Context(), make([]dedupe.Event, 1), 0)
	if err != nil || c.Verdict(0) != dedupe.Fresh || c.Changed(0) || c.Reused() {
		t.Errorf("got %+v, %v", c, err)
	}
}
