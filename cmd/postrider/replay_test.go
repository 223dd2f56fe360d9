package main

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// replayNow is when the tests' replays are planned.
func replayNow() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// wish makes the request of a command line.
func wish(t *testing.T, args ...string) (replay.Request, error) {
	t.Helper()
	c := &cli{out: &bytes.Buffer{}, errOut: &bytes.Buffer{}, now: replayNow, env: []string{"USER=ann"}}
	var f replayFlags
	cmd := newReplay(c)
	cmd.ResetFlags()
	f.register(c, cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{Replay: config.Replay{Targets: []config.ReplayTarget{{Name: "crm", URL: "https://crm.example"}}}}
	return f.request(c, cfg)
}

func TestReplayRequest(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("0f", 32)
	for line, want := range map[string]replay.Request{
		"--topic email.* --from -2h --to 2026-11-22T11:30 --late 10m --to-topic copy": {
			Select: selection.Selection{Topics: []string{"email.*"}, From: replayNow().Add(-2 * time.Hour), To: replayNow().Add(-30 * time.Minute), Late: 10 * time.Minute},
			To:     replay.Target{Kind: replay.ToTopic, Topic: "copy"},
		},
		"--from-offset 3:5 --to-offset 3:9 --to-offset a/b/0:7 --partition 1 --target original --allow-same-topic --max-hops 5": {
			Select: selection.Selection{
				Partitions: []int{1}, Offsets: []selection.Span{{Partition: 3, From: 5, To: 9}, {Topic: "a/b", To: 7}},
			},
			To: replay.Target{Kind: replay.ToTopic}, AllowSameTopic: true, MaxHops: 5,
		},
		"--recipient a,b@example.com --recipient " + hash + " --header x=y=z --message-id a,b --limit 5 --target crm --rate 2.5 --speed 10x --max-in-flight 7 --go-on": {
			Select: selection.Selection{
				Recipients: []string{"a,b@example.com"}, RecipientHashes: []string{hash}, MessageIDs: []string{"a,b"},
				Headers: []selection.Header{{Name: "x", Value: "y=z"}}, Limit: 5,
			},
			To: replay.Target{Kind: replay.ToHTTP, Name: "crm"}, Pace: replay.Pace{Rate: 2.5, Speed: 10, MaxInFlight: 7}, GoOn: true,
		},
		"--all --include-replayed --url http://127.0.0.1:1/x --target http --secret-file s --allow 127.0.0.1,10.0.0.0/8": {
			Select: selection.Selection{All: true, Replayed: true},
			To: replay.Target{
				Kind: replay.ToHTTP, URL: "http://127.0.0.1:1/x", SecretFiles: []string{"s"},
				Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")},
			},
		},
		"--from-file a.jsonl --target original": {
			FromFile: absolute("a.jsonl"), Exact: true, Select: selection.Selection{All: true, Replayed: true}, To: replay.Target{Kind: replay.ToTopic},
		},
		"--from-file a.jsonl --mark --type sent --target stdout": {
			FromFile: absolute("a.jsonl"), Select: selection.Selection{Types: []string{"sent"}}, To: replay.Target{Kind: replay.ToStdout},
		},
		"--where test --file a.jsonl": {Select: selection.Selection{Where: "test"}, To: replay.Target{Kind: replay.ToFile, File: absolute("a.jsonl")}},
	} {
		want.By, want.Reason = "bob", "why"
		got, err := wish(t, append(strings.Fields(line), "--by", "bob", "--reason", "why")...)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", line, diff)
		}
	}
	if got, _ := wish(t, "--all", "--target", "stdout"); !strings.HasPrefix(got.By, "ann@") {
		t.Errorf("by %q, want the user", got.By)
	}
}

func TestReplayRequestTellsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"--to-topic x": {"give at least one selector beside the topics (a time, an offset, a field); everything is spelled --all"},
		"--all":        {"say where to: --to-topic NAME, --url URL, --file FILE, or --target with one of original, stdout, renormalize, crm"},
		"--from -2x --to-offset x --header a --target nowhere --speed 0 --provider jet --rate -1 --mark": {
			`--from: "-2x" is no time: write now, -2h, -7d, 2026-11-21, 2026-11-21T09:30 or 2026-11-21T09:30:00Z`,
			`--target: there is no "nowhere": there are original, stdout, renormalize, crm`,
			`--mark is about the records of --from-file`,
			`--to-offset "x": write PARTITION:OFFSET or TOPIC/PARTITION:OFFSET, as in 3:1841 or email.raw/3:1841`,
			`--header "a": write NAME=VALUE`,
			`--provider: there is no "jet": there are ` + strings.Join(app.ProviderIDs(), ", "),
			`--speed "0": write 1x, 10x or max`,
			`--rate, --max-in-flight and --max-hops are at least 0`,
		},
		"--all --target stdout --to-topic x":              {"--target stdout and --to-topic are two targets"},
		"--all --target topic":                            {"--target topic needs --to-topic NAME (or --target original)"},
		"--all --target http":                             {"--target http needs --url URL"},
		"--all --target file":                             {"--target file needs --file FILE"},
		"--all --target stdout --secret-file x":           {"--secret-file and --allow are about --url; a configured target has its own"},
		"--all --url https://example.com --allow nowhere": {`--allow "nowhere": write an address or a network, as in 10.1.2.0/24`},
		"--all --type sent --target stdout":               {"all excludes every other selector: leave it out, or the others"},
	} {
		_, err := wish(t, strings.Fields(line)...)
		bad, ok := errors.AsType[*replay.RequestError](err)
		if !ok || exitCode(err) != 2 {
			t.Errorf("%s: %v, exit code %d", line, err, exitCode(err))
			continue
		}
		if diff := cmp.Diff(want, bad.Problems); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", line, diff)
		}
	}
}

// TestDocumentedReplaysMakeSense makes the request of every command line of the page
// about replays and of the help.
func TestDocumentedReplaysMakeSense(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(top, "docs", "replay.md"))
	if err != nil {
		t.Fatal(err)
	}
	requests := 0
	for line := range strings.Lines(string(page) + newReplay(&cli{}).Example) {
		args, ok := strings.CutPrefix(strings.TrimSpace(line), "postrider replay ")
		if !ok {
			continue
		}
		args, _, _ = strings.Cut(args, " | ")
		args, _, _ = strings.Cut(args, " > ")
		given := shellWords(strings.NewReplacer(" --output json", "", "--source", "--provider").Replace(args)) // sources are those of an installation
		if slices.Contains([]string{"ls", "show", "cancel", "--plan", "--resume"}, given[0]) {
			continue
		}
		requests++
		if _, err := wish(t, given...); err != nil {
			t.Errorf("%s: %v", args, err)
		}
	}
	if requests < 15 {
		t.Errorf("%d requests found", requests)
	}
}

// shellWords splits a command line as a shell does, as far as the page needs it.
func shellWords(line string) []string {
	var words []string
	for _, word := range regexp.MustCompile(`(?:[^ '"]|'[^']*'|"[^"]*")+`).FindAllString(line, -1) {
		if q := word[0]; q == '\'' || q == '"' {
			word = strings.Trim(word, string(q))
		}
		words = append(words, word)
	}
	return words
}

// examplePlan is a plan with everything in it.
func examplePlan() *replay.Plan {
	at := replayNow().Add(-time.Hour)
	return &replay.Plan{
		Request: replay.Request{To: replay.Target{Kind: replay.ToTopic, Topic: "copy"}},
		Created: replayNow(), Records: 300, Matching: 31, Looked: 100, First: at, Last: at.Add(time.Minute), Takes: 1500 * time.Millisecond,
		Ranges: []replay.Range{
			{Topic: "email.bounced", Partition: 0, From: 100, To: 300, Matching: 30}, {Topic: "email.bounced", Partition: 1, From: 0, To: 100, Matching: 1},
		},
		Samples: []replay.Sample{{Topic: "email.bounced", Partition: 1, Offset: 7, Time: at, Key: "vfs/vfs/\x1b[31m", Type: "email.bounced.v1", Source: "vfs", ID: "c677cee09e04e08cc97c635766b11fb0"}},
		Gaps:    []replay.Gap{{Topic: "email.bounced", Partition: 0, From: 90, To: 100, Reason: replay.GapExpired}},
		Notes:   []string{"the topic copy is made"},
		Diff: &replay.Diff{Requests: 3, Events: 4, Equal: 2, Changed: 2, Types: []replay.TypeDiff{{
			Type: "bounced", Changed: 2, Fields: []replay.FieldDiff{{Field: "bounce.class", Count: 2, ID: "c6", Old: `"soft"`, New: `"hard"`}, {Field: "recipient", Count: 1, ID: "c6"}},
		}}},
	}
}

func TestAPlanWithGapsHasItsExitCode(t *testing.T) {
	t.Parallel()
	var code exitError
	if err := planGaps(examplePlan()); !errors.As(err, &code) || code.code != exitGaps || !strings.Contains(err.Error(), "1 range") {
		t.Errorf("planGaps = %v, want exit code %d", err, exitGaps)
	}
	if err := planGaps(&replay.Plan{}); err != nil {
		t.Errorf("planGaps of a plan without = %v", err)
	}
}

func TestPlanIsReadable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &cli{out: &out}
	if err := c.printPlan(examplePlan()); err != nil {
		t.Fatal(err)
	}
	want := `TOPIC          PARTITION  FROM      TO        RECORDS  MATCHING
email.bounced  0          100       300       200      ~30
email.bounced  1          0         100       100      ~1
all                                           300      ~31

~31 of 300 records to topic copy
from 2026-11-22T11:00:00.000Z to 2026-11-22T11:01:00.000Z
takes about 1.5s
estimated from 100 records; --count counts

SAMPLE                    TIME                      SOURCE    TYPE       ID                                KEY
email.bounced[1]@7        2026-11-22T11:00:00.000Z  vfs       bounced    c677cee09e04e08cc97c635766b11fb0  vfs/vfs/ [31m

~3 requests become 4 events: 2 equal, 2 changed, 0 new, 0 gone; dead letters: 0, rescued: 0
TYPE          CHANGED  NEW  GONE  FIELD             EVENTS  OLD               NOW               IN
bounced       2        0    0     bounce.class      2       "soft"            "hard"            c6
                                  recipient         1       -                 -                 c6
gap  email.bounced[0]  offsets 90 to 99  expired
note: the topic copy is made
nothing was written; to do it, add --execute
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}

// progressOf is a progress of two partitions.
func progressOf(second int, next int64) replay.Progress {
	return replay.Progress{
		Time: replayNow().Add(time.Duration(second) * time.Second), State: replay.Running, Delivered: next, Rate: 10, ETA: 3 * time.Second,
		Partitions: []replay.PartitionProgress{{Topic: "t", From: 10, To: 20, Next: 10 + next, Selected: next, Delivered: next}, {Topic: "t", Partition: 1, To: 10}},
	}
}

func TestProgressElsewhereIsLinesOfJSON(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]int{"text": 1, "json": 5} {
		var errOut bytes.Buffer
		c := &cli{errOut: &errOut, output: output}
		p := c.newReplayProgress("replaying", false)
		for second := range 4 {
			p.show(progressOf(second, 1))
			p.show(progressOf(second, 1))
		}
		last := progressOf(6, 5)
		last.State = replay.Completed
		p.show(progressOf(5, 4))
		p.show(last)
		p.end()
		lines := strings.Split(strings.TrimSpace(errOut.String()), "\n")
		if len(lines) != want || !strings.HasPrefix(lines[0], `{"progress":{"time":"2026-11-22T12:00:0`) {
			t.Errorf("%s: %d lines, want %d:\n%s", output, len(lines), want, &errOut)
		}
	}
}

func TestProgressOnATerminalShowsPartitions(t *testing.T) {
	t.Parallel()
	var errOut bytes.Buffer
	p := &replayProgress{cli: &cli{errOut: &errOut}, what: "replaying", bar: newReplayBar()}
	p.show(progressOf(0, 0))
	errOut.Reset()
	p.show(progressOf(1, 5))
	got := errOut.String()
	for _, want := range []string{"\x1b[3F", "replaying 25% |", "5 delivered, 10/s, 3s left\x1b[K\n", "  t[0]  5 of 10 read, 5 selected, 5 delivered\x1b[K\n", "  t[1]  0 of 10 read, 0 selected"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	errOut.Reset()
	if p.end(); errOut.String() != "\x1b[3F\x1b[J" {
		t.Errorf("the end writes %q", &errOut)
	}
}

func TestExitCodesOfReplays(t *testing.T) {
	t.Parallel()
	ended := func(state replay.State, change func(*replay.Run)) *replay.Run {
		r := &replay.Run{ID: "019a", State: state}
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		run  *replay.Run
		err  error
		want int
	}{
		"done":            {ended(replay.Completed, func(*replay.Run) {}), nil, 0},
		"gaps":            {ended(replay.Completed, func(r *replay.Run) { r.Gaps = make([]replay.Gap, 1) }), nil, 3},
		"refused":         {ended(replay.Completed, func(r *replay.Run) { r.Progress.Failed = 1 }), nil, 3},
		"failed":          {ended(replay.Failed, func(*replay.Run) {}), errors.New("broken"), 1},
		"cancelled":       {ended(replay.Cancelled, func(*replay.Run) {}), errors.New("cancelled"), 1},
		"reader gone":     {ended(replay.Cancelled, func(*replay.Run) {}), replay.ErrReaderGone, 0},
		"refused request": {&replay.Run{}, &replay.RequestError{Problems: []string{"x"}}, 2},
	} {
		cl := &cli{out: &bytes.Buffer{}, errOut: &bytes.Buffer{}}
		if got := exitCode(cl.replayEnded(t.Context(), c.run, c.err)); got != c.want {
			t.Errorf("%s: exit code %d, want %d", name, got, c.want)
		}
	}
}

// TestReportOfDifferencesTellsWhatItLacks: what could not be compared, or not be
// mapped, is no silence.
func TestReportOfDifferencesTellsWhatItLacks(t *testing.T) {
	t.Parallel()
	for want, diff := range map[string]replay.Diff{
		"3 requests become 0 events: 0 equal, 0 changed, 0 new, 0 gone; dead letters: 0, rescued: 0\n": {Exact: true, Requests: 3},
		"~3 requests become 0 events: 0 equal, 0 changed, 0 new, 0 gone; dead letters: 0, rescued: 0\n" +
			"2 requests cannot be taken through the mapping: a run stops there, or counts with --go-on\n" +
			"1 event not compared: too many others waited for what is published of them\n": {Requests: 3, Failed: 2, NotCompared: 1},
	} {
		out := &bytes.Buffer{}
		if err := (&cli{out: out}).planDiff(&diff); err != nil || out.String() != want {
			t.Errorf("%v: got %q, want %q", err, out, want)
		}
	}
}
