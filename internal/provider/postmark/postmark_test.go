package postmark_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/postmark"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, postmark.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, postmark.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, postmark.Definition(), "delivery") }

// testdata/bounces.tsv is the page's list of bounce types with what each is here, where
// the reply says nothing.
func TestEveryBounceType(t *testing.T) {
	def := postmark.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/bounces.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(text)), "\n")[1:]
	for _, row := range rows {
		want := strings.Split(row, "\t") // type, code, direction, canonical, class, category, will retry, drop
		body := `{"RecordType":"Bounce","Type":"` + want[0] + `","TypeCode":` + want[1] + `,"MessageID":"m","Email":"a@example.com"}`
		e := providertest.Parse(t, def, p, []byte(body))[0].Event
		got := []string{want[0], want[1], string(e.Direction), string(e.Type), "", "", "", ""}
		if e.Bounce != nil {
			got[4], got[5] = string(e.Bounce.Class), string(e.Bounce.Category)
			if e.Bounce.WillRetry != nil {
				got[6] = strconv.FormatBool(*e.Bounce.WillRetry)
			}
		}
		if e.Drop != nil {
			got[7] = string(e.Drop.Reason)
		}
		for i := range got {
			if len(want) <= i {
				want = append(want, "")
			}
		}
		if strings.Join(got, "\t") != strings.Join(want, "\t") {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		if e.ProviderSubtype != want[0] || e.Metadata["TypeCode"] != want[1] {
			t.Errorf("%s: subtype %q, metadata %v", want[0], e.ProviderSubtype, e.Metadata)
		}
	}
	if len(rows) != 22 {
		t.Errorf("%d bounce types, want 22", len(rows))
	}
}

// What is said in the same words is the same event, unless Postmark numbers it.
func TestIdentity(t *testing.T) {
	def := postmark.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	id := func(body string) string { return providertest.Parse(t, def, p, []byte(body))[0].NativeID }
	if a, b := id(`{"RecordType":"Open","MessageID":"m","ReceivedAt":"2026-01-02T03:04:05Z"}`),
		id(`{"RecordType":"Open","MessageID":"m","ReceivedAt":"2026-01-02T03:04:06Z"}`); a == b {
		t.Error("two opens of a message are one event")
	}
	if a, b := id(`{"RecordType":"Bounce","Type":"HardBounce","ID":42}`), id(`{"RecordType":"Bounce","Type":"HardBounce","ID":42,"Inactive":true}`); a != b || a != "42" {
		t.Errorf("a bounce with ID 42 has id %s and %s", a, b)
	}
}

// A bounce that Postmark makes up is a simulation.
func TestFakeBounces(t *testing.T) {
	def := postmark.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"Hard_Bounce@bounce-testing.postmarkapp.com": true, "hardbounce@Bounce-Testing.postmarkapp.com": true,
		"a@example.com": false, "a@bounce-testing.postmarkapp.com.example.com": false, "": false,
	} {
		for _, body := range []string{
			`{"RecordType":"Bounce","Type":"HardBounce","ID":1,"Email":"` + address + `"}`,
			`{"RecordType":"SubscriptionChange","SuppressSending":true,"SuppressionReason":"HardBounce","Recipient":"` + address + `"}`,
		} {
			if e := providertest.Parse(t, def, p, []byte(body))[0].Event; e.Test != want {
				t.Errorf("%s: test %v", body, e.Test)
			}
		}
	}
}

// The option moves the delayed message only, of which nobody says that it is tried again.
func TestRetryingBouncesDeferred(t *testing.T) {
	def := postmark.Definition()
	p, err := def.New(map[string]string{"retrying_bounces": "deferred"})
	if err != nil {
		t.Fatal(err)
	}
	e := providertest.Parse(t, def, p, []byte(`{"RecordType":"Bounce","Type":"Transient","ID":1}`))[0].Event
	if e.Type != event.Deferred || e.Family != event.FamilyDelivery || e.Bounce == nil || e.Bounce.Class != event.Soft || e.Bounce.WillRetry != nil {
		t.Errorf("%s %+v, want deferred with its bounce", e.Type, e.Bounce)
	}
	for _, other := range []string{
		`{"RecordType":"Bounce","Type":"SoftBounce","ID":1}`,
		`{"RecordType":"Bounce","Type":"HardBounce","ID":1}`,
		`{"RecordType":"Bounce","Type":"BrandNewType","ID":1}`,
	} {
		if e := providertest.Parse(t, def, p, []byte(other))[0].Event; e.Type != event.Bounced {
			t.Errorf("%s: %s, want bounced", other, e.Type)
		}
	}
	if _, err := def.New(map[string]string{"retrying_bounces": "bounced"}); err == nil || !strings.HasPrefix(err.Error(), "postmark: ") {
		t.Errorf("another value: error %v", err)
	}
}
