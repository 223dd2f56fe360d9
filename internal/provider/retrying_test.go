package provider_test

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

func TestRetryingBounces(t *testing.T) {
	for value, want := range map[string]event.Type{"": event.Bounced, "deferred": event.Deferred} {
		options := map[string]string{"retrying_bounces": value}
		if value == "" {
			options = nil
		}
		if got, err := provider.RetryingBounces("x", options); got != want || err != nil {
			t.Errorf("%q: %s, %v, want %s", value, got, err, want)
		}
	}
	for _, options := range []map[string]string{
		{"retrying_bounces": "bounced"},
		{"retrying_bounces": ""},
		{"retrying": "deferred"},
		{"retrying_bounces": "deferred", "zeal": "1"},
	} {
		_, err := provider.RetryingBounces("x", options)
		if err == nil || !strings.HasPrefix(err.Error(), "x: option ") || !strings.Contains(err.Error(), "retrying_bounces") {
			t.Errorf("%v: error %v, want one of x that names the option there is", options, err)
		}
	}
}
