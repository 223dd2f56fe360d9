package cmcom_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/provider/cmcom"
	"github.com/postrider/postrider/internal/provider/providertest"
)

// Both generations of payload give the same event, metadata included.
func TestMetadataNamesAreTheSameInBothGenerations(t *testing.T) {
	def := cmcom.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	member := regexp.MustCompile(`"([a-z])(\w*)":`)
	for name, body := range map[string]string{
		"unsubscribe": `{"type":"unsubscribed","createdAt":"2025-11-28T06:29:57+00:00","messageId":"m","data":{"unsubscribe":{"unsubscribeType":"Link"}}}`,
		"wrong types": `{"type":"bounced","createdAt":1.5e3,"messageId":["m"],"data":{"to":["a@example.com"],"createdAt":"x","bounce":{"subType":7}}}`,
	} {
		today := providertest.Parse(t, def, p, []byte(body))[0].Event
		older := providertest.Parse(t, def, p, []byte(member.ReplaceAllStringFunc(body, func(m string) string {
			return `"` + strings.ToUpper(m[1:2]) + m[2:]
		})))[0].Event
		if diff := cmp.Diff(today.Metadata, older.Metadata); diff != "" || len(today.Metadata) == 0 {
			t.Errorf("%s: metadata (-today +older):\n%s", name, diff)
		}
	}
}

// Only documented names are respelled, and nothing is lost.
func TestUndocumentedNamesStayAsSent(t *testing.T) {
	def := cmcom.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"Type":"Unsubscribed","Plan":"a","Data":{"Plan":"b","Unsubscribe":{"UnsubscribeType":"Link","unsubscribe_type":"Form","unsubscribeType":"List"}}}`
	want := map[string]string{"Plan": "a", "data.Plan": "b", "unsubscribeType": "List", "UnsubscribeType": "Link", "unsubscribe_type": "Form"}
	if diff := cmp.Diff(want, providertest.Parse(t, def, p, []byte(body))[0].Event.Metadata); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
