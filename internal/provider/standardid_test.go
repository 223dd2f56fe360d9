package provider_test

import (
	"net/textproto"
	"testing"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/webhook"
)

// An id that nobody signed may stand beside the one that was.
func TestStandardID(t *testing.T) {
	for _, c := range []struct {
		webhook, svix string
		index, count  int
		native, sent  string
	}{
		{"", "", 0, 1, "", ""},
		{"msg_1", "", 0, 1, "msg_1", "msg_1"},
		{"", "msg_1", 0, 1, "msg_1", "msg_1"},
		{"msg_1", "msg_1", 0, 1, "msg_1", "msg_1"},
		{"msg_1", "msg_2", 0, 1, "", ""},
		{"", "msg_1", 2, 3, "msg_1/2", "msg_1"},
	} {
		header := map[string][]string{}
		for name, value := range map[string]string{"webhook-id": c.webhook, "svix-id": c.svix} {
			if value != "" {
				header[textproto.CanonicalMIMEHeaderKey(name)] = []string{value}
			}
		}
		at := provider.Place{Request: &webhook.Request{Header: header}, Index: c.index, Count: c.count}
		if native, sent := at.StandardID(); native != c.native || sent != c.sent {
			t.Errorf("%q and %q, %d of %d: %q, %q", c.webhook, c.svix, c.index, c.count, native, sent)
		}
	}
}
