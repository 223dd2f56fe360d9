package providertest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// update is the flag that rewrites what is expected.
var update = flag.Bool("update", false, "rewrite testdata/*.json with what comes out, and fail")

// testCase is one .http file.
type testCase struct {
	name   string
	header map[string][]string
	body   []byte
}

// request is the case's request with another body.
func (c *testCase) request(body []byte) webhook.Request {
	return webhook.Request{Method: "POST", Header: c.header, Body: body}
}

func (c *testCase) path(ext string) string { return filepath.Join("testdata", c.name+ext) }

// readCases reads the folder's testdata.
func readCases(t testing.TB) []testCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.http"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata/*.http: %v", err)
	}
	var out []testCase
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, body, ok := bytes.Cut(text, []byte("\n\n"))
		r := textproto.NewReader(bufio.NewReader(strings.NewReader(string(head) + "\n\n")))
		header, err := r.ReadMIMEHeader()
		if err != nil || !ok {
			t.Fatalf("%s: want headers, an empty line and a body: %v", file, err)
		}
		out = append(out, testCase{strings.TrimSuffix(filepath.Base(file), ".http"), header, body})
	}
	return out
}

// golden compares what comes out of each case with its .json file and with the
// published schema.
func (s *suite) golden(t *testing.T) {
	published := Schema(t)
	for _, c := range s.cases {
		t.Run(c.name, func(t *testing.T) {
			results := ParseRequest(t, s.def, s.parser, c.request(c.body))
			for i := range results {
				if results[i].Malformed == nil {
					e := complete(s.def, &results[i])
					checkSchema(t, published, &e)
				}
			}
			got := render(s.def, results)
			if *update {
				if err := os.WriteFile(c.path(".json"), got, 0o600); err != nil {
					t.Fatal(err)
				}
				t.Errorf("%s rewritten: read it, then run without -update", c.path(".json"))
				return
			}
			want, err := os.ReadFile(c.path(".json"))
			if err != nil {
				t.Fatal(err)
			}
			if s.mapped {
				want, got = detail.ReplaceAll(want, nil), detail.ReplaceAll(got, nil)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// detail is what a dead letter says in words, as a .json file shows it.
var detail = regexp.MustCompile(`(?m)^    "detail": .*\n`)

// rendered is a result as a .json file shows it.
type rendered struct {
	Index     int             `json:"index"`
	Malformed provider.Reason `json:"malformed,omitempty"`
	Detail    string          `json:"detail,omitempty"`
	NativeID  string          `json:"native_id,omitempty"`
	Event     *event.Event    `json:"event,omitempty"`
}

func render(def provider.Definition, results []provider.Result) []byte {
	out := make([]rendered, len(results))
	for i := range results {
		r := &results[i]
		out[i] = rendered{Index: r.Index, NativeID: r.NativeID}
		if m := r.Malformed; m != nil {
			out[i].Malformed, out[i].Detail = m.Reason, m.Detail
			continue
		}
		e := complete(def, r)
		out[i].Event = &e
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(out); err != nil {
		return []byte(err.Error())
	}
	return b.Bytes()
}

// coverage wants a golden for every documented type, for a type nobody knows
// and for an item without one.
func (s *suite) coverage(t *testing.T) {
	seen := make(map[provider.TypeInfo]bool)
	unknown, malformed := false, false
	for _, c := range s.cases {
		for _, r := range parse(s.parser, c.request(c.body)) {
			malformed = malformed || r.Malformed != nil && r.Malformed.Reason == provider.ReasonMissingType
			unknown = unknown || r.Event.Type == event.Unknown
			seen[provider.TypeInfo{ProviderType: jsondoc.Fold(r.Event.ProviderType), Type: r.Event.Type, Direction: r.Event.Direction}] = true
		}
	}
	for _, row := range s.def.Types {
		folded := row
		if folded.ProviderType = jsondoc.Fold(row.ProviderType); !seen[folded] {
			t.Errorf("no golden of type %s that is %s %s", row.ProviderType, row.Direction, row.Type)
		}
	}
	if !unknown || !malformed {
		t.Errorf("goldens with an unknown type: %v, without a type: %v; want both", unknown, malformed)
	}
}

// identity wants another id for every other content, unless the provider gave
// the two the same id and type.
func (s *suite) identity(t *testing.T) {
	ids := make(map[string][]byte)
	for _, c := range s.cases {
		for _, r := range parse(s.parser, c.request(c.body)) {
			if r.Malformed != nil || r.Event.ProviderEventID == r.NativeID {
				continue
			}
			if other, ok := ids[r.NativeID]; ok {
				t.Errorf("one derived id for two events:\n%s\n%s", other, r.Item)
			}
			ids[r.NativeID] = r.Item
		}
	}
}
