package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// replayWish is a request in the making. It collects what is wrong, so that all of it
// is told at once.
type replayWish struct {
	flags    *replayFlags
	req      replay.Request
	problems []string
}

// problem takes down what is wrong.
func (w *replayWish) problem(format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// request makes the request that the flags say.
func (f *replayFlags) request(c *cli, cfg *config.Config) (replay.Request, error) {
	w := &replayWish{flags: f, req: replay.Request{
		FromFile: absolute(f.fromFile), By: cmp.Or(f.by, c.whoami()), Reason: f.reason,
		AllowSameTopic: f.sameTopic, MaxHops: f.maxHops, GoOn: f.goOn,
	}}
	w.times(c)
	w.target(cfg)
	w.restore()
	w.selection(c, cfg)
	w.pace()
	if len(w.problems) > 0 {
		return w.req, exitError{&replay.RequestError{Problems: w.problems}, exitUsage}
	}
	return w.req, nil
}

// absolute makes a path mean the same wherever the run is resumed.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

// whoami names who wants a replay where nobody says.
func (c *cli) whoami() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return cmp.Or(c.getenv("USER"), c.getenv("LOGNAME"), "postrider") + "@" + host
}

// times reads --from and --to. Times without a zone are UTC, as all that is printed.
func (w *replayWish) times(c *cli) {
	now, s := c.now().UTC(), &w.req.Select
	read := func(flag, text string, t *time.Time, bad time.Time) {
		if text == "" {
			return
		}
		var err error
		if *t, err = selection.ParseTime(text, now, time.UTC); err != nil {
			w.problem("--%s: %v", flag, err)
			*t = bad // a condition all the same
		}
	}
	read("from", w.flags.from, &s.From, time.Unix(0, 0))
	read("to", w.flags.to, &s.To, now.AddDate(1000, 0, 0))
}

// restore says that records of a file go back to a topic as they were.
func (w *replayWish) restore() {
	w.req.Exact = w.req.FromFile != "" && w.req.To.Kind == replay.ToTopic && !w.flags.mark
	if w.flags.mark && w.req.FromFile == "" {
		w.problem("--mark is about the records of --from-file")
	}
}

// selection takes the selectors over and checks them. A file is a selection already.
func (w *replayWish) selection(c *cli, cfg *config.Config) {
	f, s := w.flags, &w.req.Select
	s.Topics, s.Partitions, s.Late, s.Limit = f.topics, f.partitions, f.late, f.limit
	s.Providers, s.Sources, s.Types = f.providers, f.sources, f.types
	s.MessageIDs, s.EventIDs, s.Where = f.messages, f.events, f.where
	s.All, s.Replayed = f.all, f.replayed || w.req.Exact
	w.recipients()
	w.offsets()
	w.headers()
	if f.fromFile != "" && s.Validate() != nil {
		whole := *s
		whole.All = true
		if whole.Validate() == nil {
			s.All = true
		}
	}
	if invalid, ok := s.Validate().(*selection.InvalidError); ok { //nolint:errorlint // it is returned as it is
		w.problems = append(w.problems, invalid.Problems...)
	}
	w.origins(c, cfg)
}

// recipientHash is what a recipient_hash looks like.
var recipientHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// recipients tells addresses and hashes apart.
func (w *replayWish) recipients() {
	s := &w.req.Select
	for _, r := range w.flags.recipients {
		if recipientHash.MatchString(r) {
			s.RecipientHashes = append(s.RecipientHashes, r)
		} else {
			s.Recipients = append(s.Recipients, r)
		}
	}
}

// offsets joins --from-offset and --to-offset of the same partition.
func (w *replayWish) offsets() {
	span := func(flag, text string) (*selection.Span, int64) {
		place, offset, err := readSpan(text)
		if err != nil {
			w.problem("--%s %q: write PARTITION:OFFSET or TOPIC/PARTITION:OFFSET, as in 3:1841 or email.raw/3:1841", flag, text)
			return nil, 0
		}
		spans := &w.req.Select.Offsets
		i := slices.IndexFunc(*spans, func(s selection.Span) bool { return s.Topic == place.Topic && s.Partition == place.Partition })
		if i < 0 {
			i = len(*spans)
			*spans = append(*spans, place)
		}
		return &(*spans)[i], offset
	}
	for _, text := range w.flags.fromOffsets {
		if s, offset := span("from-offset", text); s != nil {
			s.From = offset
		}
	}
	for _, text := range w.flags.toOffsets {
		if s, offset := span("to-offset", text); s != nil {
			s.To = offset
		}
	}
}

// readSpan reads a partition and an offset in it.
func readSpan(text string) (selection.Span, int64, error) {
	place, number, _ := strings.Cut(text, ":")
	topic, partition := "", place
	if i := strings.LastIndexByte(place, '/'); i >= 0 {
		topic, partition = place[:i], place[i+1:]
	}
	p, errP := strconv.ParseUint(partition, 10, 31)
	offset, err := strconv.ParseInt(number, 10, 64)
	return selection.Span{Topic: topic, Partition: int(p)}, offset, cmp.Or(errP, err) //nolint:wrapcheck // the caller says what is right
}

// headers reads --header.
func (w *replayWish) headers() {
	for _, text := range w.flags.headers {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			w.problem("--header %q: write NAME=VALUE", text)
			continue
		}
		w.req.Select.Headers = append(w.req.Select.Headers, selection.Header{Name: name, Value: value})
	}
}

// origins refuses providers and sources that there are not. Records of a source that
// is configured no more are chosen by --where.
func (w *replayWish) origins(c *cli, cfg *config.Config) {
	if err := known("--provider", w.flags.providers, app.ProviderIDs()); err != nil {
		w.problem("%v", err)
	}
	if len(w.flags.sources) == 0 {
		return
	}
	compiled, err := c.compiled(cfg)
	if err != nil {
		w.problem("--source: %v", err)
	} else if err := known("--source", w.flags.sources, names(compiled)); err != nil {
		w.problem(`%v (records of one that was removed: --where 'source == "…"')`, err)
	}
}

// target reads where to.
func (w *replayWish) target(cfg *config.Config) {
	f, to := w.flags, &w.req.To
	w.given()
	w.allow()
	if f.url == "" && len(f.secretFiles)+len(f.allow) > 0 {
		w.problem("--secret-file and --allow are about --url; a configured target has its own")
	}
	switch implied := to.Kind; {
	case f.target == "" && implied == "":
		w.problem("say where to: --to-topic NAME, --url URL, --file FILE, or --target with one of %s", strings.Join(targetWords(cfg), ", "))
	case implied == "":
		w.named(cfg)
	case f.target != "" && f.target != implied:
		w.problem("--target %s and --%s are two targets", f.target, map[string]string{replay.ToTopic: "to-topic", replay.ToHTTP: "url", replay.ToFile: "file"}[implied])
	}
}

// given reads the flags that are a target by themselves.
func (w *replayWish) given() {
	f, to := w.flags, &w.req.To
	switch {
	case f.toTopic != "":
		*to = replay.Target{Kind: replay.ToTopic, Topic: f.toTopic}
	case f.url != "":
		*to = replay.Target{Kind: replay.ToHTTP, URL: f.url, SecretFiles: f.secretFiles}
	case f.file != "":
		*to = replay.Target{Kind: replay.ToFile, File: absolute(f.file)}
	}
}

// allow reads --allow.
func (w *replayWish) allow() {
	for _, text := range w.flags.allow {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			if address, errA := netip.ParseAddr(text); errA == nil {
				prefix, err = netip.PrefixFrom(address, address.BitLen()), nil
			}
		}
		if err != nil {
			w.problem("--allow %q: write an address or a network, as in 10.1.2.0/24", text)
			continue
		}
		w.req.To.Allow = append(w.req.To.Allow, prefix)
	}
}

// named reads --target.
func (w *replayWish) named(cfg *config.Config) {
	word, to := w.flags.target, &w.req.To
	configured := slices.ContainsFunc(cfg.Replay.Targets, func(t config.ReplayTarget) bool { return t.Name == word })
	switch {
	case configured:
		*to = replay.Target{Kind: replay.ToHTTP, Name: word}
	case word == targetOriginal:
		*to = replay.Target{Kind: replay.ToTopic}
	case word == replay.ToStdout, word == replay.ToRenormalize:
		*to = replay.Target{Kind: word}
	case word == replay.ToTopic:
		w.problem("--target topic needs --to-topic NAME (or --target original)")
	case word == replay.ToHTTP:
		w.problem("--target http needs --url URL")
	case word == replay.ToFile:
		w.problem("--target file needs --file FILE")
	default:
		w.problem("--target: there is no %q: there are %s", word, strings.Join(targetWords(cfg), ", "))
	}
}

// targetOriginal is the word for the topics that records are from.
const targetOriginal = "original"

// targetWords are what --target takes by itself.
func targetWords(cfg *config.Config) []string {
	words := []string{targetOriginal, replay.ToStdout, replay.ToRenormalize}
	for _, t := range cfg.Replay.Targets {
		words = append(words, t.Name)
	}
	return words
}

// pace reads how fast.
func (w *replayWish) pace() {
	f := w.flags
	w.req.Pace = replay.Pace{Rate: f.rate, MaxInFlight: f.maxInFlight}
	if f.speed != "max" {
		speed, err := strconv.ParseFloat(strings.TrimSuffix(f.speed, "x"), 64)
		if err != nil || speed <= 0 || speed > 1e6 {
			w.problem("--speed %q: write 1x, 10x or max", f.speed)
		}
		w.req.Pace.Speed = speed
	}
	if f.rate < 0 || f.maxInFlight < 0 || f.maxHops < 0 {
		w.problem("--rate, --max-in-flight and --max-hops are at least 0")
	}
}

// readPlan reads what --output json wrote.
func readPlan(path string) (*replay.Plan, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the caller's file
	if err != nil {
		return nil, fmt.Errorf("replay: --plan: %w", err)
	}
	plan := new(replay.Plan)
	if err := json.Unmarshal(text, plan); err != nil || plan.Created.IsZero() {
		return nil, exitError{fmt.Errorf("replay: %s is no plan: `postrider replay … --output json > plan.json` writes one", path), exitUsage}
	}
	return plan, nil
}
