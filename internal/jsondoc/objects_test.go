package jsondoc_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/jsondoc"
)

func TestObjects(t *testing.T) {
	doc, err := jsondoc.Parse([]byte(`{"a":[{"x":"1","y":{"z":2}},{"x":"3","w":true}],"mixed":[{},1],"none":[],"b":4}`))
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Release()
	o, _ := doc.Root().Object(false)
	var got []string
	list := o.Objects("a")
	for _, item := range list {
		got = append(got, item.String("x"))
	}
	if diff := cmp.Diff([]string{"1", "3"}, got); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"mixed", "b", "missing"} {
		if o.Objects(name) != nil {
			t.Errorf("%s is no array of objects", name)
		}
	}
	if none := o.Objects("none"); len(none) != 0 {
		t.Errorf("an empty array has %d objects", len(none))
	}
	rest := o.Rest(nil)
	for _, item := range list {
		rest = item.Rest(rest)
	}
	want := map[string]string{"mixed": `[{},1]`, "b": "4", "y": `{"z":2}`, "w": "true"}
	if diff := cmp.Diff(want, rest); diff != "" {
		t.Errorf("what is left (-want +got)\n%s", diff)
	}
}
