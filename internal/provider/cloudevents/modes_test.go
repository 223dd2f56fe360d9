package cloudevents_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/cloudevents"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/webhook"
)

const structured = "application/cloudevents+json"

// parse reads a request of one content type, with attributes in headers as name, value.
func parse(t *testing.T, kind, body string, headers ...string) []provider.Result {
	t.Helper()
	def := cloudevents.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := webhook.Request{Method: "POST", Body: []byte(body), Header: map[string][]string{"Content-Type": {kind}}}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return providertest.ParseRequest(t, def, p, r)
}

// An event is the same in all three modes.
func TestModes(t *testing.T) {
	const (
		attributes = `"specversion":"1.0","id":"1","source":"/a b","type":"email.delivered","time":"2026-01-02T03:04:05Z","subject":"m%1","ext":"é"`
		data       = `{"recipient":"a@b.example"}`
	)
	one := "{" + attributes + `,"data":` + data + "}"
	modes := map[string][]provider.Result{
		"structured": parse(t, structured, one),
		"batched":    parse(t, "application/cloudevents-batch+json", "["+one+"]"),
		"bare":       parse(t, "application/json", one),
		"binary": parse(t, "application/json", data, "ce-specversion", "1.0", "ce-id", "1", "ce-source", "/a%20b", "ce-type", "email.delivered",
			"ce-time", "2026-01-02T03:04:05Z", "ce-subject", "m%251", "ce-ext", "%C3%A9"),
		// Headers mean nothing where the body has the attributes.
		"headers beside": parse(t, structured, one, "ce-id", "2", "ce-type", "email.bounced"),
	}
	want := modes["structured"][0]
	if want.Event.MessageID != "m%1" || want.Event.Metadata["ext"] != "é" {
		t.Errorf("%s", want.Event.AppendJSON(nil))
	}
	for mode, got := range modes {
		if len(got) != 1 || got[0].NativeID != want.NativeID || !reflect.DeepEqual(got[0].Event, want.Event) {
			t.Errorf("%s: %+v, want %+v", mode, got, want)
		}
	}
}

// Attributes without data are an event; without a type they are none.
func TestBinaryWithoutData(t *testing.T) {
	if got := parse(t, "", "", "ce-id", "1", "ce-source", "/a", "ce-type", "email.opened", "ce-subject", "m1"); len(got) != 1 || got[0].Event.MessageID != "m1" {
		t.Errorf("%+v", got)
	}
	if got := parse(t, "", "", "ce-id", "1", "ce-source", "/a"); got[0].Malformed == nil || got[0].Malformed.Reason != provider.ReasonEmptyBody {
		t.Errorf("%+v", got)
	}
}

// Two sources may use the same ids, and one source's two events never share one.
func TestIdentity(t *testing.T) {
	ids := make(map[string]bool)
	for _, pair := range [][2]string{{"/a", "1"}, {"/b", "1"}, {"/a", "2"}, {"/a 1", "1"}, {"/a", "1 1"}, {"", "1"}, {"", "/a 1"}} {
		ids[parse(t, structured, `{"source":"`+pair[0]+`","id":"`+pair[1]+`","type":"email.sent"}`)[0].NativeID] = true
	}
	if len(ids) != 7 {
		t.Errorf("%d ids for 7 events: %v", len(ids), ids)
	}
}

// An event that another postrider forwards is one event, in whichever format.
func TestForwardedTwice(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	own := `{"schema":"email-event/1","id":"` + id + `","type":"sent","family":"delivery","direction":"outbound","provider":"p","source":"s","provider_type":"x.sent"}`
	a := parse(t, structured, `{"specversion":"1.0","id":"`+id+`","source":"/p/s","type":"email.sent.v1","data":`+own+`}`)[0]
	b := parse(t, "application/json", own, "ce-specversion", "1.0", "ce-id", id, "ce-source", "/p/s", "ce-type", "email.sent.v1")[0]
	if a.NativeID != id || b.NativeID != id || !a.Derived || !b.Derived || a.Event.ProviderType != "x.sent" || b.Event.ProviderType != "x.sent" {
		t.Errorf("%+v\n%+v", a, b)
	}
	if !strings.Contains(string(a.Event.AppendJSON(nil)), `"origin_provider":"p"`) {
		t.Errorf("%s", a.Event.AppendJSON(nil))
	}
}
