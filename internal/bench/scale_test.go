package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

func TestGrowthUsage(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-scale=colours", `unknown dimension "colours"`},
		{"-soak=-1s", "-soak must not be negative"},
		{"-soak=1s -rate=0", "-rate be positive"},
		{"-cluster", "-cluster needs -brokers"},
	} {
		var said bytes.Buffer
		if code := run(t.Context(), strings.Fields(tt.args), nil, &said, &said); code != 2 || !strings.Contains(said.String(), tt.want) {
			t.Errorf("%s: exit code %d, %q; want 2 and %q", tt.args, code, said.String(), tt.want)
		}
	}
	o := options{scale: "all"}
	if got := o.dimensions(); !slices.Equal(got, dimensionNames()) {
		t.Errorf("all: got %q", got)
	}
}

// TestDimensionsLoad reads the configuration of both ends of every dimension as the
// receiver does, and proves a request to each of its sources.
func TestDimensionsLoad(t *testing.T) {
	signs, err := newCredentials()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range dimensionNames() {
		for _, e := range dimensionOf(name, signs).ends {
			t.Run(name+"-"+e.label, func(t *testing.T) { readEnd(t, e, signs) })
		}
	}
}

func readEnd(t *testing.T, e end, signs credentials) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	s := &site{prefix: "p", config: e.config}
	if err := os.WriteFile(file, []byte(s.yaml()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Options{File: file, Providers: []string{"jetemail", "sendgrid", "mapping"}, AuthTypes: webhook.Types()})
	if err != nil {
		t.Fatal(err)
	}
	verifiers := make(map[string]webhook.Verifier)
	for _, src := range cfg.Sources {
		secret := webhook.Secret{ID: "bench", Value: []byte(src.Auth.Secrets[0].Value.Reveal())}
		if verifiers[src.Name], err = webhook.New(webhook.Config{Type: src.Auth.Type, Secrets: []webhook.Secret{secret}}); err != nil {
			t.Fatal(err)
		}
	}
	p := &pool{signs: signs, now: time.Now, write: e.write}
	for serial := range 2 * manySources {
		raw, err := p.newRequest(serial)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		name := strings.TrimPrefix(r.URL.Path, "/v1/webhooks/")
		if verifiers[name] == nil {
			t.Fatalf("request %d goes to source %q, which is not there", serial, name)
		}
		if _, err := webhook.Verify(verifiers[name], webhook.Request{Header: r.Header, Body: body}); err != nil {
			t.Fatalf("request %d: %v", serial, err)
		}
	}
}

// TestWordsReachEveryRoute: the words of the far end are all there is.
func TestWordsReachEveryRoute(t *testing.T) {
	text := wordsSource("s", event.Routes())
	for _, r := range event.Routes() {
		outcome := ": " + string(r.Type)
		if r.Direction == event.Inbound {
			outcome = ": inbound " + string(r.Type)
		}
		if !strings.Contains(text, outcome) {
			t.Errorf("no word for %v", r)
		}
	}
	if got := strings.Count(text, "w"); got < manyTypes {
		t.Errorf("%d words, want %d", got, manyTypes)
	}
}

// TestScaleReport: the larger end is held against the smaller one of the same round.
func TestScaleReport(t *testing.T) {
	d := dimension{name: "sources", ends: [2]end{{label: "1"}, {label: "200"}}}
	for _, tt := range []struct {
		high    number
		reached bool
	}{{12.4, true}, {12.6, false}, {8, true}} {
		r := &scaleReport{}
		r.about(d)
		for _, cost := range []number{10, 20, 5} { // a machine that is never the same twice
			r.Measurements = append(r.Measurements,
				sized{Dimension: "sources", Size: "1", Cost: cost}, sized{Dimension: "sources", Size: "200", Cost: cost * tt.high / 10})
		}
		var out bytes.Buffer
		if err := r.write(&out, outputText); err != nil {
			t.Fatal(err)
		}
		if r.Marks[0].Reached != tt.reached {
			t.Errorf("%g µs after 10: reached %t, want %t\n%s", float64(tt.high), r.Marks[0].Reached, tt.reached, out.String())
		}
	}
}

func TestParseGauges(t *testing.T) {
	g, err := parseGauges(strings.NewReader("# HELP a b\na{x=\"1 2\"} 3\na{x=\"4\",result=\"done\"} 1.5e1\nb 2\nc_bucket{le=\"1\"} 7\nc_sum 4\n"))
	if err != nil || g["a"] != 18 || g["b"] != 2 || g["c_sum"] != 4 || g["a/done"] != 15 || len(g) != 4 {
		t.Errorf("got %v, %v", g, err)
	}
	if _, err := parseGauges(strings.NewReader("a b\n")); err == nil {
		t.Error("a value that is no number must be an error")
	}
}

// TestBalancer: connections take turns, and one that is gone is passed over.
func TestBalancer(t *testing.T) {
	var servers []*httptest.Server
	var addresses []string
	for _, name := range []string{"a", "b", "c"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
		defer s.Close()
		servers, addresses = append(servers, s), append(addresses, s.Listener.Addr().String())
	}
	b, err := newBalancer(t.Context(), addresses)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	ask := func() string {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.address(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	got := []string{ask(), ask(), ask(), ask()}
	if got[0] == got[1] || got[1] == got[2] || got[0] == got[2] || got[0] != got[3] {
		t.Errorf("turns: %q", got)
	}
	servers[0].Close()
	for range 6 {
		if name := ask(); name == "a" {
			t.Error("a receiver that is gone answered")
		}
	}
}

// TestSteadyLoad: an open loop sends what is due, however slow answers are.
func TestSteadyLoad(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(20 * time.Millisecond):
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	began := time.Now()
	l := &steadyLoad{
		address: s.Listener.Addr().String(), rate: 200, conns: 16, window: window{from: began, to: began.Add(500 * time.Millisecond), grace: 30 * time.Second},
		request: func(serial int) ([]byte, error) { return singleRequest(serial, testSecret, began) },
	}
	got, err := l.run(context.WithoutCancel(t.Context()))
	if err != nil || got.ok != 100 || len(got.errors) > 0 {
		t.Errorf("%d answered, %v, %v; want the 100 that are due in half a second", got.ok, got.errors, err)
	}
	if p50 := got.latency.quantile(0.5); p50 < 20*time.Millisecond {
		t.Errorf("p50 %v, want at least what each answer takes", p50)
	}
}

// TestSoakVerdict: a receiver that grows ends the soak with an error, one that fills what
// it may does not.
func TestSoakVerdict(t *testing.T) {
	for _, tt := range []struct {
		perHour number
		err     error
	}{{0, nil}, {100, errGrowing}} {
		r := &soakReport{load: &tally{ok: 1}, options: options{soak: time.Minute, rate: 1}}
		for i := range 900 {
			at := number(i * 2)
			r.Samples = append(r.Samples, soakSample{Seconds: at, RSS: 50 + at/3600*tt.perHour, Heap: 20, Stack: 1, Goroutines: 50, Files: 20, Threads: 9, IDs: min(at, 500), Spool: 0})
		}
		var out bytes.Buffer
		if err := r.write(&out, outputText); err != nil {
			t.Fatal(err)
		}
		if err := r.verdict(); err != tt.err { //nolint:errorlint // the very one
			t.Errorf("%g MiB an hour: %v, want %v\n%s", float64(tt.perHour), err, tt.err, out.String())
		}
	}
}

// TestOpenFiles: the probes see this process.
func TestOpenFiles(t *testing.T) {
	if !residentMemory(os.Getpid()).known() {
		t.Skip("no /proc here")
	}
	before := openFiles(os.Getpid())
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if after := openFiles(os.Getpid()); after <= before {
		t.Errorf("%g open files, then %g", float64(before), float64(after))
	}
	if n, err := folderSize(t.TempDir()); err != nil || n != 0 {
		t.Errorf("an empty folder has %d bytes, %v", n, err)
	}
}
