package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/webhook"
)

// Confirmer calls an address that a provider wants called before it sends events.
type Confirmer interface {
	// Confirm calls an https address by GET. It follows no redirect and ends with ctx.
	Confirm(ctx context.Context, address string) error
}

// errUnconfirmed says that the address of a handshake could not be called: the
// provider is asked to send the handshake again.
var errUnconfirmed = errors.New("ingest: the provider's address for confirming the webhook could not be called")

// takes reports whether requests of a method carry events.
func (s *Source) takes(method string) bool {
	return method == http.MethodPost || slices.Contains(s.Methods, method)
}

// probed reports whether a request only asks whether somebody is there. Where a
// provider sends its events by GET, one without fields is such a question.
func (s *Source) probed(r *http.Request) bool {
	if !slices.Contains(s.Probes, r.Method) {
		return false
	}
	return !s.takes(r.Method) || queryFields(r.URL.RawQuery) == ""
}

// allowed is the Allow header of an answer 405.
func (s *Source) allowed() string {
	if s == nil {
		return http.MethodPost
	}
	methods := append([]string{http.MethodPost}, s.Methods...)
	for _, m := range s.Probes {
		if !slices.Contains(methods, m) {
			methods = append(methods, m)
		}
	}
	return strings.Join(methods, ", ")
}

// probe answers a question that anybody may ask, without proof and without effect.
// OPTIONS is also how senders of CloudEvents ask for leave to send
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md, section 4):
// the proof of each request decides, so leave is given to all.
func (s *Server) probe(c echo.Context, src *Source) error {
	h := c.Response().Header()
	if c.Request().Method == http.MethodOptions {
		h.Set("Allow", src.allowed())
		if origin := c.Request().Header.Get("Webhook-Request-Origin"); origin != "" {
			h.Set("Webhook-Allowed-Origin", origin)
			h.Set("Webhook-Allowed-Rate", "*")
		}
	}
	src.Metrics.Answered(http.StatusOK, string(ResultProbe))
	return c.NoContent(http.StatusOK)
}

// queryFields is the query without the token, in the order sent: what a provider
// that calls by GET has to say.
func queryFields(raw string) string {
	if raw == "" {
		return ""
	}
	var kept []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); pair == "" || err == nil && plain == "token" {
			continue
		}
		kept = append(kept, pair)
	}
	return strings.Join(kept, "&")
}

// readQuery makes the query the body where that carries the event.
func (s *Source) readQuery(raw string, req *webhook.Request) {
	if len(req.Body) == 0 && slices.Contains(s.Methods, http.MethodGet) {
		req.Body = []byte(queryFields(raw))
	}
}

// shake does what a proven request asks for beside events; done is false if it asks
// for nothing. A ping is proven by a key that everybody knows: nobody looks at what
// it says.
func (s *Server) shake(ctx context.Context, src *Source, v webhook.Verified) (h provider.Handshake, done bool, err error) {
	if v.Proof().Ping {
		return provider.Handshake{Kind: "ping"}, true, nil
	}
	if src.Handshaker == nil {
		return provider.Handshake{}, false, nil
	}
	h, done = src.Handshaker.Handshake(v)
	if !done {
		return h, false, nil
	}
	log := s.opt.Log.With(zap.String("source", src.Name), zap.String("handshake", h.Kind))
	if h.Confirm != "" {
		if s.opt.Confirmer == nil {
			return h, true, errUnconfirmed
		}
		if err := s.opt.Confirmer.Confirm(ctx, h.Confirm); err != nil {
			return h, true, fmt.Errorf("%w: %w", errUnconfirmed, err)
		}
	}
	if h.Confirm == "" && h.Reply == nil {
		log.Warn("handshake not followed: it asks for what only somebody else than the provider would ask for", zap.String("reason_code", "handshake_refused"))
		return h, true, nil
	}
	log.Info("handshake with the provider done")
	return h, true, nil
}
