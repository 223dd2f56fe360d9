// Package docs_test holds the reference pages against the code: what they list
// is there, what is there they list, and their examples load.
package docs_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/forward"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/pkg/consumer"
)

// text returns a file, named from this folder.
func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pages returns every page by its name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(name) == ".md" {
			found[filepath.ToSlash(name)] = text(t, name)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%d pages, %v", len(found), err)
	}
	return found
}

// section returns what stands under a heading, up to the next one of its level
// or above.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut("\n"+page, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("no heading %q", heading)
	}
	level, _, _ := strings.Cut(heading, " ")
	next := regexp.MustCompile(`(?m)^#{1,` + strconv.Itoa(len(level)) + `} `)
	if at := next.FindStringIndex(rest); at != nil {
		return rest[:at[0]]
	}
	return rest
}

// rows returns the cells of every table row.
func rows(text string) [][]string {
	var out [][]string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if inner, ok := strings.CutPrefix(line, "| "); ok {
			cells := strings.Split(strings.TrimSuffix(inner, "|"), " | ")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			out = append(out, cells)
		}
	}
	return out
}

var quoted = regexp.MustCompile("`([^`]+)`")

// codes returns what stands between backquotes.
func codes(text string) []string {
	var out []string
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// firstCells returns the codes in the first cell of every row.
func firstCells(text string) []string {
	var out []string
	for _, cells := range rows(text) {
		out = append(out, codes(cells[0])...)
	}
	return out
}

// same compares two sets.
func same(t *testing.T, what string, documented, real []string) {
	t.Helper()
	for _, name := range real {
		if !slices.Contains(documented, name) {
			t.Errorf("%s: %s is not documented", what, name)
		}
	}
	for _, name := range documented {
		if !slices.Contains(real, name) {
			t.Errorf("%s: %s is documented, but there is none", what, name)
		}
	}
	if len(real) == 0 {
		t.Errorf("%s: found none", what)
	}
}

// literals returns what the first group of a pattern matches in a source file.
func literals(t *testing.T, file, pattern string) []string {
	t.Helper()
	var out []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text(t, file), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatalf("%s: nothing matches %s", file, pattern)
	}
	return out
}

func TestMetricsAreDocumented(t *testing.T) {
	registry, ok := metrics.New("v").Gatherer().(prometheus.Collector)
	if !ok {
		t.Fatal("the registry cannot be described")
	}
	sameMetrics(t, "operations.md", registry)
	forwarder, err := forward.New(forward.Options{
		Subscriptions: []forward.Subscription{{Name: "a", Group: "a", Topics: []string{"a"}, URL: "https://a.example", Attempts: 1, Concurrency: 1, Timeout: time.Second}},
		Kafka:         consumer.Kafka{Brokers: []string{"127.0.0.1:1"}}, Log: zap.NewNop(), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	sameMetrics(t, "forward.md", forwarder)
}

// sameMetrics compares the table of metrics on a page with what is collected.
func sameMetrics(t *testing.T, page string, registry prometheus.Collector) {
	t.Helper()
	descs := make(chan *prometheus.Desc, 1000)
	registry.Describe(descs)
	close(descs)
	form := regexp.MustCompile(`^Desc\{fqName: "(\w+)", .*, constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	want := make(map[string]string)
	for d := range descs {
		m := form.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("cannot read %s", d)
		}
		if strings.HasPrefix(m[1], "postrider_") {
			labels := m[3]
			if name, _, ok := strings.Cut(m[2], "="); ok {
				labels = name
			}
			want[m[1]] = labels
		}
	}
	got := make(map[string]string)
	for _, cells := range rows(section(t, text(t, page), "## Metrics")) {
		if name := strings.Trim(cells[0], "`"); len(cells) == 4 && name != "metric" {
			got[name] = strings.Join(codes(cells[2]), ",")
		}
	}
	same(t, page+": metric", slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(want)))
	for name, labels := range want {
		if got[name] != labels {
			t.Errorf("%s: labels %q, want %q", name, got[name], labels)
		}
	}
}

func TestReasonsOfRetriesAreDocumented(t *testing.T) {
	_, rest, _ := strings.Cut(section(t, text(t, "operations.md"), "## Metrics"), "Reasons of `postrider_producer_retries_total`:")
	list, _, _ := strings.Cut(rest, ".\n")
	same(t, "retry reason", codes(list), literals(t, "../internal/broker/errors.go", `reason\w+ += "(\w+)"`))
}

func TestResultsAreDocumented(t *testing.T) {
	var got []string
	for _, cells := range rows(section(t, text(t, "operations.md"), "## Answers")) {
		for _, label := range codes(cells[len(cells)-1]) {
			if !slices.Contains(got, label) {
				got = append(got, label)
			}
		}
	}
	const result = `Result\w+ +Result = "(\w+)"`
	same(t, "result", got, append(literals(t, "../internal/ingest/answer.go", result), literals(t, "../internal/ingest/pipeline.go", result)...))
}

// Every reason code that stands in the code is in the table of logs.
func TestReasonCodesAreDocumented(t *testing.T) {
	var real []string
	for _, pattern := range []string{"../internal/*/*.go", "../internal/*/*/*.go", "../cmd/postrider/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			for _, m := range regexp.MustCompile(`zap\.String\("reason_code", "(\w+)"\)`).FindAllStringSubmatch(text(t, file), -1) {
				real = append(real, m[1])
			}
		}
	}
	for _, r := range literals(t, "../internal/ingest/answer.go", `Result\w+ +Result = "(\w+)"`) {
		if r != "published" && r != "nothing" && r != "unknown_source" { // counted, not logged
			real = append(real, r)
		}
	}
	same(t, "reason code", firstCells(section(t, text(t, "operations.md"), "## Logs")), real)
}

// Every relative link leads to a file, and its fragment to a heading.
func TestLinksResolve(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	count := 0
	for name, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			count++
			target, fragment, _ := strings.Cut(m[1], "#")
			file := name
			if target != "" {
				file = filepath.ToSlash(filepath.Join(filepath.Dir(name), target))
			}
			if _, err := os.Stat(filepath.FromSlash(file)); err != nil {
				t.Errorf("%s: %s: %v", name, m[1], err)
			} else if fragment != "" && !slices.Contains(anchors(text(t, file)), fragment) {
				t.Errorf("%s: %s: no such heading", name, m[1])
			}
		}
	}
	if count == 0 {
		t.Error("no links found")
	}
}

// anchors returns the fragments of a page's headings, as GitHub makes them.
func anchors(page string) []string {
	drop := regexp.MustCompile("[^a-z0-9 _-]")
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		out = append(out, strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return out
}
