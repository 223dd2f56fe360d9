package webhook

import "net/netip"

// Allow returns a Verifier that takes requests only from the given networks and
// then asks v. An empty list allows every address and returns v itself. An
// IPv4 address inside IPv6 counts as IPv4 on both sides; a request without an
// address is refused. The address is no proof: a list is a second lock, never
// the only one.
func Allow(v Verifier, prefixes []netip.Prefix) Verifier {
	if len(prefixes) == 0 || v == nil {
		return v
	}
	a := allowed{inner: v}
	for _, p := range prefixes {
		a.prefixes = append(a.prefixes, unmapPrefix(p))
	}
	if c, ok := v.(Challenger); ok {
		return &challengingAllowed{allowed: a, Challenger: c}
	}
	return &a
}

// allowed is a verifier behind a list of networks.
type allowed struct {
	inner    Verifier
	prefixes []netip.Prefix
}

// challengingAllowed keeps the challenge of the verifier behind the list.
type challengingAllowed struct {
	allowed
	Challenger
}

// Missing implements Verifier.
func (a *allowed) Missing(r *Request) error {
	if err := a.check(r); err != nil {
		return err
	}
	return a.inner.Missing(r)
}

// verify implements Verifier.
func (a *allowed) verify(r *Request) (Proof, error) {
	if err := a.check(r); err != nil {
		return Proof{}, err
	}
	return a.inner.verify(r)
}

// credentials implements credentialed for the verifier behind the list.
func (a *allowed) credentials(r *Request) []string {
	if own, ok := a.inner.(credentialed); ok {
		return own.credentials(r)
	}
	return nil
}

// check refuses an address outside the list.
func (a *allowed) check(r *Request) error {
	if contains(a.prefixes, r.RemoteAddr) {
		return nil
	}
	return refuse("allow", ReasonAddress, "client address",
		"it is outside the source's allow list; if a proxy stands in front, name it in server.trusted_proxies")
}

// contains reports whether addr, as IPv4 where it is one, is in a prefix.
func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// unmapPrefix turns a prefix of IPv4 addresses inside IPv6 into one of IPv4.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}
