package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// told is what became of a request, a line a result: its type and all the rest.
func told(results []provider.Result) []string {
	var lines []string
	for i, r := range results {
		line := fmt.Sprint(r.Index, " ", r.Event.ProviderType, " ", r.Event.Metadata, " ", string(r.Item))
		if r.Malformed != nil {
			line = fmt.Sprint(r.Index, " ", r.Malformed.Reason, " ", string(r.Item))
		}
		if r.Index != i && r.Index != -1 {
			line += " out of place"
		}
		lines = append(lines, line)
	}
	return lines
}

// rest reads the member "type" and leaves all else for the metadata, with the name of
// the envelope in front.
func rest(o jsondoc.Object, at provider.Place, e *event.Event) (string, *provider.Malformed) {
	e.ProviderType = at.Outer.Peek("user") + o.String("type")
	e.Metadata = o.Rest(nil)
	if e.ProviderType == "" {
		return "", provider.MissingType("type")
	}
	return "", nil
}

const multipartBody = "--b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nsent\r\n" +
	"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n"

func TestShapes(t *testing.T) {
	forms := provider.Reading{Item: rest, Forms: true}
	field := provider.Reading{Item: rest, Forms: true, Field: "events"}
	lines := provider.Reading{Item: rest, Lines: true}
	within := provider.Reading{Item: rest, Within: []string{"users", "events"}}
	for _, c := range []struct {
		name       string
		reading    provider.Reading
		kind, body string
		want       []string
	}{
		{"form", forms, provider.ContentForm, "type=sent&a=1&b=x+y%20z&a=2&bad=%zz&=e", []string{
			`0 sent map[:e a:["1","2"] b:x y z bad:%zz] {"type":"sent","a":["1","2"],"b":"x y z","bad":"%zz","":"e"}`,
		}},
		{"form without a content type", forms, "", " type=sent\r\n", []string{`0 sent map[] {"type":"sent"}`}},
		{"form with quotes", forms, "", `type=%22%5C%0A%00`, []string{"0 \"\\\n\x00 map[] {\"type\":\"\\\"\\\\\\n\\u0000\"}"}},
		{"multipart", forms, `multipart/form-data; boundary="b"`, multipartBody, []string{`0 sent map[file:hello] {"type":"sent","file":"hello"}`}},
		{"multipart cut short", forms, `multipart/form-data; boundary=b`, multipartBody[:90], []string{"-1 invalid_json " + multipartBody[:90]}},
		{"multipart without boundary", forms, `multipart/form-data`, multipartBody, []string{"-1 invalid_json " + multipartBody}},
		{"JSON where forms are usual", forms, provider.ContentForm, ` [{"type":"a"},{"type":"b"}]`, []string{`0 a map[] {"type":"a"}`, `1 b map[] {"type":"b"}`}},
		{"neither", forms, "", "delivered", []string{"-1 invalid_json delivered"}},
		{"XML", forms, "", `<a b="c"/>`, []string{`-1 invalid_json <a b="c"/>`}},
		{"no form where none is usual", lines, provider.ContentForm, "type=sent", []string{"-1 invalid_json type=sent"}},

		{"field", field, provider.ContentForm, "x=1&events=%5B%7B%22type%22%3A%22a%22%7D%2C7%5D", []string{`0 a map[] {"type":"a"}`, `1 not_an_object 7`}},
		{"field with nothing", field, provider.ContentForm, "events=%5B%5D", nil},
		{"field that is no JSON", field, provider.ContentForm, "events=x", []string{"-1 invalid_json events=x"}},
		{"field missing", field, provider.ContentForm, "event=%5B%5D", []string{"-1 missing_type event=%5B%5D"}},
		{"field's item alone", field, provider.ContentJSON, `{"type":"a"}`, []string{`0 a map[] {"type":"a"}`}},

		{"lines", lines, "", "{\"type\":\"a\"}\r\n\n {\"type\":\"b\"} \n{\"type\":\n[{\"type\":\"c\"},{}]\n7\n", []string{
			`0 a map[] {"type":"a"}`, `1 b map[] {"type":"b"}`, `2 invalid_json {"type":`, `3 c map[] {"type":"c"}`, `4 missing_type {}`, `5 not_an_object 7`,
		}},
		{"lines, the first spoilt", lines, "", "\ufeff{\"type\":\n{\"type\":\"b\"}\n{\"type\":\"c\"", []string{
			"0 invalid_json \ufeff{\"type\":", `1 b map[] {"type":"b"}`, `2 invalid_json {"type":"c"`,
		}},
		{"lines, all spoilt", lines, "", "{\"type\":\n{\"a\"", []string{"-1 invalid_json {\"type\":\n{\"a\""}},
		{"an array cut short", lines, "", "[\n{\"type\":\"a\"},\n{\"type\":\"b\"}\n", []string{"-1 invalid_json [\n{\"type\":\"a\"},\n{\"type\":\"b\"}\n"}},
		{"one value over several lines", lines, "", "{\n\"type\":\n\"a\"\n}", []string{"0 a map[] {\n\"type\":\n\"a\"\n}"}},
		{"no lines without the word", provider.Reading{Item: rest}, "", "{\"type\":\"a\"}\n{\"type\":\"b\"}", []string{"-1 invalid_json {\"type\":\"a\"}\n{\"type\":\"b\"}"}},
		{"half an object", lines, "", "{\n\"type\":\"a\"\n", []string{"-1 invalid_json {\n\"type\":\"a\"\n"}},

		{"within", within, "", `{"users":[{"user":"u1.","events":[{"type":"a"},null]},{"user":"u2.","events":[]},{"user":"u3.","events":[{"type":"b","x":1}]}]}`, []string{
			`0 u1.a map[] {"type":"a"}`, `1 not_an_object null`, `2 u3.b map[x:1] {"type":"b","x":1}`,
		}},
		{"envelopes in an array", within, "", `[{"users":[{"events":[{"type":"a"}]}]},{"type":"b"}]`, []string{`0 a map[] {"type":"a"}`, `1 b map[] {"type":"b"}`}},
		{"an item alone", within, "", `{"type":"a","events":[]}`, []string{`0 a map[events:[]] {"type":"a","events":[]}`}},
		{"half an envelope", within, "", `{"users":7}`, []string{`0 missing_type {"users":7}`}},
	} {
		r := webhook.Request{Method: "POST", Body: []byte(c.body), Header: map[string][]string{"Content-Type": {c.kind}}}
		if diff := cmp.Diff(c.want, told(c.reading.Read(r))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}

// TestItemsAreBoundedHoweverTheyCome: the bound of one array is not that of arrays in
// arrays, of lines or of recipients.
func TestItemsAreBoundedHoweverTheyCome(t *testing.T) {
	items := func(n int) string { return strings.TrimSuffix(strings.Repeat(`{"type":"a"},`, n), ",") }
	users := func(n int) string {
		one := `{"events":[` + items(jsondoc.MaxItems/2) + `]},`
		return `{"users":[` + one + one + `{"events":[` + items(n) + `]}]}`
	}
	twice := func(o jsondoc.Object, _ provider.Place) []provider.Result {
		r := provider.Result{NativeID: "x", Event: event.Event{ProviderType: "a"}}
		return []provider.Result{r, r}
	}
	within, lines := provider.Reading{Item: rest, Within: []string{"users", "events"}}, provider.Reading{Item: rest, Lines: true}
	for name, c := range map[string]struct {
		reading provider.Reading
		body    string
		want    int // results; 1 is the dead letter of the whole body
	}{
		"within":               {within, users(0), jsondoc.MaxItems},
		"within, one more":     {within, users(1), 1},
		"lines":                {lines, strings.Repeat("{\"type\":\"a\"}\n", jsondoc.MaxItems), jsondoc.MaxItems},
		"lines, one more":      {lines, strings.Repeat("{\"type\":\"a\"}\n", jsondoc.MaxItems+1), 1},
		"lines of arrays":      {lines, "{}\n" + strings.Repeat("["+items(jsondoc.MaxItems/2)+"]\n", 2), 1},
		"recipients":           {provider.Reading{Several: twice}, "[" + items(jsondoc.MaxItems/2) + "]", jsondoc.MaxItems},
		"recipients, one more": {provider.Reading{Several: twice}, "[" + items(jsondoc.MaxItems/2+1) + "]", 1},
		"fields of a form":     {provider.Reading{Item: rest, Forms: true}, strings.Repeat("a=1&", jsondoc.MaxItems+1), 1},
	} {
		got := c.reading.Read(request(c.body))
		if len(got) != c.want || c.want == 1 && (got[0].Malformed == nil || got[0].Malformed.Reason != provider.ReasonTooManyItems) {
			t.Errorf("%s: %d results, the first %v, want %d", name, len(got), got[0].Malformed, c.want)
		}
	}
}

// TestHeaderIDs: an id in a header is the event's where it is alone, and part of it in a batch.
func TestHeaderIDs(t *testing.T) {
	var got []string
	r := provider.Reading{Item: func(_ jsondoc.Object, at provider.Place, _ *event.Event) (string, *provider.Malformed) {
		got = append(got, at.HeaderID("Svix-Id"))
		return "x", nil
	}}
	for _, body := range []string{`{}`, `[{}]`, `[{},{}]`} {
		r.Read(webhook.Request{Body: []byte(body), Header: map[string][]string{"Svix-Id": {"msg_1"}}})
	}
	r.Read(request(`{}`))
	if diff := cmp.Diff([]string{"msg_1", "msg_1", "msg_1/0", "msg_1/1", ""}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSampleRequests(t *testing.T) {
	for _, c := range []struct {
		sample provider.Sample
		want   webhook.Request
	}{
		{provider.Sample{}, webhook.Request{Method: "POST", Header: map[string][]string{"Content-Type": {"application/json"}}, Body: []byte(`{"a": 1}`)}},
		{provider.Sample{Field: "f"}, webhook.Request{
			Method: "POST", Header: map[string][]string{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte("f=%7B%22a%22%3A+1%7D"),
		}},
		{provider.Sample{ContentType: "text/plain", Header: []string{"x-event: a:b"}}, webhook.Request{
			Method: "POST", Header: map[string][]string{"Content-Type": {"text/plain"}, "X-Event": {"a:b"}}, Body: []byte(`{"a": 1}`),
		}},
		{provider.Sample{Method: "GET"}, webhook.Request{Method: "GET", Header: map[string][]string{}, Body: []byte(`{"a": 1}`)}},
	} {
		got := c.sample.Request(`{"a": 1}`)
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%+v: %+v, want %+v", c.sample, got, c.want)
		}
	}
}
