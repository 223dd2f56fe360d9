package main

import (
	"regexp"
	"testing"
)

// generatedSecret finds the secrets in the generated sources.
var generatedSecret = regexp.MustCompile(`value: ([^}\]]+)`)

// differences are what differs from run to run, and what stands for it. Each
// stand-in has the width of what it replaces where columns are aligned by it.
var differences = []struct {
	pattern *regexp.Regexp
	stand   string
}{
	{regexp.MustCompile(`\x1b\[[0-9;]*m`), ""},
	{regexp.MustCompile(`whsec_[A-Za-z0-9_-]{20,}`), "whsec_SECRET"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`(/v1/webhooks/[a-z0-9._-]+/)[0-9a-f]{32}`), "${1}TOKEN"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "ID"},
	{regexp.MustCompile(`\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z`), "TIME"},
	{regexp.MustCompile(`(127\.0\.0\.1|localhost):[0-9]+`), "HOST:PORT"},
	{regexp.MustCompile(`\[[0-9]+\]@[0-9]+`), "[P]@OFFSET"},
	{regexp.MustCompile(`postrider (devel|v[0-9]\S*)( \([0-9a-f]+\))?`), "postrider VERSION"},
	{regexp.MustCompile(` +\n`), "\n"},
	{regexp.MustCompile(`  +`), "  "},
}

// normalise replaces in the program's output what differs from run to run: ids,
// tokens, secrets, times, ports, partitions and offsets, the version,
// and the width of columns. Two runs of the same commands, or a run and
// the README's text, are equal after it.
func normalise(text string) string {
	for _, d := range differences {
		text = d.pattern.ReplaceAllString(text, d.stand)
	}
	return text
}

func TestNormalise(t *testing.T) {
	t.Parallel()
	const in = "\x1b[1mvfs\x1b[0m       Sent     200  email.sent[1]@0               9c2a47afe2270ab1397fc128775484dd\n" +
		"  vfs        http://127.0.0.1:28180/v1/webhooks/vfs/36e215ee4c89f08bbb3d7a346c4e8f38\n" +
		"             secret whsec_Wmidx4PEsmQNzCa20wlnINvKYW2REr1V\n2026-11-21T20:21:58.971Z  01a1ffc5-d959-7e01-be4b-4897687d0dbf\n" +
		"kept in data/sources.yaml.\npostrider devel (0123456789ab)\nemail.delivered 70 of 70\n"
	const want = "vfs  Sent  200  email.sent[P]@OFFSET  ID\n" +
		"  vfs  http://HOST:PORT/v1/webhooks/vfs/TOKEN\n  secret whsec_SECRET\nTIME  UUID\n" +
		"kept in data/sources.yaml.\npostrider VERSION\nemail.delivered 70 of 70\n"
	if got := normalise(in); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again := normalise(want); again != want {
		t.Errorf("a text that is normalised already changes to\n%s", again)
	}
}
