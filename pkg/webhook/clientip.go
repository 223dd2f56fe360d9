package webhook

import (
	"net/netip"
	"slices"
	"strings"
)

// ClientIP returns the address of the client: remoteAddr's, or what a trusted
// proxy says about it. xff is the values of X-Forwarded-For in the order they
// came; they are read from the right, each entry believed only if the one to
// its right is a trusted proxy. An entry that is no address ends the walk at
// the last good one. The zero Addr means that remoteAddr itself is none.
func ClientIP(remoteAddr string, xff []string, trusted []netip.Prefix) netip.Addr {
	client, ok := parseAddr(remoteAddr)
	if !ok {
		return netip.Addr{}
	}
	if len(xff) == 0 {
		return client
	}
	for _, list := range slices.Backward(xff) {
		for rest, more := list, true; more; {
			if !trusts(trusted, client) {
				return client
			}
			var entry string
			rest, entry, more = lastEntry(rest)
			next, ok := parseAddr(entry)
			if !ok {
				return client
			}
			client = next
		}
	}
	return client
}

// trusts reports whether one of the networks, written as IPv4 or as IPv4 inside IPv6,
// holds the address of a proxy.
func trusts(networks []netip.Prefix, proxy netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return unmapPrefix(p).Contains(proxy) })
}

// lastEntry cuts the last element off a comma-separated list; more says whether
// something is left.
func lastEntry(list string) (rest, entry string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", strings.TrimSpace(list), false
	}
	return list[:i], strings.TrimSpace(list[i+1:]), true
}

// parseAddr reads an address with or without port, IPv6 with or without
// brackets, and returns it as IPv4 where it is one.
func parseAddr(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}
