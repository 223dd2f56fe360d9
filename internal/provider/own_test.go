package provider_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
)

func TestOwnMetadata(t *testing.T) {
	for body, want := range map[string]map[string]string{
		`{"own":"{\"a\":1,\"b\":\"x\"}","b":"ours"}`: {"a": "1", "b": "ours", "item.b": "x"},
		`{"own":"[1, 2]"}`:                           {"own": "[1, 2]"},
		`{"own":"words {"}`:                          {"own": "words {"},
		`{"own":{"a":1}}`:                            {"own": `{"a":1}`},
		`{"own":"{}"}`:                               nil,
		`{}`:                                         nil,
	} {
		doc, err := jsondoc.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		o, _ := doc.Root().Object(false)
		if diff := cmp.Diff(want, provider.OwnMetadata(o, "own")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", body, diff)
		}
		doc.Release()
	}
}

func TestPeekIn(t *testing.T) {
	doc, err := jsondoc.Parse([]byte(`{"geo":{"country":"AT","zip":8010},"geos":["AT"],"none":null}`))
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Release()
	o, _ := doc.Root().Object(false)
	for at, want := range map[[2]string]string{
		{"geo", "country"}: "AT", {"geo", "zip"}: "", {"geo", "city"}: "", {"geos", "country"}: "", {"none", "x"}: "", {"missing", "x"}: "",
	} {
		if got := provider.PeekIn(o, at[0], at[1]); got != want {
			t.Errorf("%v: %q, want %q", at, got, want)
		}
	}
	if rest := o.Rest(nil); rest["geo"] != `{"country":"AT","zip":8010}` {
		t.Errorf("looking takes something: %v", rest)
	}
}
