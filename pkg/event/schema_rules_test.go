package event_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/event/internal/eventtest"
	"github.com/postrider/postrider/schemas"
)

// leaves collects where in the schema a document was refused.
func leaves(err *jsonschema.ValidationError, keywords map[string]bool) {
	for _, cause := range err.Causes {
		leaves(cause, keywords)
	}
	if len(err.Causes) == 0 {
		_, at, _ := strings.Cut(err.SchemaURL, "#")
		keywords[at+"/"+strings.Join(err.ErrorKind.KeywordPath(), "/")] = true
	}
}

// rulesOf reads the rules out of Validate's source: the literal fields and
// texts of its checks.
func rulesOf(t *testing.T, file string) []event.Problem {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var rules []event.Problem
	ast.Inspect(tree, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		switch sel.Sel.Name {
		case "that":
			rules = appendRule(rules, call.Args[1], call.Args[2])
		case "text", "name":
			rules = appendRule(rules, call.Args[0], &ast.BasicLit{Kind: token.STRING, Value: `"is too long"`})
		}
		return true
	})
	if len(rules) < 40 {
		t.Fatalf("found only %d rules in %s", len(rules), file)
	}
	return rules
}

func appendRule(rules []event.Problem, field, text ast.Expr) []event.Problem {
	f, ok := field.(*ast.BasicLit)
	r, also := text.(*ast.BasicLit)
	if !ok || !also {
		return rules // a helper's parameter, or a text made of a constant
	}
	name, _ := strconv.Unquote(f.Value)
	rule, _ := strconv.Unquote(r.Value)
	return append(rules, event.Problem{Field: name, Text: rule})
}

// constraintsOf lists the schema's constraints that an event of the Go type can
// break. The others (types, additional properties, emptiness of what is left
// out when empty) hold by the type itself.
func constraintsOf(t *testing.T) []string {
	t.Helper()
	var root any
	if err := json.Unmarshal(schemas.Event(), &root); err != nil {
		t.Fatal(err)
	}
	var found []string
	var walk func(path string, n any)
	walk = func(path string, n any) {
		object, ok := n.(map[string]any)
		if !ok {
			if list, ok := n.([]any); ok {
				for i, v := range list {
					walk(path+"/"+strconv.Itoa(i), v)
				}
			}
			return
		}
		for k, v := range object {
			switch k {
			case "examples", "if":
			case "const", "enum", "pattern", "maxLength", "minimum", "maximum", "maxItems", "maxProperties":
				found = append(found, path+"/"+k)
			default:
				walk(path+"/"+k, v)
			}
		}
	}
	walk("", root)
	if len(found) < 50 {
		t.Fatalf("found only %d constraints", len(found))
	}
	// Test is either absent or true; the Go type cannot say otherwise.
	return remove(found, "/properties/test/const")
}

func remove(list []string, item string) []string {
	var kept []string
	for _, s := range list {
		if s != item {
			kept = append(kept, s)
		}
	}
	return kept
}

// TestValidateAndSchemaAgreeOnMutatedDocuments goes from documents: what the
// schema accepts, Decode reads and Validate accepts; and whatever Decode reads,
// schema and Validate agree on.
func TestValidateAndSchemaAgreeOnMutatedDocuments(t *testing.T) {
	s := compiled(t)
	rapid.Check(t, func(t *rapid.T) {
		e := eventtest.Valid().Draw(t, "event")
		doc := map[string]any{}
		if err := json.Unmarshal(e.AppendJSON(nil), &doc); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 3).Draw(t, "mutations") {
			mutate(t, doc)
		}
		b, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		accepted := judge(t, s, b) == nil
		decoded, err := event.Decode(b)
		if err != nil {
			if accepted {
				t.Fatalf("the schema accepts what Decode refuses: %v: %s", err, b)
			}
			return
		}
		if _, byCode := agree(t, s, &decoded); accepted && byCode != nil {
			t.Fatalf("the schema accepts what Validate refuses: %v: %s", byCode, b)
		}
	})
}

// mutate removes, replaces or adds one member, at the top or one level below.
func mutate(t *rapid.T, doc map[string]any) {
	names := []string{
		"schema", "id", "type", "family", "direction", "provider", "source", "provider_type", "occurred_at", "received_at", "message_id",
		"recipient_hash", "recipients", "tags", "metadata", "smtp", "bounce", "drop", "complaint", "engagement", "test", "raw", "extra",
		"code", "enhanced", "attempt", "class", "category", "will_retry", "reason", "detail", "url", "bot",
	}
	values := []any{
		nil, "", "x", 0, 1, 250, 600, 2.5, true, false, "bounced", "unknown", "delivery", "inbound", "hard", "spam", "5.1.1", "9.1.1",
		"2025-11-28T06:29:57Z", "2025-11-28T06:29:57.123456789Z", "2025-11-28T06:29:57+01:00", "2025-13-28T06:29:57Z", "1999-12-31T23:59:59Z",
		"2025-11-28 06:29:57Z",
		[]any{},
		[]any{"a"},
		[]any{""},
		[]any{1},
		map[string]any{},
		map[string]any{"a": "b"},
		map[string]any{"class": "soft"},
		map[string]any{"code": 550},
		map[string]any{"reason": "spam"},
		strings.Repeat("a", 32), strings.Repeat("0", 64),
	}
	target := doc
	if inner, ok := doc[rapid.SampledFrom(names).Draw(t, "object")].(map[string]any); ok {
		target = inner
	}
	name := rapid.SampledFrom(names).Draw(t, "name")
	if rapid.Bool().Draw(t, "remove") {
		delete(target, name)
		return
	}
	target[name] = rapid.SampledFrom(values).Draw(t, "value")
}
