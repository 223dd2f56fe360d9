package providertest

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// definition checks the data of a Definition.
func (s *suite) definition(t *testing.T) {
	d := s.def
	if d.ID == "" || d.ID != strings.ToLower(d.ID) || d.Title == "" || d.Mapper < 1 || d.Auth == "" {
		t.Errorf("definition %q lacks something: %q, mapper %d, auth %q", d.ID, d.Title, d.Mapper, d.Auth)
	}
	if u, err := url.Parse(d.Doc); err != nil || u.Scheme != "https" {
		t.Errorf("doc %q is no https address", d.Doc)
	}
	if d.Identity == "" || d.MaxEvents < 0 {
		t.Errorf("identity %q, at most %d events: want what makes an event itself, and a bound or 0", d.Identity, d.MaxEvents)
	}
	for _, row := range d.Types {
		if row.ProviderType == "" || !row.Type.Allowed(row.Direction) {
			t.Errorf("type %+v does not exist", row)
		}
	}
	_, err := d.New(map[string]string{"no_such_option": "x"})
	if err == nil || !strings.Contains(err.Error(), "no_such_option") {
		t.Errorf("an option nobody knows: error %v, want one that names it", err)
	}
}

// Fill puts values in a sample's placeholders; the same n gives the same values.
func Fill(body string, n int) string {
	hex := strings.Repeat("0", 28) + string([]byte{hexDigit(n >> 12), hexDigit(n >> 8), hexDigit(n >> 4), hexDigit(n)})
	uuid := hex[:8] + "-" + hex[8:12] + "-4" + hex[13:16] + "-8" + hex[17:20] + "-" + hex[20:]
	return strings.NewReplacer(
		"{{uuid}}", uuid,
		"{{uuid2}}", "f"+uuid[1:],
		"{{hex}}", hex,
		"{{number}}", strconv.Itoa(4_503_599_627_000_000+n),
		"{{unix}}", "1767323045",
		"{{time}}", "2026-01-02T03:04:05Z",
		"{{recipient}}", "recipient@example.com",
		"{{sender}}", "sender@example.com",
		"{{recipient2}}", "recipient@example.com",
		"{{sender2}}", "sender@example.com",
	).Replace(body)
}

func hexDigit(n int) byte { return "0123456789abcdef"[n&15] }

// samples wants one or more for each type, each the event it says it is.
func (s *suite) samples(t *testing.T) {
	covered, ids := make(map[provider.TypeInfo]bool), make(map[string]string)
	for i, sample := range s.def.Samples() {
		body := Fill(sample.Body, i)
		if strings.Contains(body, "{{") {
			t.Errorf("%s: a placeholder nobody knows: %s", sample.Name, body)
		}
		results := ParseRequest(t, s.def, s.parser, sample.Request(body))
		if len(results) != 1 || results[0].Malformed != nil {
			t.Errorf("%s: %d results, malformed %v", sample.Name, len(results), results[0].Malformed)
			continue
		}
		e := results[0].Event
		row := provider.TypeInfo{ProviderType: e.ProviderType, Type: e.Type, Direction: e.Direction}
		if e.ProviderType != sample.ProviderType || !slices.Contains(s.def.Types, row) {
			t.Errorf("%s: %+v, want a row of Types that is called %s", sample.Name, row, sample.ProviderType)
		}
		if e.OccurredAt.IsZero() || e.Type == event.Bounced && e.Bounce.Class == "" {
			t.Errorf("%s: not realistic: %s", sample.Name, body)
		}
		if other, ok := ids[results[0].NativeID]; ok {
			t.Errorf("%s and %s share an id", sample.Name, other)
		}
		covered[row], ids[results[0].NativeID] = true, sample.Name
	}
	for _, row := range s.def.Types {
		if !covered[row] {
			t.Errorf("no sample of type %s that is %s", row.ProviderType, row.Type)
		}
	}
}
