package provider_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

func TestTakeRecipients(t *testing.T) {
	long := strings.Repeat("a", jsondoc.MaxShort) + "@example.com"
	for _, c := range []struct {
		json string
		one  string
		many []string
		rest string
	}{
		{`{"to":"a@example.com"}`, "a@example.com", nil, ""},
		{`{"to":["Ada <a@example.com>"]}`, "a@example.com", nil, ""},
		{`{"to":["a@example.com","","Bob <b@example.com>"]}`, "", []string{"a@example.com", "b@example.com"}, ""},
		{`{"to":[]}`, "", nil, ""},
		{`{"to":["a@example.com",7]}`, "", nil, `["a@example.com",7]`},
		{`{"to":["` + long + `"]}`, "", nil, `["` + long + `"]`},
		{`{"to":{"email":"a@example.com"}}`, "", nil, `{"email":"a@example.com"}`},
	} {
		doc, err := jsondoc.Parse([]byte(c.json))
		if err != nil {
			t.Fatal(err)
		}
		o, _ := doc.Root().Object(false)
		var e event.Event
		provider.TakeRecipients(o, "to", &e)
		if e.Recipient != c.one || !slices.Equal(e.Recipients, c.many) || provider.Metadata(o)["to"] != c.rest {
			t.Errorf("%.60s: %q, %q, rest %q", c.json, e.Recipient, e.Recipients, provider.Metadata(o))
		}
		doc.Release()
	}
}

// What is within is qualified where the name is taken further out.
func TestMetadata(t *testing.T) {
	doc, err := jsondoc.Parse([]byte(`{"id":"1","data":{"id":"2","more":"3"}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Release()
	o, _ := doc.Root().Object(false)
	got := provider.Metadata(o, o.Object("data"), jsondoc.Object{})
	if got["id"] != "1" || got["data.id"] != "2" || got["more"] != "3" {
		t.Errorf("%v", got)
	}
}
