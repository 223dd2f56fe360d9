package sender

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Choice says which samples of each target to send.
type Choice struct {
	All bool // every sample: at least one for every event type
	// Types are words for what to send: a provider's type ("HardBounce"), a
	// canonical type ("bounced", "inbound.received") or a sample's name
	// ("bounced_soft"); case does not matter.
	Types []string
}

// Choose lists the steps for the targets, in their order. Without All and Types
// it is one typical event a target. The error names a word that fits nothing.
func Choose(targets []*Target, c Choice) ([]Step, error) {
	var steps []Step
	used := make(map[string]bool)
	for _, t := range targets {
		if len(t.Provider.Samples()) == 0 {
			continue // a mapping that only expressions can read
		}
		if !c.All && len(c.Types) == 0 {
			steps = append(steps, Step{Target: t, Sample: typical(t.Provider)})
			continue
		}
		for _, s := range t.Provider.Samples() {
			if word, ok := c.takes(t.Provider, s); ok {
				used[word] = true
				steps = append(steps, Step{Target: t, Sample: s})
			}
		}
	}
	for _, word := range c.Types {
		if !used[strings.ToLower(word)] {
			return nil, fmt.Errorf("sender: no source in the selection has an event type %q: there are %s",
				word, strings.Join(Words(targets), ", "))
		}
	}
	if len(steps) == 0 && len(targets) > 0 {
		return nil, errors.New("sender: no source in the selection has samples: send a body of your own")
	}
	return steps, nil
}

// typical is the sample that stands for all: a delivery, or the first there is.
func typical(d provider.Definition) provider.Sample {
	samples := d.Samples()
	delivered := func(s provider.Sample) bool { return slices.Contains(sampleWords(d, s), string(event.Delivered)) }
	return samples[max(slices.IndexFunc(samples, delivered), 0)]
}

// takes reports whether a sample is chosen, and by which word.
func (c Choice) takes(d provider.Definition, s provider.Sample) (word string, ok bool) {
	names := append(sampleWords(d, s), s.Name)
	for _, w := range c.Types {
		if w = strings.ToLower(w); slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, w) }) {
			return w, true
		}
	}
	return "", len(c.Types) == 0
}

// sampleWords are the provider's and the canonical word for a sample's type.
func sampleWords(d provider.Definition, s provider.Sample) []string {
	words := []string{s.ProviderType}
	for _, row := range d.Types {
		if row.ProviderType == s.ProviderType {
			words = append(words, RouteWord(event.Route{Direction: row.Direction, Type: row.Type}))
		}
	}
	return words
}

// RouteWord is the short name of a route: "bounced", "inbound.received".
func RouteWord(r event.Route) string {
	if r.Direction == event.Inbound {
		return "inbound." + string(r.Type)
	}
	return string(r.Type)
}

// Words lists the provider types that the targets know.
func Words(targets []*Target) []string {
	var words []string
	for _, t := range targets {
		for _, row := range t.Provider.Types {
			if !slices.Contains(words, row.ProviderType) {
				words = append(words, row.ProviderType)
			}
		}
	}
	return words
}
