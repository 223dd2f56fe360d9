package ingest

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

// routing is what can be replaced while requests are in progress, as a whole:
// each request keeps what it began with.
type routing struct {
	sources map[string]*Source
	urls    map[string]string // by path: the address as providers call it, where it is nothing but a source's
	trusted []netip.Prefix    // whose X-Forwarded-For is believed
}

// Swap replaces the sources and the trusted proxies for requests that begin
// after it. It does not change what it is given, nor may the caller. Safe for
// concurrent use.
func (s *Server) Swap(sources []*Source, trusted []netip.Prefix) {
	r := &routing{sources: make(map[string]*Source, len(sources)), urls: make(map[string]string, len(sources)), trusted: trusted}
	for _, src := range sources {
		r.sources[src.Name] = src
		r.urls[Path+src.Name] = s.opt.PublicURL + Path + src.Name
	}
	s.routing.Store(r)
}

// lookup finds the source of a path. A path with a segment too many is unknown,
// so that nothing tells whether a token was looked at.
func (r *routing) lookup(c echo.Context) (*Source, error) {
	src, token := r.sources[c.Param("source")], c.Param("token")
	switch {
	case src == nil,
		token != "" && !src.TakesToken,
		strings.Contains(token, "/"): // Echo's last parameter takes the rest of the path
		return nil, errUnknownSource
	}
	return src, nil
}

// url is the address of a request as its provider calls it.
func (r *routing) url(public string, u *url.URL) string {
	if known := r.urls[u.Path]; known != "" && u.RawPath == "" && u.RawQuery == "" && !u.ForceQuery {
		return known
	}
	return public + u.RequestURI()
}
