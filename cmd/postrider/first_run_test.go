package main

import (
	"strconv"
	"strings"
	"testing"
)

// firstRun is what a new user sees: the output of `serve`, of `send --all` and of
// `tail --from beginning` for as many events as were sent.
func firstRun(t *testing.T) (serve, send, tail string) {
	t.Helper()
	i := newInstall(t)
	i.serve()
	send = i.run("send", "--all")
	events := strings.Count(send, "email.")
	tail = i.run("tail", "--from", "beginning", "--limit", strconv.Itoa(events))
	return i.file("serve.out"), send, tail
}

// shows reports where got, the program's output, is not as text, a part of the
// documentation, says; "" if it is. Both are normalised. A line of text that is
// "…" or "..." stands for any number of lines.
func shows(got, text string) string {
	lines := strings.Split(strings.TrimSpace(normalise(got)), "\n")
	gap := false
	for want := range strings.SplitSeq(strings.TrimSpace(normalise(text)), "\n") {
		if want = strings.TrimSpace(want); want == "…" || want == "..." {
			gap = true
			continue
		}
		for gap && len(lines) > 0 && strings.TrimSpace(lines[0]) != want {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			return "nothing is left that could be: " + want
		}
		if line := strings.TrimSpace(lines[0]); line != want {
			return "got:  " + line + "\nwant: " + want
		}
		lines, gap = lines[1:], false
	}
	if len(lines) > 0 && !gap {
		return "too much, from: " + lines[0]
	}
	return ""
}

func TestShows(t *testing.T) {
	t.Parallel()
	const got = "a  email.sent[1]@17\nb\nc\nd\n"
	for text, want := range map[string]bool{
		"a   email.sent[0]@0\nb\nc\nd": true,
		"a email.sent[0]@0\nb\nc\nd":   false,
		"a  email.sent[0]@0\n…\nd":     true,
		"…\nc\n...":                    true,
		"a  email.sent[0]@0\nb\n…":     true,
		"a  email.sent[0]@0\nb":        false,
		"…\nx\n…":                      false,
		"a  email.sent[0]@0\nc\n…":     false,
		"a  email.sent[0]@0\n…\nd\ne":  false,
	} {
		if problem := shows(got, text); (problem == "") != want {
			t.Errorf("%q: got problem %q, want none: %v", text, problem, want)
		}
	}
}

func TestFirstRunTwiceShowsTheSame(t *testing.T) {
	t.Parallel()
	serve, send, tail := firstRun(t)
	serve2, send2, tail2 := firstRun(t)
	for name, pair := range map[string][2]string{"serve": {serve, serve2}, "send --all": {send, send2}} {
		if problem := shows(pair[0], pair[1]); problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
	}
	if a, b := strings.Count(tail, "\n"), strings.Count(tail2, "\n"); a != b || a < 70 {
		t.Errorf("tail: %d lines and %d", a, b)
	}
}
