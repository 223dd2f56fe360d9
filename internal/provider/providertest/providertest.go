// Package providertest is the conformance suite of providers. Run holds a
// Definition against its folder's testdata and against what hostile senders do;
// Fuzz looks for more. A new provider passes both or is not done.
//
// testdata holds pairs: <case>.http is headers, an empty line and the body byte
// for byte; <case>.json is what has to come out. The body of a provider that calls by
// GET is the query. Run with -update to rewrite the
// .json files; that fails the test, so that no accepting run goes unnoticed, and
// each rewritten file is to be read against the provider's page.
package providertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Run holds a provider against the contract of package provider.
func Run(t *testing.T, def provider.Definition) {
	t.Helper()
	run(t, &suite{def: def, parser: newParser(t, def, nil), cases: readCases(t)})
}

// RunMapped is Run for a provider whose parser is declared and not written: all of it,
// but for the words in which a dead letter says what is wrong.
func RunMapped(t *testing.T, def provider.Definition) {
	t.Helper()
	run(t, &suite{def: def, parser: newParser(t, def, nil), cases: readCases(t), mapped: true})
}

func run(t *testing.T, s *suite) {
	t.Helper()
	t.Run("definition", s.definition)
	t.Run("policy", s.policy)
	t.Run("samples", s.samples)
	t.Run("golden", s.golden)
	t.Run("coverage", s.coverage)
	t.Run("identity", s.identity)
	t.Run("hostile", s.hostile)
}

// suite is one provider under test.
type suite struct {
	def    provider.Definition
	parser provider.Parser
	cases  []testCase
	mapped bool // dead letters may say it in other words
}

func newParser(t testing.TB, def provider.Definition, options map[string]string) provider.Parser {
	t.Helper()
	p, err := def.New(options)
	if err != nil {
		t.Fatalf("New(%v): %v", options, err)
	}
	return p
}

// Parse runs a body through a provider's parser, as proven, and checks what
// holds for every result of every provider.
func Parse(t testing.TB, def provider.Definition, p provider.Parser, body []byte) []provider.Result {
	t.Helper()
	return ParseRequest(t, def, p, bare(body))
}

// bare is a request of which nothing is known but its body.
func bare(body []byte) webhook.Request { return webhook.Request{Method: "POST", Body: body} }

// ParseRequest is Parse with all of a request.
func ParseRequest(t testing.TB, def provider.Definition, p provider.Parser, r webhook.Request) []provider.Result {
	t.Helper()
	body := r.Body
	before := bytes.Clone(body)
	results := parse(p, r)
	if !bytes.Equal(before, body) {
		t.Errorf("the parser changed the body")
	}
	copied := r
	copied.Body = bytes.Clone(body)
	if again := parse(p, copied); !sameResults(results, again) {
		t.Errorf("two readings differ:\n%s\n%s", render(def, results), render(def, again))
	}
	if len(results) > jsondoc.MaxItems {
		t.Errorf("%d results, want at most %d", len(results), jsondoc.MaxItems)
	}
	for i := range results {
		checkResult(t, def, body, results, i)
	}
	return results
}

func parse(p provider.Parser, r webhook.Request) []provider.Result {
	return p.Parse(webhook.AssumeProvenForReplayAndTests(r))
}

func sameResults(a, b []provider.Result) bool { return reflect.DeepEqual(a, b) }

// checkResult checks one result: a dead letter with a known reason, or a valid
// event that survives its JSON form.
func checkResult(t testing.TB, def provider.Definition, body []byte, all []provider.Result, i int) {
	t.Helper()
	r := all[i]
	if r.Index != i && (r.Index != -1 || len(all) != 1 || r.Malformed == nil) {
		t.Errorf("result %d has index %d", i, r.Index)
	}
	if isJSON := json.Valid(r.Item); !bytes.Contains(body, r.Item) && !isJSON {
		t.Errorf("result %d: the item is no part of the body, and no JSON: %s", i, r.Item)
	}
	if r.Malformed != nil {
		checkMalformed(t, r.Malformed)
		return
	}
	checkEvent(t, def, &r)
}

func checkMalformed(t testing.TB, m *provider.Malformed) {
	t.Helper()
	switch m.Reason {
	case provider.ReasonEmptyBody, provider.ReasonInvalidJSON, provider.ReasonNotAnObject,
		provider.ReasonMissingType, provider.ReasonTooDeep, provider.ReasonTooManyItems:
	default:
		t.Errorf("reason %q is not one of package provider's", m.Reason)
	}
	if m.Detail == "" {
		t.Errorf("%s: no detail", m.Reason)
	}
}

func checkEvent(t testing.TB, def provider.Definition, r *provider.Result) {
	t.Helper()
	if r.NativeID == "" {
		t.Errorf("an event without native id: %s", r.Item)
	}
	e := complete(def, r)
	if err := e.Validate(); err != nil {
		t.Errorf("%v: %s", err, r.Item)
	}
	if (e.Type == event.Unknown) != (len(e.Raw) > 0) {
		t.Errorf("type %s with %d bytes of raw", e.Type, len(e.Raw))
	}
	text := e.AppendJSON(nil)
	back, err := event.Decode(text)
	if err != nil {
		t.Errorf("%v: %s", err, text)
		return
	}
	if !reflect.DeepEqual(e, back) {
		t.Errorf("the JSON form loses something:\n%s\n%s", text, back.AppendJSON(nil))
	}
}

// complete fills in what package normalize fills in.
func complete(def provider.Definition, r *provider.Result) event.Event {
	e := r.Event
	e.Schema, e.Provider, e.Source = event.Schema, def.ID, "golden"
	sum := sha256.Sum256([]byte(def.ID + "\x00golden\x00" + r.NativeID + "\x00" + e.ProviderType))
	e.ID = hex.EncodeToString(sum[:16])
	e.ReceivedAt = event.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), 3)
	return e
}
