package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestCopySmoke: both ways copy every record, whoever goes first, and are told in
// every form.
func TestCopySmoke(t *testing.T) {
	for form, want := range map[string]string{
		outputText: "at least 0.7 of the records a second of raw copying", outputMarkdown: "| 1 | replay | ", outputJSON: `"records_per_second"`,
	} {
		var out, progress bytes.Buffer
		args := []string{"-copy", "-records=500", "-partitions=2", "-rounds=2", "-output=" + form, "-dir=" + t.TempDir()}
		if code := run(t.Context(), args, nil, &out, &progress); code != 0 {
			t.Fatalf("exit code %d\n%s", code, progress.String())
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s\nlacks %q", form, out.String(), want)
		}
		if form != outputJSON {
			continue
		}
		var got copyReport
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got.Pairs) != 2 || got.Pairs[0].First == got.Pairs[1].First {
			t.Errorf("%v, pairs %+v; want two, in which each goes first once", err, got.Pairs)
		}
	}
}

// TestCopyMark: the mark is held against the median of the ratios.
func TestCopyMark(t *testing.T) {
	for _, tt := range []struct {
		ratios  []number
		reached bool
	}{{[]number{0.1, 0.7, 2}, true}, {[]number{0.1, 0.69, 2}, false}} {
		var pairs []pair
		for _, r := range tt.ratios {
			pairs = append(pairs, pair{Ratio: r})
		}
		if r := newCopyReport(options{}, nil, pairs); r.Mark.Reached != tt.reached {
			t.Errorf("ratios %v: reached %t, want %t", tt.ratios, r.Mark.Reached, tt.reached)
		}
	}
}
