package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Secrets of the test sources; none is a real one.
const (
	jetSecret = "whsec_6Tq2wL9vXr4nB8mZ"
	urlToken  = "9f86d081884c7d659a2feaa0c55ad015"
	password  = "correct-horse-battery-staple"
)

// fakePublisher records what is published and fails as told.
type fakePublisher struct {
	mu      sync.Mutex
	records []broker.Record
	fail    func(broker.Record) error // outcome of one record
	limits  map[string]int
	entered chan struct{} // when set, receives as Publish is entered
	release chan struct{} // when set, Publish waits for it
	asked   func(context.Context)
}

func (p *fakePublisher) Deliver(ctx context.Context, recs []broker.Record, _ broker.Durability) ([]bool, error) {
	return nil, p.publish(ctx, recs)
}

func (p *fakePublisher) publish(ctx context.Context, recs []broker.Record) error {
	if p.entered != nil {
		p.entered <- struct{}{}
	}
	if p.release != nil {
		<-p.release
	}
	if p.asked != nil {
		p.asked(ctx)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	errs, failed := make([]error, len(recs)), false
	for i, r := range recs {
		if p.fail != nil {
			errs[i] = p.fail(r)
		}
		if errs[i] != nil {
			failed = true
			continue
		}
		p.records = append(p.records, cloned(r))
	}
	if failed {
		return &broker.PublishError{Errs: errs}
	}
	return nil
}

// cloned is a record in memory of its own: that of a published one is used again.
func cloned(r broker.Record) broker.Record {
	r.Key, r.Value, r.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), slices.Clone(r.Headers)
	for i := range r.Headers {
		r.Headers[i].Value = bytes.Clone(r.Headers[i].Value)
	}
	return r
}

func (p *fakePublisher) MaxRecordBytes(topic string) int { return p.limits[topic] }

// topic returns the records of one topic.
func (p *fakePublisher) topic(name string) []broker.Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []broker.Record
	for _, r := range p.records {
		if r.Topic == name {
			out = append(out, r)
		}
	}
	return out
}

// outcomes remembers the last outcome of a publish.
type outcomes struct{ failed atomic.Bool }

func (o *outcomes) Published(err error) { o.failed.Store(err != nil) }

// rig is a running server with three sources: "jet" (HMAC), "vfs" (token),
// "basic" (basic credentials).
type rig struct {
	t    *testing.T
	url  string
	addr string
	srv  *ingest.Server
	pub  *fakePublisher
	m    *metrics.Metrics
	stop func()
}

// testLimits are generous; tests tighten what they test.
func testLimits() ingest.Limits {
	return ingest.Limits{
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: 10 * time.Second, RetryAfter: 7 * time.Second, Budget: 10 * time.Second,
		MaxHeaderBytes: 16 << 10, MaxConnections: 64, MaxConcurrent: 64,
		MaxInflatedBytes: 1 << 20, MaxBufferedBytes: 8 << 20,
	}
}

func configs() map[string]webhook.Config {
	return map[string]webhook.Config{
		"jet":   {Type: "jetemail", Secrets: []webhook.Secret{{ID: "a", Value: []byte(jetSecret)}}},
		"vfs":   {Type: "token", Secrets: []webhook.Secret{{ID: "a", Value: []byte(urlToken)}}},
		"basic": {Type: "basic", Secrets: []webhook.Secret{{ID: "a", Username: "cm", Password: []byte(password)}}},
	}
}

func newSource(t *testing.T, m *metrics.Metrics, name, providerID string) *ingest.Source {
	t.Helper()
	def, ok := all.Lookup(providerID)
	if !ok {
		t.Fatalf("provider %s is not built in", providerID)
	}
	parser, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v, err := webhook.New(configs()[name])
	if err != nil {
		t.Fatal(err)
	}
	return &ingest.Source{
		Name: name, Verifier: v, TakesToken: configs()[name].Type == "token", Challenge: webhook.Challenge(v),
		Busy: http.StatusServiceUnavailable, RefusedStatus: http.StatusUnauthorized, MaxBodyBytes: 64 << 10,
		Metrics:   m.Source(name, providerID),
		Normalize: normalize.Source{Name: name, ID: name, Provider: providerID, Parser: parser, Mapper: def.Mapper},
	}
}

// start runs a server; change adjusts it beforehand.
func start(t *testing.T, change func(*ingest.Options, *fakePublisher)) *rig {
	t.Helper()
	r := &rig{t: t, pub: &fakePublisher{}, m: metrics.New("test")}
	var n atomic.Int64
	o := ingest.Options{
		Limits: testLimits(), PublicURL: "http://hooks.example", Metrics: r.m, Log: zap.NewNop(), Now: time.Now,
		NewID: func(string) string { return fmt.Sprintf("raw-%d", n.Add(1)) },
		Sources: []*ingest.Source{
			newSource(t, r.m, "jet", "jetemail"), newSource(t, r.m, "vfs", "vfs"), newSource(t, r.m, "basic", "cmcom"),
		},
	}
	topics := ingest.Topics{Typed: map[event.Route]string{}, Raw: "raw", Deadletter: "deadletter"}
	for _, route := range event.Routes() {
		topics.Typed[route] = string(route.Direction) + "." + string(route.Type)
	}
	if change != nil {
		change(&o, r.pub)
	}
	o.Pipeline = ingest.NewPipeline(ingest.PipelineOptions{
		Publisher: r.pub, Topics: topics, Key: "message", Outcomes: &outcomes{}, Log: zap.NewNop(), Now: time.Now, Recycle: true,
	})
	r.srv, r.addr, r.stop = serve(t, o)
	r.url = "http://" + r.addr
	return r
}

// serve runs a server on a port of its own until stop, or the end of the test.
func serve(t testing.TB, o ingest.Options) (srv *ingest.Server, address string, stop func()) {
	t.Helper()
	return serveOn(t, listen(t), o)
}

// listen takes a port.
func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serveOn is serve on a listener that is there already.
func serveOn(t testing.TB, l net.Listener, o ingest.Options) (srv *ingest.Server, address string, stop func()) {
	t.Helper()
	srv, err := ingest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(srv.Shutdown(ctx), <-served); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	t.Cleanup(stop)
	return srv, l.Addr().String(), stop
}

// jetEvent is one JetEmail event.
func jetEvent(id string) string {
	return fmt.Sprintf(`{"id":%q,"service":"outbound","type":"outbound.delivered","created_at":1704825600,`+
		`"data":{"uid":"message-uid","from":"sender@example.com","to":"recipient@example.com","response":"250 2.0.0 OK"}}`, id)
}

// signed builds a proven request to the JetEmail source.
func (r *rig) signed(body string) *http.Request {
	r.t.Helper()
	req := r.request(http.MethodPost, "/v1/webhooks/jet", body)
	w := webhook.Request{Header: req.Header, Body: []byte(body)}
	cfg := configs()["jet"]
	if err := webhook.Sign(cfg, cfg.Secrets[0], &w, time.Now()); err != nil {
		r.t.Fatal(err)
	}
	return req
}

func (r *rig) request(method, path, body string) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	return req
}

// do sends a request on a connection of its own and returns the answer, whose
// body is read and must be empty.
func (r *rig) do(req *http.Request) *http.Response {
	r.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || len(body) != 0 {
		r.t.Errorf("%s %s: the answer has a body: %q %v", req.Method, req.URL.Path, body, err)
	}
	return res
}

// want checks the status.
func (r *rig) want(req *http.Request, code int) *http.Response {
	r.t.Helper()
	res := r.do(req)
	if res.StatusCode != code {
		r.t.Errorf("%s %s: got %d, want %d", req.Method, req.URL.Path, res.StatusCode, code)
	}
	return res
}
