package schemas_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/schemas"
)

// node is the part of a JSON Schema that the tests look at.
type node struct {
	ID          string            `json:"$id"`
	Comment     string            `json:"$comment"`
	Description string            `json:"description"`
	Type        json.RawMessage   `json:"type"`
	Const       json.RawMessage   `json:"const"`
	Enum        []string          `json:"enum"`
	Required    []string          `json:"required"`
	Properties  map[string]node   `json:"properties"`
	Items       *node             `json:"items"`
	Additional  json.RawMessage   `json:"additionalProperties"`
	Examples    []json.RawMessage `json:"examples"`
}

func load(t *testing.T) node {
	t.Helper()
	var root node
	if err := json.Unmarshal(schemas.Event(), &root); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestEventCompilesAndItsExamplesAreValid(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemas.Event()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(schemas.EventID, doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(schemas.EventID)
	if err != nil {
		t.Fatal(err)
	}
	root := load(t)
	if root.ID != schemas.EventID || !strings.Contains(root.Comment, "Consumers") {
		t.Errorf("got $id %q and $comment %q", root.ID, root.Comment)
	}
	if len(root.Examples) == 0 {
		t.Error("the schema has no example")
	}
	for _, example := range root.Examples {
		instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(example))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(instance); err != nil {
			t.Errorf("example: %v", err)
		}
	}
}

func TestEventReturnsACopy(t *testing.T) {
	schemas.Event()[0] = 'x'
	if got := schemas.Event()[0]; got != '{' {
		t.Errorf("got first byte %q: a caller changed the schema of all", got)
	}
}

func TestSchemaAndStructNameTheSameFields(t *testing.T) {
	compare(t, "event", reflect.TypeFor[event.Event](), load(t))
}

// compare holds a struct against the schema of its object: the same fields,
// each described, required exactly where the struct always writes it, and
// nothing else allowed.
func compare(t *testing.T, path string, typ reflect.Type, n node) {
	t.Helper()
	var names, always []string
	for f := range typ.Fields() {
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
		if option == "" {
			always = append(always, name)
		}
		property, ok := n.Properties[name]
		if !ok {
			continue // reported below
		}
		described(t, path+"."+name, property)
		if f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct {
			compare(t, path+"."+name, f.Type.Elem(), property)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, slices.Sorted(maps.Keys(n.Properties))); diff != "" {
		t.Errorf("%s: fields (-struct +schema):\n%s", path, diff)
	}
	if diff := cmp.Diff(always, n.Required); diff != "" {
		t.Errorf("%s: required (-struct +schema):\n%s", path, diff)
	}
	if string(n.Additional) != "false" {
		t.Errorf("%s: additionalProperties is %s, want false", path, n.Additional)
	}
}

func described(t *testing.T, path string, n node) {
	t.Helper()
	if len(n.Description) < 10 || !strings.HasSuffix(n.Description, ".") {
		t.Errorf("%s: got description %q, want a sentence", path, n.Description)
	}
	if n.Type == nil && n.Const == nil {
		t.Errorf("%s: has neither type nor const", path)
	}
	if n.Items != nil {
		described(t, path+"[]", *n.Items)
	}
}

func TestEnumsAreThoseOfThePackage(t *testing.T) {
	root := load(t)
	bounce := root.Properties["bounce"].Properties
	same(t, "type", event.Types(), root.Properties["type"])
	same(t, "bounce.class", event.BounceClasses(), bounce["class"])
	same(t, "bounce.category", event.BounceCategories(), bounce["category"])
	same(t, "drop.reason", event.DropReasons(), root.Properties["drop"].Properties["reason"])
	// The descriptions explain every value.
	for _, n := range []node{root.Properties["type"], bounce["class"], bounce["category"], root.Properties["drop"].Properties["reason"]} {
		for _, value := range n.Enum {
			if !strings.Contains(n.Description, value) {
				t.Errorf("the description does not explain %s: %s", value, n.Description)
			}
		}
	}
}

func same[T ~string](t *testing.T, field string, values []T, n node) {
	t.Helper()
	want := make([]string, len(values))
	for i, v := range values {
		want[i] = string(v)
	}
	if diff := cmp.Diff(want, n.Enum); diff != "" {
		t.Errorf("%s (-package +schema):\n%s", field, diff)
	}
}
