package unisender_test

import (
	"os"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/unisender"
)

// Each line of the table is a delivery status of a hard bounce, and what has to
// come of it; "-" stands for nothing.
func TestDeliveryStatuses(t *testing.T) {
	text, err := os.ReadFile("testdata/statuses.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")[1:] // below the head
	for _, line := range lines {
		c := strings.Split(strings.ReplaceAll(line, "\t-", "\t"), "\t")
		e := parse(t, `{"event_name":"transactional_email_status","event_data":{"status":"hard_bounced","delivery_info":{"delivery_status":"`+c[0]+`"}}}`).Event
		got := []string{string(e.Type), "", "", ""}
		if b := e.Bounce; b != nil {
			got[1], got[2] = string(b.Category), b.CodeAssumed
			if b.Class != "hard" || b.WillRetry == nil || *b.WillRetry {
				t.Errorf("%s: %+v, want a hard bounce that is not tried again", c[0], b)
			}
		}
		if d := e.Drop; d != nil {
			got[3] = string(d.Reason)
		}
		if want := strings.Join(c[1:], " "); strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", c[0], strings.Join(got, " "), want)
		}
	}
	if len(lines) < 30 {
		t.Errorf("%d lines", len(lines))
	}
}

func parse(t *testing.T, body string) provider.Result {
	t.Helper()
	def := unisender.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, []byte(body))[0]
}

// A retry has another proof and says how often it was tried: it is the same event.
func TestRetryIsTheSameEvent(t *testing.T) {
	const flat = `"event_name":"transactional_email_status","status":"opened","job_id":"a","event_time":"2015-11-30 15:09:42"}`
	first := parse(t, `{"auth":"fd51c8b5d7bbd1a0f3ce2e1b3b7a9d10",`+flat)
	again := parse(t, `{"auth":"00000000000000000000000000000000","retry_count":1,`+flat)
	later := parse(t, `{"auth":"fd51c8b5d7bbd1a0f3ce2e1b3b7a9d10",`+strings.Replace(flat, ":42", ":43", 1))
	if first.NativeID != again.NativeID || !again.Derived {
		t.Errorf("a retry is %s, derived %v, want %s", again.NativeID, again.Derived, first.NativeID)
	}
	if first.NativeID == later.NativeID {
		t.Error("two openings are one event")
	}
	if _, there := first.Event.Metadata["auth"]; there {
		t.Error("the proof is published")
	}
}
