package normalize_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

func TestRefusedEvent(t *testing.T) {
	v := webhook.AssumeProvenForReplayAndTests(webhook.Request{
		Body: []byte(`{"id":"evt_1","type":"outbound.delivered","data":{"to":"a@example.com"}}`), ReceivedAt: receivedAt,
	})
	for _, s := range sources(t) {
		if s.Provider != "jetemail" {
			continue
		}
		out := run(t, s, v, "raw-1")
		if len(out.Events) != 1 {
			t.Fatalf("%d events", len(out.Events))
		}
		e := &out.Events[0].Event
		value := e.AppendJSON(nil)
		got, err := normalize.RefusedEvent(value, e.AppendHeaders(nil, event.Stamp{Mapper: 7}), "too_large", "why")
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"reason": "too_large", "stage": "publish", "provider": "jetemail", "source": "jetemail", "mapper": 7.0, "raw_id": "raw-1",
			"detail":      "why; the body is the event, raw_id names the request",
			"received_at": string(e.ReceivedAt.Append(nil)), "body": base64.StdEncoding.EncodeToString(value),
		}
		var doc map[string]any
		if err := json.Unmarshal(got.Value, &doc); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, doc); d != "" {
			t.Errorf("dead letter (-want +got):\n%s", d)
		}
		if want := normalize.RawKey(s, "raw-1"); got.Key != want {
			t.Errorf("key %q, want %q", got.Key, want)
		}
	}
	if _, err := normalize.RefusedEvent([]byte("no event"), nil, "too_large", ""); err == nil {
		t.Error("what is no event was taken for one")
	}
}
