package jsondoc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// byTokens reads a body by the tokenizer alone.
func byTokens(body []byte) (*Doc, error) {
	d := &Doc{body: body, src: body}
	if err := d.begin(); err != nil {
		return d, err
	}
	if err := d.tokens(); err != nil {
		return d, err
	}
	return d, d.atEnd()
}

// What the scanner reads, the tokenizer reads in the same way; what the scanner
// leaves is refused, or read by the tokenizer.
func FuzzScan(f *testing.F) {
	for _, s := range scanned {
		f.Add([]byte(s))
	}
	f.Fuzz(checkScan)
}

var scanned = []string{
	`{"a":[1,{"b":null}],"a":"\ud83d\ude00\ud800"}`, "\xef\xbb\xbf[true,false,-1.5e-7]", `{"a":1,}`, "[\"\xff\"]", `"\u0000"`, "[[[[", "{\"\":0}",
	` { "a" : [ 1 , 2 ] , "b" : { } } `, `[01]`, `[-]`, `[1.]`, `[1e+]`, `[0.0e-0,-0]`, `"\u12g4"`, `"\x"`, "\"\x1f\"", "\"12345678\x7f\"", `"1234567\"`, `"1234567`,
	`[nul]`, `[tru,e]`, `{"a"}`, `{"a":}`, `{,}`, `[1 2]`, `{"a":1 "b":2}`, "\"ä\u2028\"", "{\"\xc3\":1,\"\xc3\":2}", `{"a":1,"\u0061":2}`, "\v1", "1 ", "1x", "-", "\"\x00\"", "[1,\x00]",
}

func TestScan(t *testing.T) {
	for _, s := range scanned {
		checkScan(t, []byte(s))
	}
}

func checkScan(t *testing.T, body []byte) {
	t.Helper()
	got, err := Parse(body)
	want, wantErr := byTokens(body)
	if diff := cmp.Diff(wantErr, err); diff != "" {
		t.Fatalf("%q: %s", body, diff)
	}
	if err != nil {
		return
	}
	defer got.Release()
	if got.duplicates != want.duplicates {
		t.Errorf("%q: %d duplicates, the tokenizer has %d", body, got.duplicates, want.duplicates)
	}
	if diff := cmp.Diff(comparable(want.nodes), comparable(got.nodes), cmp.AllowUnexported(node{})); diff != "" {
		t.Errorf("%q: %s", body, diff)
	}
}

// comparable leaves out what the tokenizer does not look for.
func comparable(nodes []node) []node {
	out := make([]node, len(nodes))
	for i, n := range nodes {
		n.flags &^= spaced
		n.tag = 0
		out[i] = n
	}
	return out
}
