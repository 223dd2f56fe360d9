package providertest

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/schemas"
)

// Schema compiles the published JSON Schema of the event.
func Schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
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
	return compiled
}

// checkSchema holds an event against the published schema.
func checkSchema(t testing.TB, s *jsonschema.Schema, e *event.Event) {
	t.Helper()
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.AppendJSON(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(instance); err != nil {
		t.Errorf("%v", err)
	}
}
