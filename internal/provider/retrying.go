package provider

import (
	"fmt"
	"maps"
	"slices"

	"github.com/postrider/postrider/pkg/event"
)

// retryingBounces names the one option of providers that call a bounce what they go
// on trying to deliver.
const retryingBounces = "retrying_bounces"

// WithRetryingBounces is the New of a provider whose one option is retrying_bounces; parser
// gets the type of a bounce after which it tries again.
func WithRetryingBounces(id string, parser func(retrying event.Type) Parser) func(options map[string]string) (Parser, error) {
	return func(options map[string]string) (Parser, error) {
		typ, err := RetryingBounces(id, options)
		if err != nil {
			return nil, err
		}
		return parser(typ), nil
	}
}

// RetryingBounces reads the options of such a provider, and returns the type of a
// bounce after which it tries again: the provider's own word, bounced, unless
// retrying_bounces is "deferred". Any other option or value is an error.
func RetryingBounces(id string, options map[string]string) (event.Type, error) {
	typ := event.Bounced
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if name != retryingBounces {
			return "", fmt.Errorf("%s: option %q is unknown; there is %s", id, name, retryingBounces)
		}
		if options[name] != string(event.Deferred) {
			return "", fmt.Errorf("%s: option %s is %q; it may be %q or left out", id, name, options[name], event.Deferred)
		}
		typ = event.Deferred
	}
	return typ, nil
}
