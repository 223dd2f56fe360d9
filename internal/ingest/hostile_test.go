package ingest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// everyProvider adds a source for each built-in provider, proven by a token.
func everyProvider(t *testing.T, m *metrics.Metrics) []*ingest.Source {
	t.Helper()
	var list []*ingest.Source
	for _, def := range all.Definitions() {
		parser, err := def.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, tokenSource(t, m, def.ID, def.Mapper, parser))
	}
	return list
}

func tokenSource(t *testing.T, m *metrics.Metrics, name string, mapper int, parser provider.Parser) *ingest.Source {
	t.Helper()
	v, err := webhook.New(webhook.Config{Type: "token", Secrets: []webhook.Secret{{ID: "a", Value: []byte(urlToken)}}})
	if err != nil {
		t.Fatal(err)
	}
	return &ingest.Source{
		Name: name, Verifier: v, TakesToken: true, Busy: http.StatusServiceUnavailable, RefusedStatus: http.StatusUnauthorized,
		MaxBodyBytes: 4 << 20, Metrics: m.Source(name, name),
		Normalize: normalize.Source{Name: name, ID: name, Provider: name, Parser: parser, Mapper: mapper},
	}
}

// startEvery runs a server with a source for each provider.
func startEvery(t *testing.T) *rig {
	t.Helper()
	return start(t, func(o *ingest.Options, _ *fakePublisher) {
		o.Limits.MaxInflatedBytes, o.Limits.MaxBufferedBytes = 8<<20, 256<<20
		o.Sources = everyProvider(t, o.Metrics)
	})
}

// TestHostileBodiesThroughEverySource sends what breaks parsers to every
// provider's source. A proven request is never refused for what it holds, and
// never lost: its bytes are in the raw topic, to the last, and it has left an
// event or a dead letter.
func TestHostileBodiesThroughEverySource(t *testing.T) {
	bodies := map[string]string{
		"deep arrays":         strings.Repeat("[", 20_000),
		"deep objects":        strings.Repeat(`{"type":`, 10_000),
		"deep member":         `{"type":"x","a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
		"duplicate keys":      `{"type":"delivered","type":"bounced","event":"a","event":"b","id":1,"id":2}`,
		"many duplicate keys": "{" + strings.Repeat(`"type":"x",`, 20_000) + `"type":"y"}`,
		"keys of other case":  `{"TYPE":"delivered","Type":"x","Event":"y","EVENT":"z"}`,
		"number beyond float": `{"type":"x","timestamp":1e400,"created_at":-1e400,"data":{"size":1e-400}}`,
		"endless digits":      `{"type":"x","timestamp":` + strings.Repeat("9", 20_000) + `}`,
		"NUL in a string":     "{\"type\":\"a\\u0000b\",\"to\":\"x\\u0000@example.com\"}",
		"NUL byte":            "{\"type\":\"a\x00b\"}",
		"lone surrogates":     `{"type":"\ud800","to":"\udfff@example.com","\udc00":"\ud83d"}`,
		"invalid UTF-8":       "{\"type\":\"\xff\xfe\",\"to\":\"\xc0\xaf@example.com\",\"\xed\xa0\x80\":1}",
		"overlong UTF-8":      "{\"type\":\"\xe0\x80\xaf\"}",
		"terminal escapes":    `{"type":"\u001b[2J\u001b]0;x\u0007","subject":"\r\nX-Injected: 1"}`,
		"bidi":                `{"type":"\u202egnp.exe","subject":"\u2066"}`,
		"prototype":           `{"__proto__":{"type":"delivered"},"constructor":{"prototype":{}}}`,
		"script":              `{"type":"<script>alert(1)</script>","subject":"{{7*7}}${7*7}<%= 7*7 %>"}`,
		"path":                `{"type":"../../../../etc/passwd","id":"..\\..\\x","message_id":"/dev/null"}`,
		"empty strings":       `{"type":"","id":"","to":"","data":{"":""}}`,
		"wrong kinds":         `{"type":{"a":[1]},"id":[null],"to":true,"data":"x","timestamp":{}}`,
		"long key":            `{"` + strings.Repeat("k", 100_000) + `":1}`,
		"long string":         `{"type":"` + strings.Repeat("v", 100_000) + `"}`,
		"long address":        `{"type":"delivered","to":"` + strings.Repeat("a", 50_000) + `@example.com","recipient":"` + strings.Repeat("@", 50_000) + `"}`,
		"nested addresses":    `{"type":"delivered","to":"` + strings.Repeat("(", 10_000) + `","from":"` + strings.Repeat(`<a@b>,`, 10_000) + `"}`,
		"many empty items":    "[" + strings.Repeat("{},", 1_000) + "{}]",
		"too many items":      "[" + strings.Repeat("1,", 20_000) + "1]",
		"two documents":       `{}{}`,
		"trailing comma":      `{"type":"delivered",}`,
		"not JSON":            "type=delivered&to=x",
		"binary":              string([]byte{0, 1, 2, 0xff, 0xfe, '{', 0}),
		"UTF-16":              "\xff\xfe{\x00}\x00",
		"gzip that is none":   "\x1f\x8b\x08 not gzip",
		"nothing":             "",
	}
	r := startEvery(t)
	for _, def := range all.Definitions() {
		for name, body := range bodies {
			t.Run(def.ID+"/"+name, func(t *testing.T) {
				r.pub.forget()
				res := r.do(r.request(http.MethodPost, "/v1/webhooks/"+def.ID+"/"+urlToken, body))
				if res.StatusCode != http.StatusOK {
					t.Fatalf("got %d, want 200", res.StatusCode)
				}
				raw := r.pub.topic("raw")
				if len(raw) != 1 || string(raw[0].Value) != body {
					t.Fatalf("%d raw records; want one with the bytes as they came", len(raw))
				}
				if len(r.pub.all()) < 2 {
					t.Error("neither an event nor a dead letter")
				}
				for _, rec := range r.pub.all() {
					if rec.Topic != "raw" && !json.Valid(rec.Value) {
						t.Errorf("topic %s: not JSON: %.200q", rec.Topic, rec.Value)
					}
				}
			})
		}
	}
}

// all returns every record.
func (p *fakePublisher) all() []broker.Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.records)
}

// forget empties the publisher.
func (p *fakePublisher) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.records = nil
}

// mark is in every text of the payloads below; wherever it turns up, a
// sender's text has got there.
const mark = "m4rk"

// hostileText draws texts that would do harm in a topic's name, a label, a
// header, a path or a log line.
func hostileText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		around := rapid.SampledFrom([]string{
			"%s", "email.%s", "../%s", "/%s", "%s\x00", "%s\r\nX-Injected: 1", "{prefix}.%s", "{%s}", "%s\",source=\"x", "%s\n# HELP x",
			"$(%s)", "%s;", "%s/..", "\x1b[31m%s", "%s\u2028", "%s\xff", "email.delivered %s", "=cmd|%s", "%s.deadletter", strings.Repeat("%s", 300),
		}).Draw(t, "around")
		return strings.ReplaceAll(around, "%s", mark+rapid.StringN(0, 6, 12).Draw(t, "more"))
	})
}

// fill replaces the placeholders of samples by values of their kinds.
var fill = strings.NewReplacer("{{unix}}", "1790000000", "{{time}}", "2026-11-21T09:30:00Z", "{{recipient}}", "r@example.com", "{{sender}}", "s@example.com",
	"{{uuid}}", "5b4f2a38-6c1d-4e0b-9f57-3a2c8d1e7f60", "{{uuid2}}", "0c9d3f14-8a6b-4d27-b1e5-6f40a2c7d983", "{{hex}}", "9f86d081884c7d659a2feaa0c55ad015")

// objects returns the samples of a provider that are an object, or an array of them;
// of one that sends forms, an empty object.
func objects(def *provider.Definition) []string {
	var list []string
	for _, s := range def.Samples() {
		text := strings.TrimSpace(fill.Replace(s.Body))
		if strings.HasPrefix(text, "{") {
			text = "[" + text + "]"
		}
		var items []json.RawMessage
		if json.Unmarshal([]byte(text), &items) != nil {
			continue
		}
		for _, item := range items {
			list = append(list, string(item))
		}
	}
	if len(list) == 0 {
		return []string{"{}"}
	}
	return list
}

// drawBody draws a sample with some of its members replaced.
func drawBody(t *rapid.T, samples []string) []byte {
	var object map[string]any
	if err := json.Unmarshal([]byte(rapid.SampledFrom(samples).Draw(t, "sample")), &object); err != nil {
		t.Fatal(err)
	}
	spoil(t, object)
	object[hostileText().Draw(t, "name")] = hostileText().Draw(t, "value")
	body, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// spoil replaces members by hostile texts.
func spoil(t *rapid.T, object map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if inner, ok := object[name].(map[string]any); ok {
			spoil(t, inner)
			continue
		}
		if rapid.IntRange(0, 2).Draw(t, "spoil") == 0 {
			object[name] = hostileText().Draw(t, "value")
		}
	}
}

// TestPayloadsNameNothing: whatever a payload holds, records go to the fixed
// topics under the fixed header names, header values are one clean line, and no
// metric has a label, or a series, that the payload made.
func TestPayloadsNameNothing(t *testing.T) {
	r := startEvery(t)
	topics := map[string]bool{"raw": true, "deadletter": true}
	for _, route := range event.Routes() {
		topics[string(route.Direction)+"."+string(route.Type)] = true
	}
	samples := map[string][]string{}
	for _, def := range all.Definitions() {
		samples[def.ID] = objects(&def)
	}
	rapid.Check(t, func(rt *rapid.T) {
		def := rapid.SampledFrom(all.Definitions()).Draw(rt, "provider")
		body := drawBody(rt, samples[def.ID])
		req := r.request(http.MethodPost, "/v1/webhooks/"+def.ID+"/"+urlToken+"?"+mark+"=1", string(body))
		req.Header.Set("X-"+mark, mark)
		req.Header.Set("User-Agent", mark)
		r.pub.forget()
		if res := r.do(req); res.StatusCode != http.StatusOK {
			rt.Fatalf("got %d for %q", res.StatusCode, body)
		}
		for _, rec := range r.pub.all() {
			if !topics[rec.Topic] {
				rt.Fatalf("%q was published to %q", body, rec.Topic)
			}
			for _, h := range rec.Headers {
				if rec.Topic == "raw" && strings.HasPrefix(h.Key, "http-") {
					continue // the request's own headers, which are not the payload's
				}
				if strings.Contains(h.Key, mark) || len(h.Value) > 1024 || !clean(string(h.Value)) {
					rt.Fatalf("topic %s: header %q: %q", rec.Topic, h.Key, h.Value)
				}
			}
		}
	})
	checkLabels(t, r)
}

// clean reports whether a text is one line of valid UTF-8.
func clean(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// seriesBound is how many time series each source may have, whatever it is sent, and
// as many as ten of them all sources together: the routes make most of them, the
// histograms' buckets the rest.
const seriesBound = 40

// checkLabels looks at every label of every metric.
func checkLabels(t *testing.T, r *rig) {
	t.Helper()
	families, err := r.m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := 0
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "postrider_") {
			continue
		}
		series += len(f.GetMetric())
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.Contains(l.GetValue(), mark) || len(l.GetValue()) > 64 {
					t.Errorf("%s has %s=%q", f.GetName(), l.GetName(), l.GetValue())
				}
			}
		}
	}
	if bound := seriesBound * (10 + len(all.Definitions())); series == 0 || series > bound {
		t.Errorf("%d series, want at most %d", series, bound)
	}
}

// TestPathsMakeNoSeries: scanning for sources adds no time series.
func TestPathsMakeNoSeries(t *testing.T) {
	r := startEvery(t)
	for i := range 300 {
		r.do(r.request(http.MethodPost, fmt.Sprintf("/v1/webhooks/%s-%d/%d", mark, i, i), ""))
		r.do(r.request(http.MethodGet, fmt.Sprintf("/%s-%d", mark, i), ""))
	}
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "M4RK", "PROPFIND"} {
		r.do(r.request(method, "/v1/webhooks/vfs/"+urlToken, ""))
	}
	checkLabels(t, r)
}

// pack gzips a text.
func pack(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if _, err := zw.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCompressedBodiesAreBounded sends bodies that are small and would not be.
func TestCompressedBodiesAreBounded(t *testing.T) {
	bomb := pack(t, strings.Repeat(" ", 8<<20))
	for name, c := range map[string]struct {
		body, coding string
		want         int
	}{
		"one member of 1:1000":             {bomb, "gzip", http.StatusRequestEntityTooLarge},
		"five hundred members":             {strings.Repeat(pack(t, strings.Repeat(" ", 64<<10)), 500), "gzip", http.StatusRequestEntityTooLarge},
		"a bomb behind a small member":     {pack(t, item) + bomb, "gzip", http.StatusRequestEntityTooLarge},
		"a bomb that claims to be x-gzip":  {bomb, "X-GZIP", http.StatusRequestEntityTooLarge},
		"a bomb in a bomb is opened once":  {pack(t, bomb), "gzip", http.StatusOK},
		"two codings are opened never":     {bomb, "gzip, gzip", http.StatusOK},
		"deflate is opened never":          {bomb, "deflate", http.StatusOK},
		"a small body may grow a lot":      {pack(t, `[`+item+strings.Repeat(" ", 50_000)+`]`), "gzip", http.StatusOK},
		"many small members are one body":  {pack(t, "[") + pack(t, item) + pack(t, "]"), "gzip", http.StatusOK},
		"rubbish behind the last member":   {pack(t, item) + "rubbish", "gzip", http.StatusOK},
		"a member that ends early":         {pack(t, item)[:20], "gzip", http.StatusOK},
		"a header that says it is longer":  {"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\xff\xff" + item, "gzip", http.StatusOK},
		"gzip without saying so is a body": {bomb, "", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Limits.MaxBufferedBytes = 3 << 20 })
			for range 4 { // what one leaves behind would be missing in the end
				r.pub.forget()
				req := r.request(http.MethodPost, tokenPath, c.body)
				if c.coding != "" {
					req.Header.Set("Content-Encoding", c.coding)
				}
				r.want(req, c.want)
				if got := len(r.pub.topic("raw")); (got == 1) != (c.want == http.StatusOK) {
					t.Errorf("%d raw records", got)
				}
			}
		})
	}
}

// TestForwardedAddressIsBelievedOfTrustedProxiesOnly holds a source with an
// allow list against what clients and proxies say of themselves.
func TestForwardedAddressIsBelievedOfTrustedProxiesOnly(t *testing.T) {
	const sender, stranger = "192.0.2.10", "203.0.113.9"
	allowed := func(o *ingest.Options) {
		o.Sources[1].Verifier = webhook.Allow(o.Sources[1].Verifier, []netip.Prefix{netip.MustParsePrefix(sender + "/32")})
	}
	direct := start(t, func(o *ingest.Options, _ *fakePublisher) { allowed(o) })
	proxied := start(t, func(o *ingest.Options, _ *fakePublisher) {
		allowed(o)
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	for name, c := range map[string]struct {
		r      *rig
		header http.Header
		want   int
	}{
		"nobody is trusted":              {direct, http.Header{"X-Forwarded-For": {sender}}, 401},
		"other headers say it too":       {direct, http.Header{"X-Real-Ip": {sender}, "Forwarded": {"for=" + sender}, "X-Client-Ip": {sender}, "True-Client-Ip": {sender}, "Cf-Connecting-Ip": {sender}}, 401},
		"a proxy tells":                  {proxied, http.Header{"X-Forwarded-For": {sender}}, 200},
		"two proxies tell":               {proxied, http.Header{"X-Forwarded-For": {sender + ", 10.1.2.3"}}, 200},
		"two proxies tell in two lines":  {proxied, http.Header{"X-Forwarded-For": {sender, "10.1.2.3"}}, 200},
		"a stranger claims":              {proxied, http.Header{"X-Forwarded-For": {sender + ", " + stranger}}, 401},
		"a stranger claims in two lines": {proxied, http.Header{"X-Forwarded-For": {sender, stranger}}, 401},
		"a stranger writes rubbish":      {proxied, http.Header{"X-Forwarded-For": {sender + ", rubbish"}}, 401},
		"a stranger leaves a gap":        {proxied, http.Header{"X-Forwarded-For": {sender + ",,"}}, 401},
		"a proxy tells only otherwise":   {proxied, http.Header{"X-Real-Ip": {sender}, "Forwarded": {"for=" + sender}}, 401},
		"nothing is said":                {proxied, http.Header{}, 401},
	} {
		req := c.r.request(http.MethodPost, tokenPath, item)
		maps.Copy(req.Header, c.header)
		if res := c.r.do(req); res.StatusCode != c.want {
			t.Errorf("%s: got %d, want %d", name, res.StatusCode, c.want)
		}
	}
}

// TestPanicsTellNothingOfThePayload: whatever breaks on the way of a request, its
// provider is asked to send it again, the process goes on, and neither log nor
// answer holds text of the payload.
func TestPanicsTellNothingOfThePayload(t *testing.T) {
	core, seen := observer.New(zap.DebugLevel)
	broken := true
	r := start(t, func(o *ingest.Options, p *fakePublisher) {
		o.Log = zap.New(core)
		p.fail = func(rec broker.Record) error {
			if broken {
				panic("cannot publish " + string(rec.Value))
			}
			return nil
		}
	})
	r.want(r.request(http.MethodPost, tokenPath, `{"type":"`+mark+`"}`), http.StatusServiceUnavailable)
	for _, e := range seen.All() {
		if text := fmt.Sprint(e.Message, e.ContextMap()); strings.Contains(text, mark) {
			t.Errorf("logged: %s", text)
		}
	}
	if seen.FilterMessageSnippet("panic").Len() == 0 {
		t.Error("the panic was not logged")
	}
	broken = false
	r.want(r.request(http.MethodPost, tokenPath, item), http.StatusOK)
}
