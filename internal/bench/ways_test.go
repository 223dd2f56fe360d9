package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestWaysSmoke: every way sees every record, whoever goes first, and is told in every
// form.
func TestWaysSmoke(t *testing.T) {
	for _, tt := range []struct{ mode, form, want string }{
		{"-consume", outputText, "at least 0.8 of the records a second of the faster bare loop"},
		{"-consume", outputJSON, `"records_per_second"`},
		{"-forward", outputMarkdown, "| 1 | forward | "},
	} {
		var out, progress bytes.Buffer
		args := []string{tt.mode, "-records=500", "-partitions=2", "-rounds=1", "-output=" + tt.form, "-dir=" + t.TempDir()}
		if code := run(t.Context(), args, nil, &out, &progress); code != 0 {
			t.Fatalf("%s: exit code %d\n%s", tt.mode, code, progress.String())
		}
		if !strings.Contains(out.String(), tt.want) {
			t.Errorf("%s %s: %s\nlacks %q", tt.mode, tt.form, out.String(), tt.want)
		}
		if tt.form != outputJSON {
			continue
		}
		var got wayReport
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got.Turns) != 1 || len(got.Turns[0].Ways) != 4 || got.Turns[0].First != wayFetch {
			t.Errorf("%v, rounds %+v; want one of four ways in which the second goes first", err, got.Turns)
		}
	}
}

// TestConsumeMark: the consumer is held against the faster bare loop of its own round.
func TestConsumeMark(t *testing.T) {
	speeds := func(reader, fetch, consumer number) turn {
		return turn{Ways: map[string]copied{wayReader: {PerSecond: reader}, wayFetch: {PerSecond: fetch}, wayConsumer: {PerSecond: consumer}}}
	}
	for _, tt := range []struct {
		turns   []turn
		reached bool
	}{
		{[]turn{speeds(100, 50, 80), speeds(10, 100, 80), speeds(1, 1, 0.1)}, true},
		{[]turn{speeds(100, 50, 79), speeds(10, 100, 79), speeds(1, 1, 1)}, false},
	} {
		if r := consumeReport(t.Context(), options{}, nil, nil, tt.turns); r.Marks[0].Reached != tt.reached {
			t.Errorf("%v: reached %t, want %t", tt.turns, r.Marks[0].Reached, tt.reached)
		}
	}
}

// TestMeterWantsEveryRecord: a way that misses a record, or sees one twice, is an error.
func TestMeterWantsEveryRecord(t *testing.T) {
	for n, wrong := range map[int]bool{1: true, 2: false, 3: true} {
		m := newMeter(2)
		for range n {
			m.tick()
		}
		if _, err := m.result(); (err != nil) != wrong {
			t.Errorf("%d of 2 records: %v", n, err)
		}
	}
}
