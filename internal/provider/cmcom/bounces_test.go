package cmcom_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/cmcom"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
)

// labels are the columns of testdata/subtypes.tsv: the page's sub-types and
// messages, and what the mapping's specification makes of each.
type labels struct{ class, subType, category, code, message string }

func readLabels(t *testing.T) []labels {
	t.Helper()
	text, err := os.ReadFile("testdata/subtypes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var out []labels
	for line := range strings.Lines(string(text)) {
		c := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(c) != 5 {
			t.Fatalf("%d columns: %s", len(c), line)
		}
		out = append(out, labels{c[0], c[1], c[2], c[3], c[4]})
	}
	return out[1:] // below the head
}

// parseBounce sends one bounce through the parser.
func parseBounce(t *testing.T, options map[string]string, typ, sub, message string) event.Event {
	t.Helper()
	def := cmcom.Definition()
	p, err := def.New(options)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{
		"type": "bounced", "createdAt": "2025-11-28T06:29:57+00:00", "messageId": "8814fd39",
		"data": map[string]any{
			"to": "recipient@example.com", "from": "sender@example.com", "id": "c7699f04", "customerReference": "order-4711",
			"bounce": map[string]string{"type": typ, "subType": sub, "message": message},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, body)[0].Event
}

func TestEverySubType(t *testing.T) {
	rows := readLabels(t)
	count := map[string]int{}
	for _, row := range rows {
		count[row.class]++
		word := map[string]string{"soft": "Soft Bounce", "hard": "Hard Bounce"}[row.class]
		e := parseBounce(t, nil, word, row.subType, row.message)
		got := labels{string(e.Bounce.Class), row.subType, string(e.Bounce.Category), e.Bounce.CodeAssumed, e.Reason}
		if got != row {
			t.Errorf("%+v\nwant %+v", got, row)
		}
		if e.Type != event.Bounced || e.Bounce.WillRetry == nil || *e.Bounce.WillRetry != (row.class == "soft") {
			t.Errorf("%s: type %s, will retry %v", row.subType, e.Type, e.Bounce.WillRetry)
		}
		if e.ProviderSubtype != word+"/"+row.subType || e.SMTP != nil || e.Test {
			t.Errorf("%s: subtype %q, smtp %v, test %v", row.subType, e.ProviderSubtype, e.SMTP, e.Test)
		}
		older := parseBounce(t, nil, strings.ReplaceAll(word, " ", ""), strings.ToUpper(strings.ReplaceAll(row.subType, " ", "_")), row.message)
		if older.Bounce.Category != e.Bounce.Category || older.Bounce.CodeAssumed != e.Bounce.CodeAssumed {
			t.Errorf("%s in the older spelling: %+v", row.subType, older.Bounce)
		}
	}
	if count["soft"] != 17 || count["hard"] != 14 {
		t.Errorf("%v sub-types, want 17 soft and 14 hard", count)
	}
}

func TestRetryingBouncesDeferred(t *testing.T) {
	deferred := map[string]string{"retrying_bounces": "deferred"}
	soft := parseBounce(t, deferred, "Soft Bounce", "Delayed", "Delivery delayed.")
	if soft.Type != event.Deferred || soft.Family != event.FamilyDelivery || soft.Bounce == nil || soft.Bounce.Category != event.Transient {
		t.Errorf("soft: %s %+v, want deferred with its category", soft.Type, soft.Bounce)
	}
	for _, typ := range []string{"Hard Bounce", "Bounce", ""} {
		if e := parseBounce(t, deferred, typ, "Delayed", ""); e.Type != event.Bounced {
			t.Errorf("%q: %s, want bounced", typ, e.Type)
		}
	}
}

func TestOptionErrors(t *testing.T) {
	for name, value := range map[string]string{"retrying_bounces": "bounced", "retrying": "deferred"} {
		_, err := cmcom.Definition().New(map[string]string{name: value})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "retrying_bounces") {
			t.Errorf("%s=%s: error %v", name, value, err)
		}
	}
}

// Each try of a soft bounce is an event; only the same bytes, whatever their
// white space, are the same one.
func TestDerivedIDs(t *testing.T) {
	def := cmcom.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	id := func(body string) string { return providertest.Parse(t, def, p, []byte(body))[0].NativeID }
	first := id(`{"type":"bounced","createdAt":"2025-11-28T06:29:57+00:00","messageId":"m","data":{"id":"d"}}`)
	if again := id(` {"messageId":"m", "data":{"id":"d"}, "createdAt":"2025-11-28T06:29:57+00:00", "type":"bounced"}`); again != first {
		t.Error("a repeat has another id")
	}
	for _, other := range []string{
		`{"type":"bounced","createdAt":"2025-11-28T07:29:57+00:00","messageId":"m","data":{"id":"d"}}`,
		`{"type":"suppressed","createdAt":"2025-11-28T06:29:57+00:00","messageId":"m","data":{"id":"d"}}`,
		`{"type":"bounced","createdAt":"2025-11-28T06:29:57+00:00","messageId":"m","data":{"id":"d","to":"other@example.com"}}`,
	} {
		if id(other) == first {
			t.Errorf("another event has the same id: %s", other)
		}
	}
}
