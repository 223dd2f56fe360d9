package providertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
)

// hostile is what a sender may do to any provider's webhooks.
func (s *suite) hostile(t *testing.T) {
	t.Run("unreadable", s.unreadable)
	t.Run("batches", s.batches)
	t.Run("spelling", s.spelling)
	t.Run("extra members", s.extraMembers)
	t.Run("wrong types", s.wrongTypes)
	t.Run("truncated", s.truncated)
}

// unreadable bodies are one dead letter, or one for each item; [] is nothing.
func (s *suite) unreadable(t *testing.T) {
	deep, many := strings.Repeat("[", 100_000), strings.Repeat("{},", jsondoc.MaxItems)+"{}"
	for _, c := range []struct {
		name, body string
		want       []provider.Reason
	}{
		{"empty", "", []provider.Reason{provider.ReasonEmptyBody}},
		{"white space", " \r\n\t", []provider.Reason{provider.ReasonEmptyBody}},
		{"byte order mark", "\xef\xbb\xbf", []provider.Reason{provider.ReasonEmptyBody}},
		{"empty object", "{}", []provider.Reason{provider.ReasonMissingType}},
		{"empty array", "[]", nil},
		{"null", "null", []provider.Reason{provider.ReasonNotAnObject}},
		{"number", "7", []provider.Reason{provider.ReasonNotAnObject}},
		{"text", `"delivered"`, []provider.Reason{provider.ReasonNotAnObject}},
		{"no objects", `[null,[],"x",{}]`, []provider.Reason{
			provider.ReasonNotAnObject, provider.ReasonNotAnObject, provider.ReasonNotAnObject, provider.ReasonMissingType,
		}},
		{"form", "a=1&b=2", []provider.Reason{provider.ReasonInvalidJSON}},
		{"two documents", "{}{}", []provider.Reason{provider.ReasonInvalidJSON}},
		{"lone commas", "[,]", []provider.Reason{provider.ReasonInvalidJSON}},
		{"control character", "{\"a\":\"\x00\"}", []provider.Reason{provider.ReasonInvalidJSON}},
		{"UTF-16", "{\x00}\x00", []provider.Reason{provider.ReasonInvalidJSON}},
		{"deep array", deep, []provider.Reason{provider.ReasonTooDeep}},
		{"deep object", strings.Repeat(`{"a":`, 100_000), []provider.Reason{provider.ReasonTooDeep}},
		{"too many items", "[" + many + "]", []provider.Reason{provider.ReasonTooManyItems}},
		{"too many values", "[" + strings.Repeat("{"+strings.Repeat(`"a":1,`, 99)+`"a":1},`, 3000) + "{}]", []provider.Reason{provider.ReasonTooManyItems}},
	} {
		if want, ok := s.otherwise()[c.name]; ok {
			c.want = want
		}
		var got []provider.Reason
		for _, r := range Parse(t, s.def, s.parser, []byte(c.body)) {
			if r.Malformed == nil {
				t.Fatalf("%s: an event: %s", c.name, r.Item)
			}
			got = append(got, r.Malformed.Reason)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// otherwise is what comes of some of the unreadable bodies where the provider also
// sends other things than JSON.
func (s *suite) otherwise() map[string][]provider.Reason {
	if !s.def.Forms {
		return nil
	}
	return map[string][]provider.Reason{
		"form": {provider.ReasonMissingType},
		"null": {provider.ReasonInvalidJSON}, "number": {provider.ReasonInvalidJSON}, "text": {provider.ReasonInvalidJSON},
	}
}

// objects returns the items of all cases that, each alone, make one event: also
// those that came in an envelope or a form.
func (s *suite) objects(t *testing.T) []testCase {
	t.Helper()
	var out []testCase
	for _, c := range s.cases {
		for i, r := range parse(s.parser, c.request(c.body)) {
			item := unwrapped(bytes.Clone(r.Item))
			alone := parse(s.parser, c.request(item))
			if json.Valid(item) && item[0] == '{' && len(alone) == 1 && alone[0].Malformed == nil {
				out = append(out, testCase{fmt.Sprintf("%s[%d]", c.name, i), c.header, item})
			}
		}
	}
	if len(out) == 0 {
		t.Fatal("no item of a golden makes one event")
	}
	return out
}

// unwrapped is what an SNS envelope, or an EventBridge event about a mail, carries, which
// providers take without it as well; any other item is itself. What else an envelope has
// is no part of the event.
func unwrapped(item []byte) []byte {
	var envelope struct {
		TopicArn, Message string
		Detail            json.RawMessage `json:"detail"`
	}
	switch err := json.Unmarshal(item, &envelope); {
	case err != nil:
	case envelope.TopicArn != "" && json.Valid([]byte(envelope.Message)):
		return unwrapped([]byte(envelope.Message))
	case bytes.Contains(envelope.Detail, []byte(`"mail"`)):
		return envelope.Detail
	}
	return item
}

// batches: an array of 5,000 gives what each gives alone, in order, and bad
// items do not touch their neighbours.
func (s *suite) batches(t *testing.T) {
	cases := s.objects(t)
	var body bytes.Buffer
	var want []provider.Result
	for i := range 5_000 {
		body.WriteString([]string{"[", ",", ",\n"}[min(i, 1+i%2)])
		if i%10 == 9 {
			body.WriteString("null")
			want = append(want, provider.Result{Malformed: &provider.Malformed{Reason: provider.ReasonNotAnObject}})
			continue
		}
		c := cases[i%len(cases)]
		body.Write(c.body)
		want = append(want, parse(s.parser, bare(c.body))[0])
	}
	body.WriteString("]")
	got := Parse(t, s.def, s.parser, body.Bytes())
	if len(got) != len(want) {
		t.Fatalf("%d results, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Index != i || (got[i].Malformed == nil) != (want[i].Malformed == nil) {
			t.Fatalf("item %d: index %d, malformed %v, want %v", i, got[i].Index, got[i].Malformed, want[i].Malformed)
		}
		if got[i].Malformed == nil && (!reflect.DeepEqual(got[i].Event, want[i].Event) || got[i].NativeID != want[i].NativeID) {
			t.Fatalf("item %d differs in a batch: %s", i, got[i].Item)
		}
	}
}

// spelling: a byte order mark, other line ends, no white space, escaped letters
// and a repeated name change neither event nor id.
func (s *suite) spelling(t *testing.T) {
	for _, c := range s.objects(t) {
		var compact bytes.Buffer
		if err := json.Compact(&compact, c.body); err != nil {
			t.Fatal(err)
		}
		want := parse(s.parser, c.request(c.body))
		bodies := map[string][]byte{
			"byte order mark": append([]byte("\xef\xbb\xbf"), c.body...),
			"CRLF":            bytes.ReplaceAll(c.body, []byte("\n"), []byte("\r\n")),
			"space around":    []byte("\n\n " + string(c.body) + "\r\n\t "),
			"compact":         compact.Bytes(),
			"escaped names":   bytes.ReplaceAll(c.body, []byte(`"t`), []byte(`"\u0074`)),
		}
		for name := range members(t, c.body) {
			bodies["repeated "+name] = []byte(`{"` + name + `":{"hidden":[1]},` + strings.TrimLeft(string(c.body), " \n{"))
		}
		for name, body := range bodies {
			got := ParseRequest(t, s.def, s.parser, c.request(body))
			if len(got) != 1 || got[0].Malformed != nil || got[0].NativeID != want[0].NativeID || !sameEvent(got[0], want[0]) {
				t.Errorf("%s, %s:\n%s\nwant\n%s", c.name, name, render(s.def, got), render(s.def, want))
			}
		}
	}
}

// sameEvent compares two events but for the spelling of what they carry raw: the
// whole item, and in the metadata nested values as they were sent.
func sameEvent(a, b provider.Result) bool {
	a.Event.Raw, b.Event.Raw = nil, nil
	a.Event.Metadata, b.Event.Metadata = unescaped(a.Event.Metadata), unescaped(b.Event.Metadata)
	return reflect.DeepEqual(a.Event, b.Event)
}

// unescaped undoes the escaping of the spelling test.
func unescaped(metadata map[string]string) map[string]string {
	out := maps.Clone(metadata)
	for name, value := range out {
		out[name] = strings.ReplaceAll(value, `\u0074`, "t")
	}
	return out
}

// members decodes an object.
func members(t testing.TB, body []byte) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return m
}

// extraMembers: what a provider adds one day is in the metadata, as it was sent.
func (s *suite) extraMembers(t *testing.T) {
	extra := []struct{ text, want string }{
		{`"plain"`, "plain"},
		{`"a\u0000b\n"`, "a\x00b\n"},
		{"\"bad \xff\xfe!\"", "bad \uFFFD\uFFFD!"},
		{`"\ud800"`, "\uFFFD"},
		{`9007199254740993`, "9007199254740993"},
		{`1e400`, "1e400"},
		{`-0.10`, "-0.10"},
		{`true`, "true"},
		{`null`, ""},
		{`""`, ""},
		{`{ "b" : [ 1.50 , null ], "a" : "\u00e9" }`, `{"b":[1.50,null],"a":"\u00e9"}`},
		{"{\"bad\": [\"\xff\"]}", "{\"bad\":[\"\uFFFD\"]}"},
		{`[]`, "[]"},
	}
	for _, c := range s.objects(t) {
		before := parse(s.parser, c.request(c.body))[0].Event
		for i, x := range extra {
			name := fmt.Sprintf("x extra %d", i)
			body := strings.Replace(string(c.body), "{", `{"`+name+`": `+x.text+",", 1)
			got := ParseRequest(t, s.def, s.parser, c.request([]byte(body)))
			e := got[0].Event
			if value, there := e.Metadata[name]; value != x.want || there != (x.want != "") {
				t.Errorf("%s: %s is %q in the metadata, want %q", c.name, x.text, value, x.want)
			}
			e.Metadata, e.Raw = maps.Clone(e.Metadata), before.Raw
			delete(e.Metadata, name)
			if len(e.Metadata) == 0 {
				e.Metadata = nil
			}
			if !reflect.DeepEqual(e, before) {
				t.Errorf("%s: an extra member changes more than the metadata:\n%s", c.name, render(s.def, got))
			}
		}
	}
}

// wrongTypes puts other kinds of values in the place of every member: the event
// stays valid, and what was sent is still found in it.
func (s *suite) wrongTypes(t *testing.T) {
	marks := map[string]string{
		`{"wrong":"m4711"}`:                    "m4711",
		`["m4711",1]`:                          "m4711",
		`4711.25`:                              "4711.25",
		`"m4711"`:                              "m4711",
		`"` + strings.Repeat("m", 70000) + `"`: strings.Repeat("m", 70000),
		`true`:                                 "true",
		`null`:                                 "",
		`""`:                                   "",
	}
	tried := make(map[string]bool) // a member is read alike in all events of one type
	for _, c := range s.objects(t) {
		before := parse(s.parser, c.request(c.body))[0].Event
		for value, mark := range marks {
			for path, body := range replaced(t, c.body, json.RawMessage(value)) {
				what := fmt.Sprint(before.ProviderType, before.Direction, before.Type, path, value)
				if len(value) > jsondoc.MaxProse { // over every reader's bound, whatever the type
					what = path
				}
				if tried[what] {
					continue
				}
				tried[what] = true
				for _, r := range ParseRequest(t, s.def, s.parser, c.request(body)) {
					if r.Malformed == nil && !s.holds(&r, mark) {
						t.Errorf("%s: %.20s in %s is lost:\n%s", c.name, value, path, render(s.def, []provider.Result{r}))
					}
				}
			}
		}
	}
}

// holds reports whether a text is found in an event, or in its native id.
func (s *suite) holds(r *provider.Result, text string) bool {
	e := complete(s.def, r)
	return strings.Contains(string(e.AppendJSON(nil)), text) || strings.Contains(r.NativeID, text)
}

// replaced yields the object with each of its members, at any depth, replaced
// by value.
func replaced(t testing.TB, body []byte, value json.RawMessage) map[string][]byte {
	t.Helper()
	out := make(map[string][]byte)
	object := members(t, body)
	for name, old := range object {
		object[name] = value
		out[name] = marshal(t, object)
		if bytes.HasPrefix(old, []byte("{")) {
			for path, inner := range replaced(t, old, value) {
				object[name] = inner
				out[name+"."+path] = marshal(t, object)
			}
		}
		object[name] = old
	}
	return out
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// truncated bodies, and ones with something behind the end, are no event.
func (s *suite) truncated(t *testing.T) {
	for _, c := range s.objects(t) {
		bodies := [][]byte{append(bytes.Clone(c.body), 'x'), append(bytes.Clone(c.body), c.body...), append(bytes.Clone(c.body), 0)}
		for n := 1; n < len(c.body); n++ {
			bodies = append(bodies, c.body[:n])
		}
		for _, body := range bodies {
			results := ParseRequest(t, s.def, s.parser, c.request(body))
			if len(results) != 1 || results[0].Malformed == nil || results[0].Malformed.Reason != provider.ReasonInvalidJSON || results[0].Index != -1 {
				t.Fatalf("%s, %d of %d bytes: %s", c.name, len(body), len(c.body), render(s.def, results))
			}
		}
	}
}
