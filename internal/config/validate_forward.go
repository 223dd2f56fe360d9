package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Bounds of a subscription.
const (
	mostForwardTimeout     = 5 * time.Minute
	mostForwardConcurrency = 1000
	mostForwardAttempts    = 100
	mostForwardDelays      = 20
	mostForwardDelay       = 7 * day // topics of retries keep records that long beyond it
)

// forward checks what `postrider forward` delivers.
func (v *validator) forward() {
	f := &v.cfg.Forward
	v.listen("forward.listen", f.Listen)
	names := map[string]int{}
	for i := range f.Subscriptions {
		at := indexPath("forward.subscriptions", i)
		if v.failed[at] {
			continue
		}
		s := &f.Subscriptions[i]
		v.named(at+".name", s.Name, "forward.subscriptions", "subscription", "it names the subscription's consumer group", names, i)
		v.subscriptionTopics(at, s)
		v.targetURL(at+".url", s.URL, s.Allow)
		v.loop(at+".url", s.URL)
		v.signing(at, s.Secrets)
		if len(s.Secrets) == 0 {
			v.cfg.notice(at+".secrets", "none: requests are not signed, so that the target cannot tell who sent them")
		}
		v.targetAllow(at+".allow", s.Allow)
		v.subscriptionBounds(at, s)
		v.oneOf(at+".from", "beginning", s.From, FromEnd, FromFirst)
		v.oneOf(at+".replayed", "treatment of replayed copies", s.Replayed, ReplayedDeliver, ReplayedSkip)
		v.forwardDelays(at+".retry.delays", s.Retry.Delays)
	}
}

// subscriptionTopics checks what is read, which the format decides as well.
func (v *validator) subscriptionTopics(at string, s *Subscription) {
	v.oneOf(at+".format", "format", s.Format, Formats()...)
	t := v.cfg.Kafka.Topics
	for i, name := range s.Topics {
		at := indexPath(at+".topics", i)
		if _, err := path.Match(name, ""); err != nil || name == "" {
			v.bad(at, v.value(at, name)+"neither a topic's name nor a pattern", "* is any text, ? one character, [a-z] one of these")
			continue
		}
		v.subscriptionTopic(at, name, s, t)
	}
}

func (v *validator) subscriptionTopic(at, name string, s *Subscription, t Topics) {
	switch {
	case s.Format == FormatRaw && name != t.Raw():
		v.bad(at, "format raw delivers requests as they were received, which "+t.Raw()+" holds alone", "leave topics out, or choose another format")
	case s.Format == FormatRaw:
	case name == t.Raw():
		v.bad(at, "holds requests as they were received, and no events", "write format: raw")
	case name == t.Seen() || name == t.Replays():
		v.bad(at, "holds no events", "")
	case name == t.Deadletter() && s.Format != FormatJSON:
		v.bad(at, "dead letters are no CloudEvents", "write format: json")
	case strings.HasPrefix(name, t.ForwardGroup(s.Name)+"."):
		v.bad(at, "is the subscription's own, for its retries and dead letters", "bring dead letters back with postrider replay")
	}
}

func (v *validator) subscriptionBounds(at string, s *Subscription) {
	if s.Timeout <= 0 || s.Timeout > mostForwardTimeout {
		v.bad(at+".timeout", "must be longer than 0s, at most "+formatDuration(mostForwardTimeout), "")
	}
	v.within(at+".concurrency", s.Concurrency, 1, mostForwardConcurrency)
	v.within(at+".retry.attempts", s.Retry.Attempts, 1, mostForwardAttempts)
	v.atLeast(at+".rate", int64(s.Rate), 0, "0, which is no bound")
}

// within checks both bounds of a number.
func (v *validator) within(at string, got, least, most int) {
	if got < least || got > most {
		v.bad(at, fmt.Sprintf("must be from %d to %d", least, most), "")
	}
}

func (v *validator) forwardDelays(at string, delays []time.Duration) {
	if len(delays) > mostForwardDelays {
		v.bad(at, fmt.Sprintf("has %d delays, at most %d", len(delays), mostForwardDelays), "each has a topic of its own")
	}
	for i, d := range delays {
		switch {
		case d < time.Second || d%time.Second != 0 || d > mostForwardDelay:
			v.bad(indexPath(at, i), "must be whole seconds, from 1s to "+formatDuration(mostForwardDelay), "")
		case i > 0 && d <= delays[i-1]:
			v.bad(indexPath(at, i), "is not longer than the one before", "")
		}
	}
}

// webhooksPath is where the receiver takes webhooks, below its public address.
const webhooksPath = "/v1/webhooks/"

// loop refuses a target that is the receiver of this configuration: what it is sent
// would become events, which would be sent to it.
func (v *validator) loop(at, target string) {
	u, err := url.Parse(target)
	if err != nil {
		return
	}
	public, err := url.Parse(v.cfg.PublicURL())
	own := err == nil && sameHost(u, public) && belowWebhooks(u.Path, public.Path)
	if own || sameListener(u, v.cfg.Server.Listen) && belowWebhooks(u.Path, "") {
		v.bad(at, "is an address of this receiver: what it is sent would be received and sent again, for ever", "name another one")
	}
}

// belowWebhooks reports whether a path is that of a source.
func belowWebhooks(p, base string) bool {
	return strings.HasPrefix(path.Clean("/"+p)+"/", path.Clean("/"+base+webhooksPath)+"/")
}

// sameHost reports whether two addresses have one host and port.
func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(strings.TrimSuffix(a.Hostname(), "."), strings.TrimSuffix(b.Hostname(), ".")) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// sameListener reports whether an address leads to a listener of this machine, as far
// as its text tells.
func sameListener(u *url.URL, listen string) bool {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port != portOf(u) {
		return false
	}
	return strings.EqualFold(host, u.Hostname()) || (anyHost(host) || isLoopback(listen)) && thisMachine(u.Hostname())
}

// thisMachine reports whether a host is a name or address of the machine itself.
func thisMachine(host string) bool {
	addr, err := netip.ParseAddr(host)
	named := slices.Contains([]string{"localhost", "localhost."}, strings.ToLower(host))
	return named || err == nil && (addr.Unmap().IsLoopback() || addr.IsUnspecified())
}
