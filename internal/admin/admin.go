// Package admin is the listener for the people and machines that look after the
// receiver: /livez, /readyz and /metrics, which carry no payload data and are open,
// and the API of replays below /api/, for who has a token. It stays apart from the
// public listener, so that nothing a provider does can reach it and no load on one
// disturbs the other.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Status is the answer of /readyz.
type Status struct {
	// Status is "ready", "degraded" (accepts webhooks, but something needs a
	// person) or "not_ready".
	Status string `json:"status"`
	// Reasons says why it is not "ready": one sentence each.
	Reasons []string `json:"reasons,omitempty"`
	Broker  Broker   `json:"broker"`
	Spool   Spool    `json:"spool"`
	// Durability is what a 2xx means, by source: broker, broker_then_spool or
	// spool_first.
	Durability map[string]string `json:"durability,omitempty"`
	// Outages are the sources whose providers are being told to come back.
	Outages []Outage `json:"outages,omitempty"`
	Version string   `json:"version"`
	// Started is when the process started, by its own clock.
	Started time.Time `json:"started"`
	// Instance tells installations apart: it is equal for equal data folders and
	// addresses, and says nothing else.
	Instance string `json:"instance"`
}

// Broker is the state of the cluster as last seen.
type Broker struct {
	Kind      string    `json:"kind"` // embedded | cluster
	Reachable bool      `json:"reachable"`
	Since     time.Time `json:"since"` // when Reachable last changed
	Checked   time.Time `json:"checked"`
	Detail    string    `json:"detail,omitempty"`
}

// Spool is the state of the spool.
type Spool struct {
	// State is "off" (not used), "ready", "full" or "failed".
	State string `json:"state"`
	// Mode is what a 2xx means in every source's case, or "mixed"; Status.Durability
	// tells them apart.
	Mode    string     `json:"mode,omitempty"`
	Records int        `json:"records"` // that Kafka does not have yet
	Bytes   int64      `json:"bytes"`   // on the disk
	Oldest  *time.Time `json:"oldest,omitempty"`
	Dead    int        `json:"dead"`             // set aside for a person
	Damaged int        `json:"damaged"`          // lost to damage on the disk, at most
	Volume  string     `json:"volume,omitempty"` // "tmpfs" or "overlay": it does not outlive the machine or the container
	Detail  string     `json:"detail,omitempty"`
}

// The values of Spool.State.
const (
	SpoolOff    = "off"
	SpoolReady  = "ready"
	SpoolFull   = "full"
	SpoolFailed = "failed"
)

// Outage is one source whose events are not accepted.
type Outage struct {
	Source string    `json:"source"`
	Since  time.Time `json:"since"`
	// SecondsLeft is how long its provider goes on trying; 0 also where that is
	// not documented: then what is refused now may be lost.
	SecondsLeft float64 `json:"seconds_left"`
	Documented  bool    `json:"documented"`
}

// The values of Status.Status.
const (
	Ready    = "ready"
	Degraded = "degraded"
	NotReady = "not_ready"
)

// Health tells the present state; safe for concurrent use.
type Health interface {
	Status() Status
}

// Server is the admin listener.
type Server struct{ http *http.Server }

// New builds the server; it does not listen. Close api before Shutdown, or its
// streams are cut off.
func New(h Health, g prometheus.Gatherer, api *API, log *zap.Logger) *Server {
	mux := basics(func(w http.ResponseWriter) { readyz(w, h.Status()) }, g, log)
	mux.Handle("/api/", api)
	return newServer(mux, log)
}

// NewPlain builds the listener of a process that receives no webhooks, and has no API:
// ready tells the body of /readyz, and whether the answer is 200.
func NewPlain(ready func() (body any, ok bool), g prometheus.Gatherer, log *zap.Logger) *Server {
	return newServer(basics(func(w http.ResponseWriter) {
		body, ok := ready()
		code := http.StatusOK
		if !ok {
			code = http.StatusServiceUnavailable
		}
		writeJSON(w, code, body)
	}, g, log), log)
}

// basics are the paths that every process has.
func basics(readyz func(http.ResponseWriter), g prometheus.Gatherer, log *zap.Logger) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { readyz(w) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{ErrorLog: zap.NewStdLog(log)}))
	return mux
}

// newServer bounds what is asked of a listener, and by whom.
func newServer(mux *http.ServeMux, log *zap.Logger) *Server {
	return &Server{http: &http.Server{
		Handler:           secured(guarded(mux)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(log),
	}}
}

// secured sets the headers that keep a browser from making more of an answer
// than it is.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// readyz answers 200 while webhooks are accepted, 503 otherwise; the body says why.
func readyz(w http.ResponseWriter, s Status) {
	code := http.StatusOK
	if s.Status == NotReady {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, code, s)
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) //nolint:errchkjson // the client is gone
}

// Serve answers requests on l until Shutdown. It returns nil after a Shutdown.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin: serve: %w", err)
	}
	return nil
}

// Shutdown closes the listener and waits for requests until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("admin: shutdown: %w", errors.Join(err, s.http.Close()))
	}
	return nil
}
