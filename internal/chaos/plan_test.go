package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// printed is a plan as text.
func printed(profile string, seed uint64, only ...string) string {
	var b bytes.Buffer
	for _, round := range rounds(profile) {
		writePlan(&b, plan(round, seed, only))
	}
	return b.String()
}

func TestPlanFollowsFromItsSeed(t *testing.T) {
	for _, profile := range []string{profileShort, profileShort3, profileLong} {
		if one, again := printed(profile, 7), printed(profile, 7); one != again {
			t.Errorf("%s: two plans of one seed:\n%s\n%s", profile, one, again)
		}
		if printed(profile, 7) == printed(profile, 8) {
			t.Errorf("%s: one plan of two seeds", profile)
		}
	}
	alone := printed("short", 7, "sigterm")
	if alone == "" || !strings.Contains(printed("short", 7), alone) {
		t.Errorf("a phase by itself is not what it is among others:\n%s", alone)
	}
}

// TestPlansBreakWhatTheyPromise: the counts of docs/reliability.md.
func TestPlansBreakWhatTheyPromise(t *testing.T) {
	for _, tt := range []struct {
		profile, kind string
		want          int
	}{
		{profileShort, stepKill, 20},
		{profileShort, stepNodeKill, 2},
		{profileShort, stepFreeze, 2},
		{profileLong, stepKill, 200},
		{profileLong, stepNodeKill, 20},
		{profileLong, stepLeader, 10},
		{profileShort3, stepLeader, 2},
		{profileShort3, stepMinISR, 1},
	} {
		got := 0
		for _, s := range allSteps(t, tt.profile) {
			if s.kind == tt.kind {
				got++
			}
		}
		if got < tt.want {
			t.Errorf("%s: %d × %s, want %d", tt.profile, got, tt.kind, tt.want)
		}
	}
}

// allSteps returns the steps of every round, having looked at their nodes.
func allSteps(t *testing.T, profile string) []step {
	t.Helper()
	var all []step
	for _, round := range rounds(profile) {
		for _, ph := range plan(round, 1, nil) {
			for _, s := range ph.todo {
				if s.node < 0 || s.node >= round.nodes {
					t.Errorf("%s, %s: node %d of %d", profile, ph.name, s.node, round.nodes)
				}
			}
			all = append(all, ph.todo...)
		}
	}
	return all
}

func TestOptions(t *testing.T) {
	for _, args := range [][]string{
		{"x"},
		{"-profile", "tiny"},
		{"-brokers", "127.0.0.1:1"},
		{"-output", "xml"},
		{"-nodes", "3"},
		{"-phases", "kil"},
		{"-profile", "long", "-brokers", "127.0.0.1:1", "-kafka-dir", "x"},
		{"-profile", "soak", "-brokers", "127.0.0.1:1", "-kafka-dir", "x"},
		{"-rate", "x"},
	} {
		if _, err := parseOptions(args, time.Unix(0, 5), io.Discard); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
	o, err := parseOptions([]string{"-profile", "short3", "-phases", "kill,min-isr", "-rate", "9"}, time.Unix(0, 5), io.Discard)
	if err != nil || len(o.rounds()) != 1 || o.seed != 5 {
		t.Fatalf("%+v, %v", o, err)
	}
	names := make([]string, 0, 2)
	for _, ph := range o.plan(o.rounds()[0]) {
		names = append(names, ph.name)
		if ph.rate != 9 {
			t.Errorf("%s: rate %g", ph.name, ph.rate)
		}
	}
	if !slices.Equal(names, []string{"kill", "min-isr"}) {
		t.Errorf("phases %q", names)
	}
}

func TestPlanIsPrintedWithoutRunning(t *testing.T) {
	var out, progress bytes.Buffer
	if code := runMain(t.Context(), []string{"-plan", "-seed", "3"}, &out, &progress); code != 0 {
		t.Fatalf("code %d: %s", code, progress.String())
	}
	if !strings.Contains(out.String(), "bridge-kill") || !strings.Contains(progress.String(), "seed 3") {
		t.Errorf("%s%s", progress.String(), out.String())
	}
	if code := runMain(t.Context(), []string{"-profile", "none"}, &out, &progress); code != 2 {
		t.Errorf("code %d for a wrong command line", code)
	}
}

// TestReportForms: breaches and figures are in every form, and decide about soundness.
func TestReportForms(t *testing.T) {
	good := &result{verdict: verdict{Phase: "kill", Requests: 1234, Accepted: 5678, P99: 12 * time.Millisecond, Faults: map[string]int{stepKill: 2, stepFreeze + over: 1}}}
	bad := &result{verdict: verdict{Phase: "freeze", Lost: 3, Faults: map[string]int{}}, Breaches: []string{"3 events are lost"}}
	r := &report{Seed: 42, Phases: []*result{good, bad}}
	for _, form := range []string{outputText, outputMarkdown, outputJSON} {
		var b bytes.Buffer
		if err := r.write(&b, form); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"42", "3 events are lost", "kill", "freeze"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s lacks %q:\n%s", form, want, b.String())
			}
		}
		if form != outputJSON && (!strings.Contains(b.String(), "2 × bridge-kill") || !strings.Contains(b.String(), "5,678") || strings.Contains(b.String(), over)) {
			t.Errorf("%s:\n%s", form, b.String())
		}
	}
	if r.sound() {
		t.Error("sound with a breach")
	}
	if r.Phases = r.Phases[:1]; !r.sound() {
		t.Error("not sound without one")
	}
	if r.Faults = []string{"x"}; r.sound() {
		t.Error("sound with an invented record")
	}
}
