package webhook_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// receiver makes a Receiver at signedAt.
func receiver(t *testing.T, cfg webhook.Config) *webhook.Receiver {
	t.Helper()
	v, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &webhook.Receiver{Verifier: v, Now: func() time.Time { return signedAt }}
}

func bearerConfig() webhook.Config { return webhook.Config{Type: "bearer", Secrets: one(testSecret)} }

// post is a request with a good proof of bearerConfig.
func post(body io.Reader) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hooks", body)
	r.Header.Set("Authorization", "Bearer "+testSecret)
	return r
}

// pack gzips a text.
func pack(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if _, err := io.WriteString(zw, text); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What was signed comes out of net/http as it was signed, for every scheme.
func TestReceiverProvesEveryScheme(t *testing.T) {
	for _, c := range goodCases() {
		t.Run(c.name, func(t *testing.T) {
			c.cfg = signing(t, c.cfg)
			rc := receiver(t, c.cfg)
			rc.PublicURL = "https://hooks.example.com/"
			sent := webhook.Request{URL: "https://hooks.example.com/hooks/?a=1", Header: http.Header{}, Body: []byte(testBody)}
			if c.cfg.Type == "mandrill" {
				sent.Body = c.req.Body
			}
			if c.cfg.Type != "none" {
				if err := webhook.Sign(c.cfg, c.cfg.Secrets[0], &sent, signedAt); err != nil {
					t.Fatal(err)
				}
			}
			r := httptest.NewRequest(http.MethodPost, "/hooks/?a=1", bytes.NewReader(sent.Body))
			r.Header = sent.Header
			r.SetPathValue("token", sent.PathToken)
			v, err := rc.Receive(r)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			got := v.Request()
			if string(got.Body) != string(sent.Body) || got.Method != http.MethodPost || got.Query.Get("a") != "1" || !got.ReceivedAt.Equal(signedAt) {
				t.Errorf("Request() = %+v", got)
			}
			r.Body, r.Method = io.NopCloser(strings.NewReader(testBody+"x")), http.MethodPost
			if _, err := rc.Receive(r); c.cfg.Covers().Body && webhook.Status(err) != http.StatusUnauthorized {
				t.Errorf("another body: %v", err)
			}
		})
	}
}

func TestReceiverAnswers(t *testing.T) {
	failing := errors.New("the database is down")
	for name, tt := range map[string]struct {
		change func(r *http.Request)
		handle error
		want   int
	}{
		"handled":             {func(*http.Request) {}, nil, 200},
		"not handled":         {func(*http.Request) {}, failing, 503},
		"not handled, proven": {func(*http.Request) {}, &webhook.RefusedError{}, 401},
		"a GET":               {func(r *http.Request) { r.Method = http.MethodGet }, nil, 405},
		"no proof":            {func(r *http.Request) { r.Header.Del("Authorization") }, nil, 401},
		"wrong proof":         {func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, nil, 401},
		"just as much":        {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", 100))) }, nil, 200},
		"announced too much":  {func(r *http.Request) { r.ContentLength = 101 }, nil, 413},
		"too much, in chunks": {func(r *http.Request) {
			r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader(strings.Repeat("x", 101)))
		}, nil, 413},
		"over a bound of net/http": {func(r *http.Request) {
			r.Body = http.MaxBytesReader(nil, io.NopCloser(strings.NewReader("more than 4")), 4)
		}, nil, 413},
		"broken off": {func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)) }, nil, 503},
		"too slow": {func(r *http.Request) {
			r.Body = io.NopCloser(iotest.ErrReader(&net.OpError{Op: "read", Err: context.DeadlineExceeded}))
		}, nil, 503},
		"not HTTP": {func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(errors.New("invalid chunk"))) }, nil, 400},
		"no body":  {func(r *http.Request) { r.Body, r.ContentLength = nil, 0 }, nil, 200},
	} {
		t.Run(name, func(t *testing.T) {
			rc := receiver(t, bearerConfig())
			rc.MaxBytes = 100
			var failed error
			rc.Failed = func(_ *http.Request, err error) { failed = err }
			handled := false
			h := rc.Handler(func(_ context.Context, v webhook.Verified) error {
				handled = v.OK()
				return tt.handle
			})
			r := post(strings.NewReader("body"))
			tt.change(r)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.want || w.Body.Len() != 0 {
				t.Errorf("answer %d, %d bytes; want %d", w.Code, w.Body.Len(), tt.want)
			}
			if (failed == nil) != (w.Code == 200) || webhook.Status(failed) != w.Code {
				t.Errorf("Failed was told %v", failed)
			}
			if got, want := handled, w.Code == 200 || tt.handle != nil; got != want {
				t.Errorf("handled: %v, want %v", got, want)
			}
			if got, want := w.Header().Get("Connection") == "close", !handled; got != want {
				t.Errorf("closes the connection: %v, want %v", got, want)
			}
			if got := w.Header().Get("WWW-Authenticate") != ""; got != (w.Code == 401) {
				t.Errorf("WWW-Authenticate = %q", w.Header().Get("WWW-Authenticate"))
			}
			if got := w.Header().Get("Allow") == http.MethodPost; got != (w.Code == 405) {
				t.Errorf("Allow = %q", w.Header().Get("Allow"))
			}
		})
	}
}

// Who brings no proof sends a body that nobody reads.
func TestReceiverLooksForTheProofFirst(t *testing.T) {
	for name, rc := range map[string]*webhook.Receiver{"bearer": receiver(t, bearerConfig()), "no verifier": {}} {
		r := httptest.NewRequest(http.MethodPost, "/", iotest.ErrReader(errors.New("read")))
		if _, err := rc.Receive(r); webhook.Status(err) != http.StatusUnauthorized {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
}

func TestReceiverUndoesGzip(t *testing.T) {
	const text = `{"id":"1"}`
	bomb := pack(t, strings.Repeat(" ", 8<<20))
	for name, tt := range map[string]struct{ body, coding, want string }{ // want "": 413
		"gzip":                             {pack(t, text), "gzip", text},
		"another name, in capitals":        {pack(t, text), "X-GZIP", text},
		"identity beside it":               {pack(t, text), "identity, gzip", text},
		"many members are one body":        {pack(t, `{"id":`) + pack(t, `"1"}`), "gzip", text},
		"a small body may grow a lot":      {pack(t, text+strings.Repeat(" ", 50_000)), "gzip", text + strings.Repeat(" ", 50_000)},
		"a bomb":                           {bomb, "gzip", ""},
		"a bomb behind a member":           {pack(t, text) + bomb, "gzip", ""},
		"five hundred members":             {strings.Repeat(pack(t, strings.Repeat(" ", 64<<10)), 500), "gzip", ""},
		"a bomb in a bomb is opened once":  {pack(t, bomb), "gzip", bomb},
		"two codings are opened never":     {bomb, "gzip, gzip", bomb},
		"gzip without saying so is a body": {bomb, "", bomb},
		"none that says it is":             {text, "gzip", text},
		"rubbish behind the last member":   {pack(t, text) + "x", "gzip", pack(t, text) + "x"},
		"a member that ends early":         {pack(t, text)[:20], "gzip", pack(t, text)[:20]},
	} {
		t.Run(name, func(t *testing.T) {
			r := post(strings.NewReader(tt.body))
			r.Header.Set("Content-Encoding", tt.coding)
			v, err := receiver(t, bearerConfig()).Receive(r)
			if tt.want == "" {
				if webhook.Status(err) != http.StatusRequestEntityTooLarge {
					t.Fatalf("err = %v, want 413", err)
				}
				return
			}
			if err != nil || string(v.Request().Body) != tt.want {
				t.Fatalf("%d bytes, %v; want %d", len(v.Request().Body), err, len(tt.want))
			}
		})
	}
}

// The bound holds for what comes out of gzip, too, whatever its ratio.
func TestReceiverBoundsWhatIsInflated(t *testing.T) {
	rc := receiver(t, bearerConfig())
	rc.MaxBytes = 1000
	for n, want := range map[int]int{1000: 200, 1001: 413} {
		r := post(strings.NewReader(pack(t, strings.Repeat("x", n))))
		r.Header.Set("Content-Encoding", "gzip")
		if _, err := rc.Receive(r); webhook.Status(err) != want {
			t.Errorf("%d bytes: %v, want %d", n, err, want)
		}
	}
}

func TestReceiverDefaults(t *testing.T) {
	rc := receiver(t, bearerConfig())
	for n, want := range map[int]int{webhook.DefaultMaxBytes: 200, webhook.DefaultMaxBytes + 1: 413} {
		if _, err := rc.Receive(post(bytes.NewReader(make([]byte, n)))); webhook.Status(err) != want {
			t.Errorf("%d bytes: %v, want %d", n, err, want)
		}
	}
	rc.MaxBytes = math.MaxInt64
	v, err := rc.Receive(post(strings.NewReader("as much as there is")))
	if err != nil || len(v.Request().Body) == 0 {
		t.Errorf("without a bound: %d bytes, %v", len(v.Request().Body), err)
	}
	rc.Now = nil
	before := time.Now()
	if v, _ = rc.Receive(post(nil)); v.Request().ReceivedAt.Before(before) || v.Request().ReceivedAt.After(time.Now()) {
		t.Errorf("ReceivedAt = %s, want now", v.Request().ReceivedAt)
	}
}

// Neither the Host header nor a header of a stranger decides anything.
func TestReceiverBelievesOnlyWhomItTrusts(t *testing.T) {
	cfg := webhook.Config{Type: "hmac", Header: "X-Sig", Template: "{url}{body}", Secrets: one(testSecret)}
	forged := webhook.Request{URL: "http://evil.example/hooks", Header: http.Header{}, Body: []byte(testBody)}
	if err := webhook.Sign(cfg, cfg.Secrets[0], &forged, signedAt); err != nil {
		t.Fatal(err)
	}
	for _, public := range []string{"", "https://hooks.example.com"} {
		rc := receiver(t, cfg)
		rc.PublicURL = public
		r := httptest.NewRequest(http.MethodPost, "http://evil.example/hooks", strings.NewReader(testBody))
		r.Header = forged.Header
		if _, err := rc.Receive(r); webhook.Status(err) != http.StatusUnauthorized {
			t.Errorf("public URL %q: %v, want a refusal", public, err)
		}
	}
	for proxy, want := range map[string]string{"192.0.2.1/32": "198.51.100.7", "10.0.0.0/8": "192.0.2.1"} {
		rc := receiver(t, bearerConfig())
		rc.Trusted = []netip.Prefix{netip.MustParsePrefix(proxy)}
		r := post(nil) // from 192.0.2.1
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		v, err := rc.Receive(r)
		if got := v.Request().RemoteAddr.String(); err != nil || got != want {
			t.Errorf("behind %s: client %s, %v; want %s", proxy, got, err, want)
		}
	}
}

// The token of a path is the wildcard of that name.
func TestReceiverTakesATokenOfThePath(t *testing.T) {
	rc := receiver(t, webhook.Config{Type: "token", Secrets: one("3f6c2f5a9e0d4b1c8a7d6e5f")})
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/shop/{token}", rc.Handler(func(context.Context, webhook.Verified) error { return nil }))
	for path, want := range map[string]int{"/hooks/shop/3f6c2f5a9e0d4b1c8a7d6e5f": 200, "/hooks/shop/another": 401, "/hooks/shop/": 404} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

// A client that stops in the middle of its body is told nothing final.
func TestReceiverOverTheWire(t *testing.T) {
	rc := receiver(t, bearerConfig())
	srv := httptest.NewServer(rc.Handler(func(context.Context, webhook.Verified) error { return nil }))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const head = "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + testSecret + "\r\n"
	if _, err := io.WriteString(conn, head+"Content-Length: 10\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	if tcp, ok := conn.(*net.TCPConn); !ok || tcp.CloseWrite() != nil {
		t.Fatal("the connection cannot be half closed")
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") {
		t.Errorf("%q, %v; want 503", answer, err)
	}
}
