package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guarded refuses what a web page that the operator's browser happens to show
// could ask of a listener that only this machine can reach. A page may send
// requests to 127.0.0.1; and by letting its own host name mean 127.0.0.1 (DNS
// rebinding) it could also read the answers. So requests that say they come from
// another site are refused anywhere, and on a loopback address the host that is
// asked for must be a loopback name too. Elsewhere probes and scrapers use names
// that only they know, and the address is open on purpose.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case fromAnotherSite(r):
			http.Error(w, "requests of other sites are refused", http.StatusForbidden)
		case onLoopback(r) && !loopbackHost(r.Host):
			http.Error(w, "this listener answers for 127.0.0.1, [::1] and localhost only", http.StatusMisdirectedRequest)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// fromAnotherSite reports whether a browser says that a page of another origin
// asks. Sec-Fetch-Site cannot be set by a page; browsers that lack it send Origin
// with whatever a page could read.
func fromAnotherSite(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site != "none" && site != "same-origin"
	}
	origin := r.Header.Get("Origin")
	return origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host
}

// onLoopback reports whether the request came in on a loopback address.
func onLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	addr, err := netip.ParseAddrPort(local.String())
	return err == nil && addr.Addr().Unmap().IsLoopback()
}

// loopbackHost reports whether a Host header means this machine, with or without
// a port. Names below localhost never leave it (RFC 6761, section 6.3).
func loopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}
