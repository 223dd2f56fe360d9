package mapping_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/mapspec"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/mapping"
	"github.com/postrider/postrider/pkg/webhook"
)

// expressed compiles a mapping with one expression, the subject and the tags.
func expressed(t testing.TB, expression string) *mapping.Mapping {
	t.Helper()
	return compile(t, "type: event\ntypes: {e: opened}\nfields:\n  subject: |-\n    = "+expression+"\n  tags: |-\n    = "+expression+"\n")
}

// An expression gives the same on every processor and at every time, loses no digit,
// and gives nothing where there is nothing to give.
func TestResults(t *testing.T) {
	for item, want := range map[string]string{
		`split(item.s, ",") | "s":"a,b"`:                                     `[a b] s=a,b`,
		`join(split(item.s, ","), ";") | "s":"a,b"`:                          `a;b [a;b] s=a,b`,
		`join(keys(item.o), "") | "o":{"d":1,"b":2,"a":3,"c":4,"e":5}`:       `abcde [abcde] o={"d":1,"b":2,"a":3,"c":4,"e":5}`,
		`join(values(item.o), "") | "o":{"d":"4","b":"2","a":"1"}`:           `124 [124] o={"d":"4","b":"2","a":"1"}`,
		`fromJSON(item.j).id | "j":"{\"id\":9007199254740993}"`:              `9007199254740993 [9007199254740993] j={"id":9007199254740993}`,
		`string(fromJSON(item.j)[0]) | "j":"[18446744073709551615]"`:         `18446744073709551615 [18446744073709551615] j=[18446744073709551615]`,
		`item.id | "id":18446744073709551615`:                                `18446744073709551615 [18446744073709551615]`,
		`string(item.f) | "f":1e21`:                                          `1000000000000000000000 [1000000000000000000000] f=1e21`,
		`int(item.f) | "f":1e300`:                                            `[] f=1e300`,
		`int(item.f) | "f":"99999999999999999999"`:                           `[] f=99999999999999999999`,
		`int(item.f) | "f":"007"`:                                            `7 [7] f=007`,
		`string(item.o) | "o":{"a":1}`:                                       `[] o={"a":1}`,
		`item.a + item.b | "a":1,"b":10`:                                     `11 [11] a=1 b=10`,
		`item.q == "x" ? item.a : item.b | "a":"1","b":"11"`:                 `11 [11] a=1`,
		`item.q ?? item.a | "a":"1","q":"11"`:                                `11 [11] a=1`,
		`item.q == "x" ? item.a : item.b | "a":["1"],"b":["1","2"]`:          `[1 2] a=["1"]`,
		`int(item.a) + int(item.b) | "a":"1","b":"10"`:                       `11 [11] a=1 b=10`,
		`item.a / 0 | "a":1`:                                                 `[] a=1`,
		`item.a % 0 | "a":1`:                                                 `[] a=1`,
		`item.a[9] | "a":[1]`:                                                `[] a=[1]`,
		`max(item.a) | "a":["x",1]`:                                          `[] a=["x",1]`,
		`first(item.a) | "a":[]`:                                             `[] a=[]`,
		`item.a ** 999999 | "a":99`:                                          `[] a=99`,
		`filter(item.l, # in ["x", "y"]) | "l":["x","z"]`:                    `[x] l=["x","z"]`,
		`len(split(item.s, "")) | "s":"` + strings.Repeat("s", 20_000) + `"`: `[] s=` + strings.Repeat("s", 20_000),
	} {
		expression, members, _ := strings.Cut(item, " | ")
		e := parse(t, expressed(t, expression), `{"event":"e",`+members+`}`)[0].Event
		found := []string{e.Subject, fmt.Sprint(e.Tags)}
		for name, value := range e.Metadata {
			found = append(found, name+"="+value)
		}
		slices.Sort(found[2:])
		if got := strings.TrimSpace(strings.Join(found, " ")); got != want {
			t.Errorf("%s: %.200s, want %.200s", item, got, want)
		}
	}
}

// What could make an evaluation longer or bigger than the item times the expression is
// refused.
func TestRefusedExpressions(t *testing.T) {
	for _, expression := range []string{
		`item.s matches "(a?){600}b"`, `item.s matches "(([ab]{30}){30})c"`,
		`map(map(item.l, [#, #]), [#, #])`, `map(item.l, {"a": #, "b": #})`, `map(item.l, split("` + strings.Repeat("x,", 500) + `", ","))`,
		`count(item.l, "` + strings.Repeat("x", 1000) + `" matches "(a|b|x)*y")`, `reduce(item.l, #acc + #)`, `sort(item.l)`, `item.l | toJSON()`,
		`"a" + repeat(item.a, 1000)`, `flatten(item.l)`, `concat(item.l, item.l)`, `now()`, `date(item.a)`, `1..1000000000`, `get($env, "item")`,
	} {
		spec := &mapspec.Spec{Type: mapspec.Sources{"event"}, Types: mapspec.Table{"e": "opened"}, Skip: "= " + expression}
		if _, problems := mapping.Compile(spec); len(problems) != 1 || problems[0].Path != "skip" || problems[0].Line != 1 {
			t.Errorf("%.80s: %v", expression, problems)
		}
	}
}

// The most that an item of the greatest size makes an expression allocate is a small
// multiple of the two together.
func TestMemoryOfExpressions(t *testing.T) {
	long := `{"event":"e","s":"` + strings.Repeat("a", 60_000) + `","l":[]}`
	many := `{"event":"e","l":[` + strings.Repeat(`"a",`, 9_000) + `"a"]}`
	for expression, body := range map[string]string{
		strings.Repeat("item.s + ", 40) + "item.s":                         long,
		"split(" + strings.Repeat("item.s + ", 40) + `item.s, "")`:         long,
		"[" + strings.Repeat(`split(item.s, ""), `, 30) + "1]":             long,
		strings.Repeat("map(", 22) + "item.l" + strings.Repeat(", #)", 22): many,
		`map(item.l, split(#, ""))`:                                        many,
	} {
		m := expressed(t, expression)
		before, after := new(runtime.MemStats), new(runtime.MemStats)
		runtime.ReadMemStats(before)
		parse(t, m, body) // twice, and in another form
		runtime.ReadMemStats(after)
		if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 250 {
			t.Errorf("%.60s: %d MiB", expression, n)
		}
	}
}

// What the items of a request share is read once for all of them, and is short.
func TestSharedThingsAreBounded(t *testing.T) {
	m := compile(t, "type: event\nitems: items\ntypes: {e: opened}\nfields: {subject: '= outer.big[0]', customer_ref: '= outer.id', sender: '= headers[\"x-id\"]'}\n")
	read := func(big, id string) (webhook.Verified, []provider.Result) {
		body := `{"big":["x"` + strings.Repeat(`,"x"`, len(big)) + `],"id":7,"items":[` + strings.Repeat(`{"event":"e"},`, 4999) + `{"event":"e"}]}`
		v := webhook.AssumeProvenForReplayAndTests(webhook.Request{Method: "POST", Body: []byte(body), Header: map[string][]string{"X-Id": {id}}})
		return v, m.Parse(v)
	}
	v, short := read(strings.Repeat("x", 1000), "a@b.c")
	if e := short[4999].Event; e.Subject != "x" || e.CustomerRef != "7" || e.Sender != "a@b.c" {
		t.Errorf("%+v", e)
	}
	if n := testing.AllocsPerRun(1, func() { m.Parse(v) }); n > 5000*100 {
		t.Errorf("%v allocations: the envelope is read anew for each item", n)
	}
	if _, long := read(strings.Repeat("x", 9000), strings.Repeat("a", 9000)); long[4999].Event.Subject != "" || long[4999].Event.Sender != "" || long[4999].Event.CustomerRef != "7" {
		t.Errorf("%.200s", long[4999].Event.AppendJSON(nil))
	}
}

// An entry of the metadata that no event can have is none, and what it is made of stays.
func TestLongMetadata(t *testing.T) {
	m := compile(t, "type: event\ntypes: {e: opened}\nmetadata: {all: '= "+strings.Repeat("item.s + ", 30)+"item.s'}\n")
	e := parse(t, m, `{"event":"e","s":"`+strings.Repeat("a", 60_000)+`"}`)[0].Event
	if len(e.Metadata) != 1 || len(e.Metadata["s"]) != 60_000 {
		t.Errorf("%d entries", len(e.Metadata))
	}
}

// What a mapping keeps out of events is in no raw item of an unknown one either.
func TestIgnoredMembersAreNotInRawItems(t *testing.T) {
	m := compile(t, "type: event\ntypes: {e: opened}\nfold: true\nignore: [token, data.key]\nproofs: [Sig]\n")
	e := parse(t, m, `{"event":"new","Token":"t","data":{"KEY":"k","a":{"key":1},"<":[{"key":2}]},"sig":"s","n":1.50}`)[0].Event
	if got, want := string(e.Raw), `{"event":"new","data":{"a":{"key":1},"<":[{"key":2}]},"n":1.50}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	want := map[string]string{"sig": "s", "n": "1.50", "a": `{"key":1}`, "<": `[{"key":2}]`}
	if diff := cmp.Diff(want, e.Metadata); diff != "" {
		t.Error(diff)
	}
}

// Keys of per_type are compared as the words of types are, and one that no event can
// have is a mistake; so is an id that all events share.
func TestKeysThatNothingHas(t *testing.T) {
	m := compile(t, "type: event\ntypes: {Soft Bounce: bounced soft}\nfold: true\nper_type: {soft_bounce: {subject: a}, bounced: {sender: b}}\n")
	if e := parse(t, m, `{"event":"soft-bounce","a":"x","b":"y@z.a"}`)[0].Event; e.Subject != "x" || e.Sender != "y@z.a" {
		t.Errorf("%+v", e)
	}
	spec := &mapspec.Spec{
		Type: mapspec.Sources{"event"}, Types: mapspec.Table{"e/x": "opened"}, ID: mapspec.Sources{"a", `= "7"`}, Proofs: []string{"a b"},
		Metadata: mapspec.Table{"": "a"},
		PerType:  map[string]mapspec.Fields{"e": {}, "e/x": {}, "opened": {}, "boucned": {}},
	}
	_, problems := mapping.Compile(spec)
	var got []string
	for _, p := range problems {
		got = append(got, p.Path)
	}
	if want := []string{"id[1]", `per_type["boucned"]`, `metadata[""]`, "proofs[0]"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// An expression reaches members of every envelope, the innermost first, and what none
// of them is asked for is told.
func TestEveryEnvelopeIsReached(t *testing.T) {
	m := compile(t, "type: kind\nitems: payload.list\ntypes: {e: opened}\nfields: {recipient: '= outer.account.shop', sender: '= outer.both'}\n")
	v := webhook.AssumeProvenForReplayAndTests(webhook.Request{Method: "POST", Body: []byte(
		`{"account":{"shop":"s1"},"both":"root","top":1,"payload":{"both":"inner","region":"eu","list":[{"kind":"e"},{"kind":"e"}]}}`,
	)})
	for _, r := range m.Parse(v) {
		if r.Event.Recipient != "s1" || r.Event.Sender != "inner" {
			t.Errorf("recipient %q, sender %q", r.Event.Recipient, r.Event.Sender)
		}
	}
	if got := strings.Join(m.Explain(v).Envelope, " "); got != "region top" {
		t.Errorf("left around the items: %q", got)
	}
}
