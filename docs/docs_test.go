// Package docs_test holds the reference pages against the code: what they list
// is there, what is there they list, and their examples load.
package docs_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
	"github.com/postrider/postrider/schemas"
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
	next := regexp.MustCompile(`(?m)^#{1,` + fmt.Sprint(len(level)) + `} `)
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

func TestEveryFieldIsDocumented(t *testing.T) {
	type node struct {
		Properties map[string]*node `json:"properties"`
	}
	var schema node
	if err := json.Unmarshal(schemas.Event(), &schema); err != nil {
		t.Fatal(err)
	}
	var fields []string
	for name, n := range schema.Properties {
		fields = append(fields, name)
		for inner := range n.Properties {
			fields = append(fields, name+"."+inner)
		}
	}
	same(t, "field", firstCells(section(t, text(t, "events.md"), "## Fields")), fields)
}

func TestTypesAndTopics(t *testing.T) {
	table := section(t, text(t, "events.md"), "## Types and topics")
	names := app.TopicNames(config.Default().Kafka.Topics)
	for _, typ := range event.Types() {
		want := []string{"`" + string(typ) + "`", string(typ.Family())}
		for _, d := range []event.Direction{event.Outbound, event.Inbound} {
			cell := "–"
			if topic := names.Typed[event.Route{Direction: d, Type: typ}]; topic != "" {
				cell = "`" + topic + "`"
			}
			want = append(want, cell)
		}
		if !slices.ContainsFunc(rows(table), func(got []string) bool { return slices.Equal(got[:min(4, len(got))], want) }) {
			t.Errorf("no row %v", want)
		}
	}
	if !strings.Contains(table, fmt.Sprintf("these %d typed topics", len(names.Typed))) {
		t.Errorf("there are %d typed topics", len(names.Typed))
	}
}

func TestEnumerationsAreDocumented(t *testing.T) {
	page := text(t, "events.md")
	var categories, reasons []string
	for _, c := range event.BounceCategories() {
		categories = append(categories, string(c))
	}
	for _, r := range event.DropReasons() {
		reasons = append(reasons, string(r))
	}
	same(t, "category", firstCells(section(t, page, "## Bounces")), categories)
	for _, cells := range rows(section(t, page, "## Fields")) {
		if cells[0] == "`drop.reason`" {
			same(t, "drop reason", codes(cells[1]), reasons)
		}
	}
}

// The headers of a record that has every one.
func TestHeadersAreDocumented(t *testing.T) {
	retry := true
	e := event.Event{
		ID: "x", Type: event.Bounced, Provider: "p", Source: "s", MessageID: "m", Test: true,
		OccurredAt: event.NewTime(time.Unix(1, 0), 0), Bounce: &event.Bounce{Class: event.Soft, WillRetry: &retry},
	}
	var keys []string
	for _, h := range e.AppendHeaders(nil, event.Stamp{Mapper: 1, Conflict: true}) {
		keys = append(keys, h.Key)
	}
	table := section(t, text(t, "events.md"), "### Typed events")
	_, table, _ = strings.Cut(table, "| header |")
	if got := firstCells(table); !slices.Equal(got, keys) {
		t.Errorf("headers %v, want %v", got, keys)
	}
}

func TestDeadLetterReasonsAreDocumented(t *testing.T) {
	reasons := literals(t, "../internal/provider/provider.go", `Reason\w+ +Reason = "(\w+)"`)
	reasons = append(reasons, literals(t, "../internal/normalize/deadletter.go", `Reason\w+ += "(\w+)"`)...)
	reasons = append(reasons, literals(t, "../internal/ingest/pipeline.go", `reason\w+ += "(\w+)"`)...)
	table := section(t, text(t, "events.md"), "### Dead letters")
	_, table, _ = strings.Cut(table, "| reason | stage |")
	same(t, "dead letter reason", firstCells(table), reasons)
}

func TestMappingIsDocumented(t *testing.T) {
	names := app.TopicNames(config.Default().Kafka.Topics)
	for _, def := range all.Definitions() {
		mapping := rows(section(t, text(t, "providers/"+def.ID+".md"), "## Mapping"))
		for _, info := range def.Types {
			topic := names.Typed[event.Route{Direction: info.Direction, Type: info.Type}]
			want := []string{"`" + info.ProviderType + "`", "`" + topic + "`"}
			if !slices.ContainsFunc(mapping, func(got []string) bool { return len(got) > 1 && slices.Equal(got[:2], want) }) {
				t.Errorf("%s: no row %v", def.ID, want)
			}
		}
	}
}

func TestSubTypesAreDocumented(t *testing.T) {
	var want [][]string
	for line := range strings.Lines(text(t, "../internal/provider/cmcom/testdata/subtypes.tsv")) {
		if cells := strings.Split(line, "\t"); cells[0] != "class" {
			want = append(want, []string{cells[0], cells[1], "`" + cells[2] + "`", cells[3]})
		}
	}
	got := rows(section(t, text(t, "providers/cmcom.md"), "### Bounces"))
	if len(want) != 31 {
		t.Fatalf("%d sub-types, want 31", len(want))
	}
	for _, w := range want {
		if !slices.ContainsFunc(got, func(g []string) bool { return slices.Equal(g, w) }) {
			t.Errorf("no row %v", w)
		}
	}
}

func TestMetricsAreDocumented(t *testing.T) {
	registry, ok := metrics.New("v").Gatherer().(prometheus.Collector)
	if !ok {
		t.Fatal("the registry cannot be described")
	}
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
	for _, cells := range rows(section(t, text(t, "operations.md"), "## Metrics")) {
		if name := strings.Trim(cells[0], "`"); len(cells) == 4 && name != "metric" {
			got[name] = strings.Join(codes(cells[2]), ",")
		}
	}
	same(t, "metric", slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(want)))
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
	same(t, "result", got, literals(t, "../internal/ingest/answer.go", `Result\w+ +Result = "(\w+)"`))
}

// Every reason code that stands in the code is in the table of logs.
func TestReasonCodesAreDocumented(t *testing.T) {
	var real []string
	for _, pattern := range []string{"../internal/*/*.go", "../cmd/postrider/*.go"} {
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

func TestRefusalsAreDocumented(t *testing.T) {
	want := literals(t, "../pkg/webhook/refused.go", `Reason\w+ +Reason = "(\w+)"`)
	same(t, "refusal", firstCells(section(t, text(t, "authentication.md"), "## Reasons of refusals")), want)
}

// Every auth type has a section with an example of that type.
func TestEveryAuthTypeHasAnExample(t *testing.T) {
	page := text(t, "authentication.md")
	for _, typ := range webhook.Types() {
		if part := section(t, page, "## "+typ); !strings.Contains(part, "type: "+typ) {
			t.Errorf("the section of %s has no example", typ)
		}
	}
}

// The table says of each type what it covers.
func TestCoverageIsAsDocumented(t *testing.T) {
	table := make(map[string][]string)
	for _, cells := range rows(text(t, "authentication.md")) {
		if len(cells) == 4 {
			table[strings.Trim(cells[0], "`")] = cells[1:3]
		}
	}
	says := func(cell string) bool { return strings.HasPrefix(cell, "yes") }
	for _, typ := range webhook.Types() {
		c := webhook.Config{Type: typ}
		if typ == "hmac" {
			c.Header, c.Template, c.Timestamp = "X-Signature", "{timestamp}.{body}", "X-Timestamp"
		}
		covered := c.Covers()
		cells := table[typ]
		if len(cells) != 2 || says(cells[0]) != covered.Body || says(cells[1]) != covered.Time {
			t.Errorf("%s: documented %v, is %+v", typ, cells, covered)
		}
	}
}

// Every fenced YAML example is a configuration that loads, with sources that
// work and give no cause for a warning unless they prove nothing.
func TestExamplesLoad(t *testing.T) {
	fence := regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```$")
	count := 0
	for name, page := range pages(t) {
		for i, m := range fence.FindAllStringSubmatch(page, -1) {
			count++
			var example strings.Builder
			for line := range strings.Lines(m[2]) {
				example.WriteString(strings.TrimPrefix(line, m[1]))
			}
			t.Run(fmt.Sprintf("%s/%d", name, i+1), func(t *testing.T) { load(t, example.String()) })
		}
	}
	if count < len(webhook.Types()) {
		t.Errorf("only %d examples found", count)
	}
}

// load loads one example; every file and variable it names holds a secret.
func load(t *testing.T, example string) {
	t.Helper()
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("an example's secret of 32 bytes."))
	cfg, err := config.Load(config.Options{
		File: "config.yaml", Env: []string{"BASIC_PASSWORD=" + secret},
		Providers: app.ProviderIDs(), AuthTypes: webhook.Types(),
		Now: func() time.Time { return time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC) },
		ReadFile: func(name string) ([]byte, error) {
			if filepath.Base(name) == "config.yaml" {
				return []byte(example), nil
			}
			return []byte(secret), nil
		},
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, example)
	}
	compiled, err := app.CompileSources(cfg, cfg.Sources)
	if err != nil {
		t.Fatalf("%v\n%s", err, example)
	}
	for _, s := range compiled {
		if proves := s.Config.Auth.Type != "none"; proves && len(s.Warnings) > 0 {
			t.Errorf("%s: %v", s.Config.Name, s.Warnings)
		}
	}
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
