package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/internal/quarantine"
)

// Path is where webhooks are received: Path + "{source}", and for sources whose
// proof is a token also Path + "{source}/{token}".
const Path = "/v1/webhooks/"

// Limits bounds what the internet may make the listener do. Every field must be
// set; New refuses zero values.
type Limits struct {
	ReadHeaderTimeout time.Duration
	ReadTimeout       time.Duration // headers and body
	WriteTimeout      time.Duration
	IdleTimeout       time.Duration
	RetryAfter        time.Duration // of 429 and 503
	Budget            time.Duration // complete body to acknowledgement; see terms
	MaxHeaderBytes    int
	MaxConnections    int
	MaxConcurrent     int   // requests in progress
	MaxInflatedBytes  int64 // one body after gzip
	MaxBufferedBytes  int64 // all bodies together
}

// Options is what a Server needs.
type Options struct {
	Limits         Limits
	Sources        []*Source      // until Swap
	TrustedProxies []netip.Prefix // until Swap
	PublicURL      string         // as providers call it, without a trailing slash
	Pipeline       *Pipeline
	Quarantine     Quarantine // nil: what is refused is not kept
	Confirmer      Confirmer  // nil: no address of a handshake is called
	Metrics        *metrics.Metrics
	Log            *zap.Logger
	Now            func() time.Time
	NewID          func(source string) string // a fresh request id
}

// Server is the public listener.
type Server struct {
	opt      Options
	routing  atomic.Pointer[routing]
	http     *http.Server
	buffered budget              // bytes of bodies
	arriving *shares             // of those, by client, while they come in
	large    *semaphore.Weighted // see batchCost
	progress budget              // requests
	retry    string
	bursts   bursts
	terms    terms // of Limits.Budget
}

// Quarantine keeps requests that carried all proof and were refused.
type Quarantine interface {
	// Put must return at once. It may keep the request's memory.
	Put(e quarantine.Entry)
}

// New builds the server; it does not listen.
func New(o Options) (*Server, error) {
	if err := o.Limits.check(); err != nil {
		return nil, err
	}
	s := &Server{
		opt:      o,
		buffered: budget{limit: o.Limits.MaxBufferedBytes},
		arriving: newShares(o.Limits.MaxBufferedBytes / 2),
		progress: budget{limit: int64(o.Limits.MaxConcurrent)},
		large:    semaphore.NewWeighted(o.Limits.MaxBufferedBytes),
		retry:    strconv.Itoa(max(1, int(o.Limits.RetryAfter/time.Second))),
		bursts:   bursts{source: make(map[string]*burst)},
		terms:    terms{length: o.Limits.Budget},
	}
	s.Swap(o.Sources, o.TrustedProxies)
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: o.Limits.ReadHeaderTimeout,
		ReadTimeout:       o.Limits.ReadTimeout,
		WriteTimeout:      o.Limits.WriteTimeout,
		IdleTimeout:       o.Limits.IdleTimeout,
		MaxHeaderBytes:    o.Limits.MaxHeaderBytes,
		ConnContext:       remember,
		ConnState:         follow,
		// OPTIONS * is for us to refuse, like everything else that names no source.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     zap.NewStdLog(o.Log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))),
		// HTTP/2 is spoken by the proxy in front; none of it is offered here.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	return s, nil
}

// check refuses limits that are not set: a zero timeout is no timeout.
func (l Limits) check() error {
	for name, set := range map[string]bool{
		"read header timeout": l.ReadHeaderTimeout > 0, "read timeout": l.ReadTimeout > 0,
		"write timeout": l.WriteTimeout > 0, "idle timeout": l.IdleTimeout > 0,
		"publish budget": l.Budget > 0, "header bytes": l.MaxHeaderBytes > 0,
		"connections": l.MaxConnections > 0, "concurrent requests": l.MaxConcurrent > 0,
		"inflated bytes": l.MaxInflatedBytes > 0, "buffered bytes": l.MaxBufferedBytes > 0,
	} {
		if !set {
			return fmt.Errorf("ingest: limit of %s must be set", name)
		}
	}
	return nil
}

// routes is the whole public surface.
func (s *Server) routes() http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = func(err error, c echo.Context) { s.unrouted(err, c) }
	e.Any(Path+":source", s.handle)
	e.Any(Path+":source/:token", s.handle)
	return e
}

// unrouted answers what matched no route: nothing here tells a scanner more
// than the status.
func (s *Server) unrouted(err error, c echo.Context) {
	code := http.StatusNotFound
	var he *echo.HTTPError
	if errors.As(err, &he) && he.Code == http.StatusMethodNotAllowed {
		code = he.Code
	}
	s.opt.Metrics.UnknownSource(code)
	if !c.Response().Committed {
		_ = s.hangUp(c, code)
	}
}

// Serve answers requests on l until Shutdown. It returns nil after a Shutdown.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(newCrowd(l, s.opt.Limits.MaxConnections, s.opt.Now))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("ingest: serve: %w", err)
}

// Shutdown closes the listener and waits for the requests in progress until
// ctx ends, then closes their connections.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
		return fmt.Errorf("ingest: requests still in progress at the end of the shutdown timeout: %w", err)
	}
	return nil
}
