package delivery

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"
)

// AddressError is an address that must not be called. Whoever owns a name decides
// what address it has, and may change it between two questions; so this is about
// the address that was about to be dialled.
type AddressError struct {
	Addr netip.Addr
	Why  string // such as "private"
}

// Error implements error.
func (e *AddressError) Error() string {
	return fmt.Sprintf("delivery: the address %s is %s; if it may be called all the same, allow it (allow in the target's configuration, --allow)", e.Addr, e.Why)
}

// guard decides which addresses are dialled.
type guard struct {
	allow       []netip.Prefix
	onlyAllowed bool // public ones need to be allowed as well
}

// control looks at the very address that a socket is about to be connected to
// (net.Dialer.ControlContext).
func (g guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("delivery: cannot read the address that a name has: %w", err)
	}
	return g.check(to.Addr())
}

// check refuses what is not public and not allowed.
func (g guard) check(addr netip.Addr) error {
	addr = addr.Unmap() // ::ffff:10.0.0.1 is 10.0.0.1
	for _, p := range g.allow {
		if p.Contains(addr.WithZone("")) {
			return nil
		}
	}
	if why := notPublic(addr); why != "" {
		return &AddressError{Addr: addr, Why: why}
	}
	if g.onlyAllowed {
		return &AddressError{Addr: addr, Why: "called by plain HTTP"}
	}
	return nil
}

// unmapped turns prefixes of IPv4 addresses written as IPv6 into those of IPv4.
func unmapped(prefixes []netip.Prefix) []netip.Prefix {
	out := make([]netip.Prefix, len(prefixes))
	for i, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		out[i] = p
	}
	return out
}

// notPublic says what an address is that is not one on the internet; "" if it is.
func notPublic(addr netip.Addr) string {
	ranges := special6()
	if addr.Is4() {
		ranges = special4()
	}
	for _, r := range ranges {
		if netip.MustParsePrefix(r.prefix).Contains(addr.WithZone("")) {
			return r.is
		}
	}
	// IANA has given out addresses in 2000::/3 only.
	if addr.Is6() && addr.As16()[0]&0xe0 != 0x20 {
		return "not in use on the internet"
	}
	return ""
}

// special is one range that is not public.
type special struct{ prefix, is string }

// special4 is IANA's registry of special IPv4 addresses
// (https://www.iana.org/assignments/iana-ipv4-special-registry), and multicast.
func special4() []special {
	return []special{
		{"0.0.0.0/8", "no address (unspecified)"},
		{"10.0.0.0/8", "private"},
		{"100.64.0.0/10", "a carrier's own (100.64.0.0/10)"},
		{"127.0.0.0/8", "loopback"},
		{"169.254.0.0/16", "link-local, where clouds keep machines' credentials"},
		{"172.16.0.0/12", "private"},
		{"192.0.0.0/24", "reserved for protocols"},
		{"192.0.2.0/24", "for documentation"},
		{"192.88.99.0/24", "a 6to4 relay"},
		{"192.168.0.0/16", "private"},
		{"198.18.0.0/15", "for benchmarks"},
		{"198.51.100.0/24", "for documentation"},
		{"203.0.113.0/24", "for documentation"},
		{"224.0.0.0/4", "multicast"},
		{"240.0.0.0/4", "reserved or broadcast"},
	}
}

// special6 is IANA's registry of special IPv6 addresses
// (https://www.iana.org/assignments/iana-ipv6-special-registry), multicast, and
// the ranges that lead to an IPv4 address of somebody's choice.
func special6() []special {
	return []special{
		{"::/128", "no address (unspecified)"},
		{"::1/128", "loopback"},
		{"::/96", "an IPv4 address in disguise"},
		{"::ffff:0:0:0/96", "an IPv4 address in disguise"},
		{"64:ff9b::/96", "an IPv4 address behind NAT64"},
		{"64:ff9b:1::/48", "an IPv4 address behind NAT64"},
		{"100::/64", "a black hole"},
		{"2001::/23", "reserved for protocols (Teredo and others)"},
		{"2001:db8::/32", "for documentation"},
		{"2002::/16", "an IPv4 address behind 6to4"},
		{"3fff::/20", "for documentation"},
		{"5f00::/16", "a segment's identifier"},
		{"fc00::/7", "private"},
		{"fe80::/10", "link-local"},
		{"fec0::/10", "private (site-local)"},
		{"ff00::/8", "multicast"},
	}
}
