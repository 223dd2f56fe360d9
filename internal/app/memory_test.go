package app

import (
	"errors"
	"testing"
)

func TestMemoryLimitFollowsTheContainer(t *testing.T) {
	for text, want := range map[string]int64{"max\n": 0, "1000000000\n": 800_000_000, "nonsense": 0} {
		got := containerLimit(func(string) ([]byte, error) { return []byte(text), nil })
		if got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
	if got := containerLimit(func(string) ([]byte, error) { return nil, errors.New("no such file") }); got != 0 {
		t.Errorf("no container: got %d", got)
	}
}

func TestMemoryLimitGrowsWithTheIDs(t *testing.T) {
	for _, tc := range []struct {
		c    Collector
		ids  int
		want int64
	}{
		{Collector{base: 160 << 20}, 0, 160 << 20},
		{Collector{base: 160 << 20}, 2_000_000, 160<<20 + 128_000_000},
		{Collector{base: 160 << 20, bound: 100 << 20}, 0, 100 << 20},
		{Collector{base: 160 << 20, bound: 200 << 20}, 2_000_000, 200 << 20},
	} {
		if got := tc.c.limit(tc.ids); got != tc.want {
			t.Errorf("%+v with %d ids: got %d, want %d", tc.c, tc.ids, got, tc.want)
		}
	}
}

func TestIDsMakeNoRoomForGarbage(t *testing.T) {
	for _, tc := range []struct {
		live int64
		ids  int
		want int
	}{
		{0, 0, 100}, // before the first collection
		{20_000_000, 0, 100},
		{40_000_000, 400_000, 55}, // 18 MB are ids, and 22 MB may gather
		{100_000_000, 2_000_000, minPercent},
		{10_000_000, 2_000_000, minPercent}, // ids came since the last collection
	} {
		if got := percent(tc.live, tc.ids); got != tc.want {
			t.Errorf("%d bytes with %d ids: got %d, want %d", tc.live, tc.ids, got, tc.want)
		}
	}
	if live := liveHeap(); live < 0 || live > 1<<40 {
		t.Errorf("%d bytes live", live)
	}
}
