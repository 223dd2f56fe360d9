package all_test

import (
	"slices"
	"testing"

	"github.com/postrider/postrider/internal/provider/all"
)

func TestLookup(t *testing.T) {
	var ids []string
	for _, d := range all.Definitions() {
		got, ok := all.Lookup(d.ID)
		if !ok || got.Title != d.Title {
			t.Errorf("lookup of %s: %v, %q", d.ID, ok, got.Title)
		}
		ids = append(ids, d.ID)
	}
	if want := []string{"vfs", "cmcom", "jetemail"}; !slices.Equal(ids[:len(want)], want) {
		t.Errorf("ids %v, want %v first", ids, want)
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(ids))); len(unique) != len(ids) {
		t.Errorf("an id twice among %v", ids)
	}
	if _, ok := all.Lookup("JetEmail"); ok {
		t.Error("ids are compared without their case")
	}
}
