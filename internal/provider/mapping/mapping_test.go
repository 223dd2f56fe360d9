package mapping_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/mapspec"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/mapping"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/webhook"
)

// parse runs a body through a mapping, and checks what holds for every result.
func parse(t testing.TB, m *mapping.Mapping, body string) []provider.Result {
	t.Helper()
	return providertest.Parse(t, m.Definition(), m, []byte(body))
}

const small = `
type: event
types: {bounce: bounced, bounce/gone: bounced hard, drop: dropped, open: opened, in: inbound received, ping: skip}
subtypes: {full: soft mailbox_full 4.2.2, Spam Trap: policy spam}
fields:
  provider_subtype: sub
  recipient: to
  message_id: id
  occurred_at: at
  direction: way
  tags: labels
  test: simulated
  smtp: {response: said, attempt: n, code: code}
  bounce: {will_retry: again}
  drop: {detail: said}
  engagement: {bot: machine, url: link}
`

// Each item is an event, by the fields that are of interest here.
func TestFields(t *testing.T) {
	m := compile(t, small)
	for item, want := range map[string]string{
		`{"event":"bounce","to":"A <a@b.c>"}`:                   `bounced outbound a@b.c undetermined/undetermined`,
		`{"event":"bounce","sub":"gone","said":"550 5.1.1 no"}`: `bounced outbound  hard/invalid_recipient 550 5.1.1`,
		`{"event":"bounce","sub":"FULL"}`:                       `bounced outbound  soft/mailbox_full assumed 4.2.2`,
		`{"event":"bounce","sub":"full","said":"452 4.2.1 x"}`:  `bounced outbound  soft/mailbox_full 452 4.2.1`,
		`{"event":"bounce","again":"false","code":"451"}`:       `bounced outbound  soft/transient 451  retry false`,
		`{"event":"drop","sub":"spam-trap","said":"listed"}`:    `dropped outbound  spam: listed 0 `,
		`{"event":"drop"}`:                                                 `dropped outbound  other: `,
		`{"event":"in","way":"outbound"}`:                                  `received inbound  way=outbound`,
		`{"event":"open","machine":true,"link":"https://x"}`:               `opened outbound  bot true https://x`,
		`{"event":"open","machine":"yes","to":["a@b.c","d@e.f"]}`:          `opened outbound [a@b.c d@e.f] machine=yes`,
		`{"event":"open","to":["a@b.c"],"id":9007199254740993}`:            `opened outbound a@b.c id 9007199254740993`,
		`{"event":"open","at":"soon","labels":["x",1],"said":7}`:           `opened outbound  at=soon labels=["x",1] said=7`,
		`{"event":"open","labels":["x",""],"simulated":true,"at":1.5e300}`: `opened outbound  tags [x] test at=1.5e300`,
		`{"event":"open","simulated":false,"to":{"a":[1]}}`:                `opened outbound  simulated=false to={"a":[1]}`,
		`{"event":"new"}`: `unknown outbound `,
	} {
		results := parse(t, m, item)
		if len(results) != 1 || results[0].Malformed != nil {
			t.Errorf("%s: %+v", item, results)
			continue
		}
		if got := brief(&results[0]); strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s:\n%s, want\n%s", item, got, want)
		}
	}
}

// brief writes an event's fields on a line.
func brief(r *provider.Result) string {
	e := &r.Event
	out := []string{string(e.Type), string(e.Direction), e.Recipient}
	if e.Recipients != nil {
		out[2] = fmt.Sprint(e.Recipients)
	}
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if b := e.Bounce; b != nil {
		add("%s/%s", b.Class, b.Category)
		if b.CodeAssumed != "" {
			add("assumed %s", b.CodeAssumed)
		}
	}
	if d := e.Drop; d != nil {
		add("%s: %s", d.Reason, d.Detail)
	}
	if s := e.SMTP; s != nil {
		add("%d %s", s.Code, s.Enhanced)
	}
	if b := e.Bounce; b != nil && b.WillRetry != nil {
		add("retry %v", *b.WillRetry)
	}
	if g := e.Engagement; g != nil {
		add("bot %v %s", *g.Bot, g.URL)
	}
	if e.MessageID != "" {
		add("id %s", e.MessageID)
	}
	if e.Tags != nil {
		add("tags %s", e.Tags)
	}
	if e.Test {
		add("test")
	}
	var rest []string
	for name, value := range e.Metadata {
		rest = append(rest, name+"="+value)
	}
	slices.Sort(rest)
	return strings.Join(append(out, rest...), " ")
}

func TestSkippedItemsAreNothing(t *testing.T) {
	m := compile(t, small+"skip: '= item.quiet == true'\n")
	results := parse(t, m, `[{"event":"ping"},{"event":"open"},{"event":"open","quiet":true},{"event":"in"}]`)
	if len(results) != 2 || results[0].Event.ProviderType != "open" || results[1].Index != 1 {
		t.Errorf("%+v", results)
	}
}

// Forms, lines and envelopes come down to items.
func TestBodies(t *testing.T) {
	for name, c := range map[string]struct{ spec, kind, body string }{
		"form":      {"body: form", "application/x-www-form-urlencoded", "event=open&to=a%40b.c&at=1767323045"},
		"one field": {"body: form\nform_field: data", "application/x-www-form-urlencoded", "data=%5B%7B%22event%22:%22open%22,%22to%22:%22a@b.c%22,%22at%22:1767323045%7D%5D"},
		"envelope":  {"items: a.b", "", `{"x":1,"a":[{"b":[{"event":"open","to":"a@b.c","at":1767323045}]}]}`},
		"lines":     {"body: lines", "", "{\"event\":\"ping\"}\n{\"event\":\"open\",\"to\":\"a@b.c\",\"at\":1767323045}\n"},
		"folded":    {"fold: true", "", `{"EVENT":"Open","To":"a@b.c","AT":"2026-01-02T03:04:05Z"}`},
		"millis":    {"time_format: millis", "", `{"event":"open","to":"a@b.c","at":"1767323045000"}`},
		"layout":    {"time_format: 2006-01-02 15:04:05", "", `{"event":"open","to":"a@b.c","at":"2026-01-02 03:04:05"}`},
	} {
		m := compile(t, c.spec+small)
		r := providertest.ParseRequest(t, m.Definition(), m, webhook.Request{
			Method: "POST", Body: []byte(c.body), Header: map[string][]string{"Content-Type": {c.kind}},
		})
		if len(r) != 1 || r[0].Malformed != nil || r[0].Event.Recipient != "a@b.c" || r[0].Event.OccurredAt.Time().Unix() != 1767323045 || len(r[0].Event.Metadata) > 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// What an expression looks at is taken as far as its result holds it.
func TestExpressionsLoseNothing(t *testing.T) {
	for expression, want := range map[string]string{
		`item.a + "/" + item.b`:                    `x/y`,
		`item.a`:                                   `x b=y`,
		`lower(item.big)`:                          `up a=x b=y big=UP`,
		`item.n > 5 ? "many" : "few"`:              `many a=x b=y n=7`,
		`join(item.l, ",")`:                        `p,q a=x b=y`,
		`join(map(item.o, #.k), ",")`:              `v a=x b=y o=[{"k":"v"}]`,
		`item.missing.deep`:                        ` a=x b=y`,
		`item["a"] ?? "no"`:                        `x b=y`,
		`fromJSON(item.j).k`:                       `v a=x b=y j={"k":"v"}`,
		`headers["x-id"] + query["q"]`:             `hq a=x b=y`,
		`item.a matches "^x$" ? item.b : nil`:      `y a=x`,
		`{"k": item.a}`:                            ` a=x b=y`,
		`[item.a, item.b]`:                         ` a=x b=y`,
		`string(item.n)`:                           `7 a=x b=y`,
		`item.missing + 1`:                         ` a=x b=y`,
		`any(split(item.a, ""), # == "x") ? 1 : 0`: `1 a=x b=y`,
		`filter(item.o, #.k == "v")[0].k`:          `v a=x b=y o=[{"k":"v"}]`,
	} {
		m := compile(t, "type: event\ntypes: {e: opened}\nignore: [l]\nfields:\n  subject: '= "+expression+"'\n")
		body := []string{`{"event":"e","a":"x","b":"y"`}
		for _, more := range []string{`"big":"UP"`, `"n":7`, `"l":["p","q"]`, `"o":[{"k":"v"}]`, `"j":"{\"k\":\"v\"}"`} {
			if name, _, _ := strings.Cut(more[1:], `"`); strings.Contains(expression, "item."+name) {
				body = append(body, more)
			}
		}
		r := providertest.ParseRequest(t, m.Definition(), m, webhook.Request{
			Method: "POST", Body: []byte(strings.Join(body, ",") + "}"), Query: map[string][]string{"q": {"q"}},
			Header: map[string][]string{"X-Id": {"h"}, "Authorization": {"secret"}},
		})[0]
		found := []string{r.Event.Subject}
		for _, name := range []string{"a", "b", "big", "j", "n", "o"} {
			if v, ok := r.Event.Metadata[name]; ok {
				found = append(found, name+"="+v)
			}
		}
		if got := strings.Join(found, " "); got != want {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
	}
}

// The items of a request share its headers: each has an id of its own.
func TestIDsOfHeaders(t *testing.T) {
	m := compile(t, "type: e\ntypes: {a: opened}\nid: '= headers[\"x-id\"]'\n")
	request := webhook.Request{Method: "POST", Header: map[string][]string{"X-Id": {"7"}}, Body: []byte(`[{"e":"a"},{"e":"a"}]`)}
	r := providertest.ParseRequest(t, m.Definition(), m, request)
	if r[0].NativeID != "7/0" || r[1].NativeID != "7/1" {
		t.Errorf("ids %q and %q", r[0].NativeID, r[1].NativeID)
	}
	m = compile(t, "type: e\ntypes: {a: opened}\nderive_id: true\nwithout: [try]\nfields: {provider_event_id: id}\n")
	one, two := parse(t, m, `{"e":"a","id":"1","try":1}`)[0], parse(t, m, `{"e":"a","try":2,"id":"1"}`)[0]
	other := parse(t, m, `{"e":"a","try":2,"id":"2"}`)[0]
	if one.NativeID != two.NativeID || one.NativeID == other.NativeID || !one.Derived {
		t.Errorf("ids %q, %q and %q", one.NativeID, two.NativeID, other.NativeID)
	}
}

// What is wrong is found when a mapping is compiled, all of it, with its place.
func TestProblems(t *testing.T) {
	spec := &mapspec.Spec{
		Body: "xml", FormField: "x", Items: "a..b", Methods: []string{"TRACE"}, Version: -1, Skip: "= item.a ==",
		Types:    mapspec.Table{"a": "delivered hard", "b": "dropped hard", "c": "opened spam", "d": "inbound opened", "e": "nothing", "f": "bounced x"},
		Rules:    []mapspec.Rule{{Then: "opened"}, {When: "= let x = 1; x", Then: "none"}},
		Subtypes: mapspec.Table{"X y": "hard", "x_y": "hard"},
		ID:       mapspec.Sources{"id"}, DeriveID: true, TimeAs: []string{"often"},
		Fields: mapspec.Fields{
			Recipient: mapspec.Sources{"to", "= now()"}, Sender: mapspec.Sources{"= 1..9"}, Subject: mapspec.Sources{`a"b`},
			Reason: mapspec.Sources{"= map(item.a, item.b)"}, Tags: mapspec.Sources{"= item.a matches item.b"}, MessageID: mapspec.Sources{"=\n item.a + now"},
			BatchID: mapspec.Sources{"= $env.x"}, CustomerRef: mapspec.Sources{"= map(item.a, # + #)"}, Direction: mapspec.Sources{"= item.Format()"},
			Test: mapspec.Sources{"= " + strings.Repeat("1+", 300) + "1"}, ProviderEventID: mapspec.Sources{"= repeat(item.a, 9)"},
		},
		PerType: map[string]mapspec.Fields{"a": {Sender: mapspec.Sources{"= b"}}},
		Ignore:  mapspec.Sources{""},
	}
	_, problems := mapping.Compile(spec)
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%s %d:%d", p.Path, p.Line, p.Column))
		if p.Message == "" {
			t.Errorf("%s: no message", p.Path)
		}
	}
	want := []string{
		"body 0:0", "form_field 0:0", "items 0:0", "version 0:0", "methods[0] 0:0", "skip 1:11", "rules[0].when 0:0", "rules[1].then 0:0", "rules[1].when 1:7",
		"type 0:0", `types["a"] 0:0`, `types["b"] 0:0`, `types["c"] 0:0`, `types["d"] 0:0`, `types["e"] 0:0`, `types["f"] 0:0`, `subtypes["x_y"] 0:0`,
		"derive_id 0:0", "time_format[0] 0:0", "fields.direction 1:8", "fields.recipient[1] 1:3", "fields.sender 1:4", "fields.subject 0:0",
		"fields.message_id 2:9", "fields.batch_id 1:3", "fields.customer_ref 1:17", "fields.provider_event_id 1:3", "fields.tags 1:10",
		"fields.reason 1:15", "fields.test 1:204", `per_type["a"].sender 1:3`, "ignore 0:0",
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Long items and lists cost no more than their size, and lose nothing.
func TestExpressionsAreBounded(t *testing.T) {
	m := compile(t, "type: event\ntypes: {e: opened}\nfields:\n  subject: '= join(map(item.l, #), \"xxxxxxxxxxxxxxxx\")'\n  tags: '= split(item.s, \"\")'\n")
	list := "[" + strings.Repeat(`"a",`, 9_000) + `"a"]`
	for _, body := range []string{
		`{"event":"e","l":` + list + `}`, `{"event":"e","s":"` + strings.Repeat("s", 60_000) + `"}`, `{"event":"e","s":"` + strings.Repeat("s", 900_000) + `"}`,
	} {
		r := parse(t, m, body)[0]
		if r.Malformed != nil || r.Event.Subject != "" || len(r.Event.Metadata) != 1 {
			t.Errorf("%.40s: subject of %d bytes, %d tags, %d in the metadata, %v", body, len(r.Event.Subject), len(r.Event.Tags), len(r.Event.Metadata), r.Malformed)
		}
	}
}

// The shipped mappings are found, whichever they are.
func TestEveryShippedMappingHasATwin(t *testing.T) {
	files, err := filepath.Glob("../../../examples/mappings/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		if _, ok := twins()[file]; !ok {
			t.Errorf("%s: no test holds it to a built-in provider", file)
		}
		if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "mapping_file: mappings/"+filepath.Base(file)) {
			t.Errorf("%s does not say how to use it (%v)", file, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	m := load(f, "../../../examples/mappings/unisender.yaml")
	for _, s := range []string{
		`{"event_name":"transactional_email_status","event_data":{"status":"hard_bounced","job_id":1,"event_time":"2026-01-02 03:04:05","delivery_info":{"delivery_status":"err_lost"}}}`,
		`{"events_by_user":[{"user_id":1,"events":[{"event_name":"x"},{}]}]}`, `[{"event_name":null}]`, "{",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		providertest.Parse(t, m.Definition(), m, body)
		m.Explain(webhook.AssumeProvenForReplayAndTests(webhook.Request{Method: "POST", Body: body}))
	})
}

func BenchmarkParse(b *testing.B) {
	for file, built := range twins() {
		for name, def := range map[string]provider.Definition{"code": built(), "mapping": twin(b, file, built())} {
			b.Run(def.ID+"/"+name, func(b *testing.B) { benchmark(b, def) })
		}
	}
}

// benchmark reads the goldens of a provider.
func benchmark(b *testing.B, def provider.Definition) {
	b.Helper()
	p, err := def.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	samples := def.Samples()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s := &samples[i%len(samples)]
		p.Parse(webhook.AssumeProvenForReplayAndTests(s.Request(providertest.Fill(s.Body, i))))
	}
}
