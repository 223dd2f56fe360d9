package jsondoc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/jsondoc"
)

func parse(t testing.TB, text string) *jsondoc.Doc {
	t.Helper()
	d, err := jsondoc.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v: %.60q", err, text)
	}
	return d
}

func object(t testing.TB, text string, fold bool) jsondoc.Object {
	t.Helper()
	o, ok := parse(t, text).Root().Object(fold)
	if !ok {
		t.Fatalf("no object: %.60q", text)
	}
	return o
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       jsondoc.Error
	}{
		{"nothing", "", jsondoc.Error{Problem: jsondoc.Empty}},
		{"white space", " \n", jsondoc.Error{Problem: jsondoc.Empty}},
		{"only a byte order mark", "\xef\xbb\xbf ", jsondoc.Error{Problem: jsondoc.Empty}},
		{"a bare word", `{"a":x}`, jsondoc.Error{Problem: jsondoc.Syntax, Offset: 5}},
		{"an open end", `{"a":1`, jsondoc.Error{Problem: jsondoc.Syntax, Offset: 6}},
		{"behind a byte order mark", "\xef\xbb\xbf[x]", jsondoc.Error{Problem: jsondoc.Syntax, Offset: 4}},
		{"a second value", `1 2`, jsondoc.Error{Problem: jsondoc.Syntax, Offset: 2}},
		{"a trailing comma", `[1,]`, jsondoc.Error{Problem: jsondoc.Syntax, Offset: 2}},
		{"depth", strings.Repeat("[", 65) + strings.Repeat("]", 65), jsondoc.Error{Problem: jsondoc.TooDeep, Offset: 64}},
		{"items", "[" + strings.Repeat("1,", 10_000) + "1]", jsondoc.Error{Problem: jsondoc.TooMany, Offset: 20_001}},
	} {
		_, err := jsondoc.Parse([]byte(c.text))
		got, ok := errors.AsType[*jsondoc.Error](err)
		if !ok || *got != c.want {
			t.Errorf("%s: error %v, want %v", c.name, err, &c.want)
		}
	}
}

func TestParseUpToItsBounds(t *testing.T) {
	parse(t, strings.Repeat("[", 64)+strings.Repeat("]", 64))
	if n := parse(t, "["+strings.Repeat("1,", 9_999)+"1]").Root().Len(); n != 10_000 {
		t.Errorf("%d items, want 10000", n)
	}
	row := "[" + strings.Repeat("1,", 998) + "1]"                                      // 1,000 values
	full := "[" + strings.Repeat(row+",", 498) + row + strings.Repeat(",1", 999) + "]" // 500,000
	parse(t, full)
	_, err := jsondoc.Parse([]byte(full[:len(full)-1] + ",1]"))
	if e, ok := errors.AsType[*jsondoc.Error](err); !ok || e.Problem != jsondoc.TooMany {
		t.Errorf("500,001 values: %v", err)
	}
}

func TestParseTolerant(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1,}`:              `{"a":1}`,
		`[1 , ]`:                `[1]`,
		"{\"a\":[{},\n],\n}":    `{"a":[{}]}`,
		`{"a":"x,]","b":",}",}`: `{"a":"x,]","b":",}"}`,
		`{"a":"\",}",}`:         `{"a":"\",}"}`,
		`[1]`:                   `[1]`,
	} {
		d, err := jsondoc.ParseTolerant([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := string(d.Root().AppendCanonical(nil)); got != want {
			t.Errorf("%q is read as %s, want %s", text, got, want)
		}
		if got := string(d.Root().Bytes()); got != text {
			t.Errorf("bytes as received: %q, want %q", got, text)
		}
		if repaired := text != `[1]`; d.Repaired() != repaired {
			t.Errorf("%q: repaired is %v", text, d.Repaired())
		}
	}
	for _, text := range []string{`[,]`, `{,}`, `[1,,]`, `,`, `[1],`, `{"a":,}`, `{"a",}`, `["a,]`, `"`, `["\`, ``} {
		if _, err := jsondoc.ParseTolerant([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestTakeByNameAndKind(t *testing.T) {
	o := object(t, `{"s":"text","esc":"a\u00e9\n","n":9007199254740993,"t":true,"f":false,"z":null,
		"list":["a","b"],"mixed":["a",1],"o":{"s":"inner"},"int":"12","big":1e400,"bad":"`+"\xff"+`"}`, false)
	for _, c := range []struct{ name, got, want string }{
		{"string", o.String("s"), "text"},
		{"string, again", o.String("s"), ""},
		{"escapes", o.String("esc"), "aé\n"},
		{"invalid UTF-8", o.String("bad"), "\uFFFD"},
		{"number is no string", o.String("n"), ""},
		{"peek", o.Peek("int"), "12"},
		{"text of a number", o.Text("n"), "9007199254740993"},
		{"inner", o.Object("o").String("s"), "inner"},
		{"null", o.String("z"), ""},
		{"absent", o.String("absent"), ""},
		{"of no object", o.Object("absent").String("s"), ""},
		{"strings", strings.Join(o.Strings("list"), "|"), "a|b"},
		{"not only strings", strings.Join(o.Strings("mixed"), "|"), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
	if n, ok := o.Int("int", 1, 11); ok {
		t.Errorf("12 is taken as %d within 1 to 11", n)
	}
	if n, ok := o.Int("int", 1, 12); !ok || n != 12 {
		t.Errorf("int: %d, %v", n, ok)
	}
	if _, ok := o.Int("big", 1, 12); ok {
		t.Error("1e400 is taken as an int")
	}
	if b := o.Bool("t"); b == nil || !*b || o.Bool("f") == nil || o.Bool("z") != nil {
		t.Errorf("bool: %v", b)
	}
	want := map[string]string{"mixed": `["a",1]`, "big": "1e400"}
	if diff := cmp.Diff(want, o.Rest(nil)); diff != "" {
		t.Errorf("rest (-want +got)\n%s", diff)
	}
}

func TestLongStringsAreLeftToRest(t *testing.T) {
	short, prose := strings.Repeat("s", jsondoc.MaxShort), strings.Repeat("p", jsondoc.MaxProse)
	o := object(t, fmt.Sprintf(`{"short":%q,"long":"%sx","prose":%q,"longer":"%sx"}`, short, short, prose, prose), false)
	if o.String("short") != short || o.Prose("prose") != prose {
		t.Error("strings up to the bound are not taken")
	}
	if o.String("long") != "" || o.Peek("long") != "" || o.Prose("longer") != "" || len(o.Rest(nil)) != 2 {
		t.Error("strings beyond the bound are taken, or lost")
	}
}

func TestRestKeepsEverything(t *testing.T) {
	o := object(t, `{"a":"outer","data.a":"dotted","n":-0.10,"b":false,"nil":null,"empty":"",
		"data":{"a":"inner","x":{ "k" : [ 1 , null ] },"deep":{"a":"innermost"}},"list":[],"obj":{}}`, false)
	data := o.Object("data")
	deep := data.Object("deep")
	got := deep.Rest(data.Rest(o.Rest(nil)))
	want := map[string]string{
		"a": "outer", "data.a": "dotted", "n": "-0.10", "b": "false", "list": "[]", "obj": "{}",
		"data.data.a": "inner", "x": `{"k":[1,null]}`, "data.deep.a": "innermost",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := object(t, `{"z":null}`, false).Rest(nil); got != nil {
		t.Errorf("rest of nothing is %v, want nil", got)
	}
}

func TestFolding(t *testing.T) {
	const text = `{"JobID":"1","job_id":"2","Message-Id":"3","created at":"4","CreatedAt":null}`
	o := object(t, text, true)
	for name, want := range map[string]string{"job_id": "2", "messageId": "3", "createdAt": "4"} {
		if got := o.String(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := o.String("jobid"); got != "1" {
		t.Errorf("what is left of jobid is %q, want 1", got)
	}
	if got := object(t, text, false).String("jobid"); got != "" {
		t.Errorf("jobid without folding is %q", got)
	}
	if got := jsondoc.Fold("Soft_Bounce - X\t"); got != "softbouncex" {
		t.Errorf("fold: %q", got)
	}
}

func TestDuplicateNames(t *testing.T) {
	many := `{"a":1,` + strings.Repeat(`"x":0,`, 30) + `"\u0061":{"a":1},"x":"last"}`
	for text, want := range map[string]struct {
		duplicates int
		canonical  string
	}{
		`{"a":1,"b":2,"a":3}`:             {1, `{"a":3,"b":2}`},
		`{"a":1,"\u0061":2,"a":3}`:        {2, `{"a":3}`},
		"{\"\xff\":1,\"\xfe\":2}":         {1, "{\"\uFFFD\":2}"},
		`{"a":{"a":1,"a":2},"b":{"a":1}}`: {1, `{"a":{"a":2},"b":{"a":1}}`},
		many:                              {31, `{"a":{"a":1},"x":"last"}`},
		`{"a":1,"A":2}`:                   {0, `{"A":2,"a":1}`},
		`[{"a":1},{"a":1}]`:               {0, `[{"a":1},{"a":1}]`},
	} {
		d := parse(t, text)
		if got := d.Duplicates(); got != want.duplicates {
			t.Errorf("%.40s: %d duplicates, want %d", text, got, want.duplicates)
		}
		if got := string(d.Root().AppendCanonical(nil)); got != want.canonical {
			t.Errorf("%.40s: canonical %s, want %s", text, got, want.canonical)
		}
	}
	if got := object(t, `{"a":"first","a":"last"}`, false).String("a"); got != "last" {
		t.Errorf("a is %q, want last", got)
	}
}

func TestCanonical(t *testing.T) {
	const want = `{"a":[1.0,-0,1E+2,null,true,false,"é/<>&\"\\\n\u0001"],"b":{},"é":{"x":1,"y":2}}`
	for _, text := range []string{
		want,
		` { "é" : {"y":2,"x":1} , "b" : { } , "a" : [ 1.0 , -0 , 1E+2 , null , true , false , "\u00e9\/<>&\u0022\\\u000a\u0001" ] } `,
	} {
		if got := string(parse(t, text).Root().AppendCanonical(nil)); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	}
	// Known answer: printf '{"a":1,"b":"x"}' | sha256sum.
	const sum = "ecf9e98ec0641e23113ff3ce8bdc78d0ddd249886517fd4a7f68cc83d4e65667"
	if got := object(t, `{ "b":"x", "a":1 }`, false).CanonicalHash(); got != sum {
		t.Errorf("hash %s, want %s", got, sum)
	}
	if object(t, `{"a":1}`, false).CanonicalHash() == object(t, `{"a":1.0}`, false).CanonicalHash() {
		t.Error("1 and 1.0 have one hash")
	}
}

func TestStringsOutliveTheDocument(t *testing.T) {
	body := []byte(`{"a":"kept","b":{"c":["x"]}}`)
	d, err := jsondoc.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	o, _ := d.Root().Object(false)
	a, compact, rest := o.String("a"), string(o.Compact()), o.Rest(nil)
	d.Release()
	parse(t, `{"zzzzzzzzzzzz":"overwritten","yy":{"xx":["overwritten"]}}`)
	if a != "kept" || compact != `{"a":"kept","b":{"c":["x"]}}` || rest["b"] != `{"c":["x"]}` {
		t.Errorf("after release: %q, %s, %v", a, compact, rest)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,{"b":null}],"a":"\ud83d\ude00\ud800"}`, "\xef\xbb\xbf[true,false,-1.5e-7]", `{"a":1,}`, "[\"\xff\"]", `"\u0000"`, "[[[[", "{\"\":0}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		checkAgainstStandardLibrary(t, body)
		if d, err := jsondoc.ParseTolerant(body); err == nil {
			checkCanonical(t, d)
			d.Release()
		}
		if !bytes.Equal(before, body) {
			t.Error("the body was changed")
		}
	})
}

// checkAgainstStandardLibrary: what is refused for its syntax is no JSON to
// encoding/json either, and the other way round.
func checkAgainstStandardLibrary(t *testing.T, body []byte) {
	t.Helper()
	d, err := jsondoc.Parse(body)
	valid := json.Valid(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if e, ok := errors.AsType[*jsondoc.Error](err); ok && (e.Problem == jsondoc.TooDeep || e.Problem == jsondoc.TooMany) {
		return
	}
	if (err == nil) != valid {
		t.Fatalf("error %v, encoding/json says %v: %q", err, valid, body)
	}
	if err == nil {
		d.Release()
	}
}

// checkCanonical: the canonical form is JSON that says the same, and its own
// canonical form.
func checkCanonical(t *testing.T, d *jsondoc.Doc) {
	t.Helper()
	text := d.Root().AppendCanonical(nil)
	if !json.Valid(text) {
		t.Fatalf("canonical form is no JSON: %q", text)
	}
	again, err := jsondoc.Parse(text)
	if err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	defer again.Release()
	if got := again.Root().AppendCanonical(nil); !bytes.Equal(got, text) {
		t.Fatalf("%q\nis not\n%q", got, text)
	}
	if again.Duplicates() != 0 {
		t.Fatalf("duplicates in %q", text)
	}
	if o, ok := d.Root().Object(true); ok {
		if compact := o.Compact(); !json.Valid(compact) {
			t.Fatalf("compact form is no JSON: %q", compact)
		}
		for name, value := range o.Rest(nil) {
			if value == "" {
				t.Fatalf("empty metadata %q", name)
			}
		}
	}
}

const benchText = `{"id":"evt_abc123","service":"outbound","type":"outbound.delivered","created_at":1704825600,"data":{
	"uid":"message-uid","from":"sender@example.com","to":"recipient@example.com","subject":"Hello World",
	"mx":"aspmx.l.google.com","host":"2404:6800:4003:c1a::1b","ip":"2001:df4:2980:15::1","response":"250 2.0.0 OK"}}`

func BenchmarkParse(b *testing.B) {
	body := []byte(benchText)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		d, err := jsondoc.Parse(body)
		if err != nil {
			b.Fatal(err)
		}
		d.Release()
	}
}

func BenchmarkCanonicalHash(b *testing.B) {
	o := object(b, benchText, false)
	b.ReportAllocs()
	for b.Loop() {
		o.CanonicalHash()
	}
}
