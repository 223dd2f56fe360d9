package app

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/forward"
	"github.com/postrider/postrider/internal/selection"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// chooseSubscriptions returns the subscriptions of these names, or all.
func chooseSubscriptions(cfg *config.Config, names []string) ([]config.Subscription, error) {
	all := cfg.Forward.Subscriptions
	if len(all) == 0 {
		return nil, errors.New("app: the configuration names no subscriptions")
	}
	if len(names) == 0 {
		return all, nil
	}
	var chosen []config.Subscription
	var problems []error
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		i := slices.IndexFunc(all, func(s config.Subscription) bool { return s.Name == name })
		if i < 0 {
			problems = append(problems, fmt.Errorf("app: there is no subscription %q: there are %s", name, strings.Join(SubscriptionNames(cfg), ", ")))
			continue
		}
		chosen = append(chosen, all[i])
	}
	return chosen, errors.Join(problems...)
}

// SubscriptionNames lists the configured subscriptions.
func SubscriptionNames(cfg *config.Config) []string {
	names := make([]string, len(cfg.Forward.Subscriptions))
	for i := range names {
		names[i] = cfg.Forward.Subscriptions[i].Name
	}
	return names
}

// consumerKafka is how consumers reach the cluster.
func consumerKafka(cfg *config.Config) consumer.Kafka {
	k := cfg.Kafka
	c := consumer.Kafka{Brokers: Brokers(cfg), ClientID: k.ClientID}
	if k.TLS.Enabled {
		c.TLS = &consumer.TLS{CAFile: k.TLS.CAFile, CertFile: k.TLS.CertFile, KeyFile: k.TLS.KeyFile, ServerName: k.TLS.ServerName}
	}
	if k.SASL.Mechanism != "" {
		c.SASL = &consumer.SASL{
			Mechanism: k.SASL.Mechanism, Username: k.SASL.Username, Password: k.SASL.Password.Reveal(), Region: k.SASL.Region,
		}
	}
	return c
}

// subscription is a configured subscription as package forward has it.
func subscription(cfg *config.Config, s *config.Subscription) forward.Subscription {
	f := forward.Subscription{
		Name: s.Name, Group: cfg.Kafka.Topics.ForwardGroup(s.Name), Topics: forwardTopics(cfg, s),
		Types: s.Types, Providers: s.Providers, Sources: s.Sources, Where: s.Where,
		URL: s.URL, Allow: s.Allow, Format: forward.Format(s.Format), Timeout: s.Timeout, Concurrency: s.Concurrency, Rate: s.Rate,
		Ordered: s.Ordered, FromEnd: s.From == config.FromEnd, SkipReplayed: s.Replayed == config.ReplayedSkip,
		Attempts: s.Retry.Attempts, Delays: s.Retry.Delays,
	}
	for _, k := range s.Secrets {
		f.Secrets = append(f.Secrets, delivery.Secret{ID: k.ID, Key: k.Value.Reveal(), NotAfter: k.NotAfter})
	}
	return f
}

// forwardTopics are the topics of a subscription. Patterns mean topics of events: not
// the others that begin alike, nor the topic with every event a second time.
func forwardTopics(cfg *config.Config, s *config.Subscription) (names []string) {
	events := EventTopics(cfg)
	switch {
	case s.Format == config.FormatRaw:
		return []string{cfg.Kafka.Topics.Raw()}
	case len(s.Topics) == 0:
		return typesTopics(cfg, s.Types, events)
	}
	for _, want := range s.Topics {
		known := slices.DeleteFunc(slices.Clone(events), func(name string) bool { ok, err := path.Match(want, name); return err != nil || !ok })
		if len(known) == 0 {
			known = []string{want} // made by somebody else
		}
		names = append(names, known...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// typesTopics are the topics of some types of events; of none given, all topics.
func typesTopics(cfg *config.Config, types, events []string) (names []string) {
	if len(types) == 0 {
		return events
	}
	for _, r := range event.Routes() {
		if slices.Contains(types, routeName(r)) {
			names = append(names, typedTopic(cfg.Kafka.Topics, r))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// routeName is a type as selections write it.
func routeName(r event.Route) string {
	if r.Direction == event.Inbound {
		return "inbound." + string(r.Type)
	}
	return string(r.Type)
}

// checkForward looks at the filters of subscriptions.
func checkForward(cfg *config.Config, problems *config.Problems) {
	for i := range cfg.Forward.Subscriptions {
		s := &cfg.Forward.Subscriptions[i]
		at := fmt.Sprintf("forward.subscriptions[%d]", i)
		for key, filter := range map[string]selection.Selection{
			"types": {Types: s.Types}, "providers": {Providers: s.Providers}, "sources": {Sources: s.Sources}, "where": {Where: s.Where},
		} {
			filter.All = len(filter.Types)+len(filter.Providers)+len(filter.Sources) == 0 && filter.Where == ""
			if invalid, ok := errors.AsType[*selection.InvalidError](filter.Validate()); ok {
				problems.Add(at+"."+key, cfg.Place(at+"."+key), strings.TrimPrefix(strings.Join(invalid.Problems, "; "), "where: "), "")
			}
		}
		for j, p := range s.Providers {
			if !slices.Contains(ProviderIDs(), p) {
				at := fmt.Sprintf("%s.providers[%d]", at, j)
				problems.Add(at, cfg.Place(at), fmt.Sprintf("there is no provider %q", p), "there are "+strings.Join(ProviderIDs(), ", "))
			}
		}
		checkRawFilter(cfg, at, s, problems)
		checkForwardPatterns(cfg, at, s, problems)
	}
}

// checkRawFilter refuses to ask requests for what events have: the answer would be a
// dead letter of each.
func checkRawFilter(cfg *config.Config, at string, s *config.Subscription, problems *config.Problems) {
	if s.Format != config.FormatRaw {
		return
	}
	for key, filter := range map[string]selection.Selection{"types": {Types: s.Types}, "where": {Where: s.Where, All: s.Where == ""}} {
		if m, err := selection.Compile(filter, selection.Options{}); err == nil && m.EventsOnly() {
			problems.Add(at+"."+key, cfg.Place(at+"."+key), "asks for what events have, and format raw delivers requests", "leave it out, or choose another format")
		}
	}
}

// checkForwardPatterns refuses patterns that mean none of the topics of events, but one
// of those that hold no events.
func checkForwardPatterns(cfg *config.Config, at string, s *config.Subscription, problems *config.Problems) {
	t := cfg.Kafka.Topics
	for i, want := range s.Topics {
		meant := func(name string) bool { ok, err := path.Match(want, name); return ok && err == nil && want != name }
		own := slices.IndexFunc([]string{t.Raw(), t.Deadletter(), t.Seen(), t.Replays()}, meant)
		if s.Format == config.FormatRaw || own < 0 || slices.ContainsFunc(EventTopics(cfg), meant) {
			continue
		}
		at := fmt.Sprintf("%s.topics[%d]", at, i)
		problems.Add(at, cfg.Place(at), "means none of the topics of events, but such as hold no events", "patterns mean topics of events")
	}
}

// checkAddresses refuses targets at addresses that would never be called.
func checkAddresses(cfg *config.Config, problems *config.Problems) {
	check := func(at, url string, allow []netip.Prefix) {
		if refused, ok := errors.AsType[*delivery.AddressError](delivery.CheckURL(url, allow)); ok {
			problems.Add(at, cfg.Place(at), fmt.Sprintf("the address is %s, and would not be called", refused.Why), "list it under allow")
		}
	}
	for i, t := range cfg.Replay.Targets {
		check(fmt.Sprintf("replay.targets[%d].url", i), t.URL, t.Allow)
	}
	for i, s := range cfg.Forward.Subscriptions {
		check(fmt.Sprintf("forward.subscriptions[%d].url", i), s.URL, s.Allow)
	}
}

// CheckConfig is CheckSources, and looks at what the subscriptions of the forwarder
// say, and at where targets are.
func CheckConfig(cfg *config.Config, problems *config.Problems) {
	CheckSources(cfg, problems)
	checkForward(cfg, problems)
	checkAddresses(cfg, problems)
}
