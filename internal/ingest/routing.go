package ingest

import (
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"
)

// routing is what can be replaced while requests are in progress, as a whole:
// each request keeps what it began with.
type routing struct {
	sources map[string]*Source
	trusted []netip.Prefix // whose X-Forwarded-For is believed
}

// Swap replaces the sources and the trusted proxies for requests that begin
// after it. It does not change what it is given, nor may the caller. Safe for
// concurrent use.
func (s *Server) Swap(sources []*Source, trusted []netip.Prefix) {
	r := &routing{sources: make(map[string]*Source, len(sources)), trusted: trusted}
	for _, src := range sources {
		r.sources[src.Name] = src
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
