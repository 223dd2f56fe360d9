package trace

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestContainsFold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"a@b.c": true, `"A@B.C"`: true, "x@y, a@b.c": true, "@a@b.c": true, "@b.c": false, "a@b.": false, "": false, "a@b": false, "aa@b.c": true,
	} {
		if got := containsFold([]byte(text), []byte("a@b.c")); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if !containsFold([]byte("some PostMaster here"), []byte("postmaster")) || containsFold([]byte("some"), nil) {
		t.Error("without an @")
	}
}

// TestContainsFoldIsWhatItSays holds it against the plain way.
func TestContainsFoldIsWhatItSays(t *testing.T) {
	t.Parallel()
	text := rapid.StringOfN(rapid.SampledFrom([]rune("aAbB@.")), 0, 12, -1)
	rapid.Check(t, func(rt *rapid.T) {
		b, address := text.Draw(rt, "text"), text.Draw(rt, "address")
		want := address != "" && strings.Contains(strings.ToLower(b), strings.ToLower(address))
		if got := containsFold([]byte(b), []byte(address)); got != want {
			rt.Fatalf("%q in %q: %v", address, b, got)
		}
	})
}

func TestSubjectOf(t *testing.T) {
	t.Parallel()
	if got := subjectOf("m\x001"); got != "m1" {
		t.Errorf("got %q", got)
	}
	if got := subjectOf(strings.Repeat("x", 2000)); len(got) != 1024 {
		t.Errorf("%d bytes", len(got))
	}
	if got := jsonText("a\"\x01é"); !bytes.Equal(got, []byte("a\\\"\\u0001é")) {
		t.Errorf("got %s", got)
	}
}
