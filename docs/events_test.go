package docs_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/schemas"
)

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
	for _, h := range e.AppendHeaders(nil, event.Stamp{Mapper: 1, Conflict: true, Duplicate: true}) {
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
	reasons = append(reasons, literals(t, "../internal/ingest/pipeline.go", `Reason\w+ += "(\w+)"`)...)
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
