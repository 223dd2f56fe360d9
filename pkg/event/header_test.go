package event_test

import (
	"testing"

	"github.com/postrider/postrider/pkg/event"
)

func TestHeaderValue(t *testing.T) {
	list := []event.Header{{Key: "source"}, {Key: "ce_id", Value: []byte("first")}, {Key: "ce_id", Value: []byte("second")}}
	for _, tt := range []struct {
		key, want string
		found     bool
	}{
		{"ce_id", "first", true},
		{"source", "", true}, // there, and empty
		{"CE_ID", "", false}, // names of Kafka headers are not those of HTTP
		{"ce_", "", false},
	} {
		value, found := event.HeaderValue(list, tt.key)
		if value != tt.want || found != tt.found {
			t.Errorf("HeaderValue(%q) = %q, %v; want %q, %v", tt.key, value, found, tt.want, tt.found)
		}
		if text := event.HeaderText(list, tt.key); text != tt.want {
			t.Errorf("HeaderText(%q) = %q, want %q", tt.key, text, tt.want)
		}
	}
}
