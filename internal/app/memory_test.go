package app

import (
	"errors"
	"testing"
)

func TestMemoryLimitFollowsTheContainer(t *testing.T) {
	for text, want := range map[string]int64{"max\n": softMemoryLimit, "1000000000\n": 800_000_000, "nonsense": softMemoryLimit} {
		got := memoryLimit(func(string) ([]byte, error) { return []byte(text), nil })
		if got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
	if got := memoryLimit(func(string) ([]byte, error) { return nil, errors.New("no such file") }); got != softMemoryLimit {
		t.Errorf("no container: got %d", got)
	}
}
