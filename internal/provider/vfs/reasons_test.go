package vfs_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/vfs"
	"github.com/postrider/postrider/pkg/event"
)

// parse sends one callback through the parser.
func parse(t *testing.T, body string) event.Event {
	t.Helper()
	def := vfs.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, []byte(body))[0].Event
}

func TestDropReasons(t *testing.T) {
	for text, want := range map[string]event.DropReason{
		"Global Suppression":          event.DropSuppressed,
		"on a LOCAL SUPPRESSION list": event.DropSuppressed,
		"Previously unsubscribed":     event.DropUnsubscribed,
		"Recipient Unsubscribe":       event.DropUnsubscribed,
		"Suppression":                 event.DropOther,
		"":                            event.DropOther,
	} {
		e := parse(t, `{"type":"Dropped","attr":{"reason":"`+text+`"}}`)
		if e.Drop.Reason != want || e.Drop.Detail != text {
			t.Errorf("%q: %+v, want %s", text, e.Drop, want)
		}
	}
}

// Events without attributes come with attr missing, null or empty.
func TestNoAttributes(t *testing.T) {
	for _, attr := range []string{``, `,"attr":null`, `,"attr":{}`} {
		for typ, want := range map[string]event.Type{
			"Sent": event.Sent, "Complaint": event.Complained, "Unsubscribe": event.Unsubscribed,
			"Dropped": event.Dropped, "Soft Bounce": event.Bounced, "Delivered": event.Delivered, "Opened": event.Opened, "Deferred": event.Deferred,
		} {
			e := parse(t, `{"type":"`+typ+`"`+attr+`}`)
			if e.Type != want || e.Metadata != nil || e.SMTP != nil || e.Engagement != nil || e.Reason != "" {
				t.Errorf("%s%s: %+v", typ, attr, e)
			}
		}
	}
}

func TestAttempts(t *testing.T) {
	for text, want := range map[string]int{`2`: 2, `"3"`: 3, `0`: 0, `-1`: 0, `2.5`: 0, `"many"`: 0, `1e9`: 0, `null`: 0} {
		e := parse(t, `{"type":"Deferred","attr":{"attempts":`+text+`}}`)
		got := 0
		if e.SMTP != nil {
			got = e.SMTP.Attempt
		}
		if kept := e.Metadata["attempts"] != ""; got != want || kept != (want == 0 && text != "null") {
			t.Errorf("%s: attempt %d, want %d; in the metadata: %v", text, got, want, kept)
		}
	}
}
