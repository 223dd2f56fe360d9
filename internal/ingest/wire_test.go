package ingest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/pkg/webhook"
)

// answers writes bytes to a fresh connection and returns the statuses of all
// answers until the server closes it. To be told that nothing follows, the
// request is the last one of a client that ends its half.
func (r *rig) answers(request string) []int {
	r.t.Helper()
	c := r.dial()
	defer c.close()
	c.write(request)
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the server may have closed already
	}
	var codes []int
	for {
		res, err := http.ReadResponse(c.r, nil)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(err.Error(), "reset") {
				r.t.Fatalf("%.80q: %v", request, err)
			}
			return codes
		}
		codes = append(codes, res.StatusCode)
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
}

// tokenPath is the address of the source whose proof is in the path: every
// request that reaches it is proven, so what does not is not published.
const tokenPath = "/v1/webhooks/vfs/" + urlToken

// item is a body that the source takes.
const item = `{"type":"Opened","id":"1"}`

// TestAmbiguousFramingIsOneRequestAtMost sends requests that two readers could
// cut differently. Each is refused, or taken once with nothing behind it: bytes
// that follow are never read as a request of their own.
func TestAmbiguousFramingIsOneRequestAtMost(t *testing.T) {
	post := "POST " + tokenPath + " HTTP/1.1\r\nHost: x\r\n"
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(item), item)
	hidden := "POST " + tokenPath + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(item))
	for name, c := range map[string]struct {
		request string
		taken   bool
	}{
		"both framings, hidden request":    {post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + "0\r\n\r\n" + hidden, true},
		"chunked, hidden request":          {post + "Transfer-Encoding: chunked\r\n\r\n" + chunk + "0\r\n\r\n" + hidden, true},
		"two lengths":                      {post + "Content-Length: 2\r\n" + length + "\r\n" + item + hidden, false},
		"a list of lengths":                {post + "Content-Length: 26, 26\r\n\r\n" + item, false},
		"length with a sign":               {post + "Content-Length: +26\r\n\r\n" + item, false},
		"negative length":                  {post + "Content-Length: -1\r\n\r\n" + item, false},
		"hexadecimal length":               {post + "Content-Length: 0x1a\r\n\r\n" + item, false},
		"endless length":                   {post + "Content-Length: 99999999999999999999\r\n\r\n" + item, false},
		"empty length":                     {post + "Content-Length:\r\n\r\n" + item, false},
		"unknown transfer coding":          {post + "Transfer-Encoding: xchunked\r\n\r\n" + chunk + "0\r\n\r\n", false},
		"two transfer codings":             {post + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk + "0\r\n\r\n", false},
		"two transfer headers":             {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunk + "0\r\n\r\n", false},
		"space before the colon":           {post + "Transfer-Encoding : chunked\r\n\r\n" + chunk + "0\r\n\r\n", false},
		"vertical tab before the coding":   {post + "Transfer-Encoding: \x0bchunked\r\n\r\n" + chunk + "0\r\n\r\n", false},
		"NUL in a header":                  {post + "X-A: a\x00b\r\n" + length + "\r\n" + item, false},
		"carriage return in a header":      {post + "X-A: a\rb\r\n" + length + "\r\n" + item, false},
		"header without a name":            {post + ": a\r\n" + length + "\r\n" + item, false},
		"header without a colon":           {post + "nonsense\r\n" + length + "\r\n" + item, false},
		"bare line feed ends a chunk line": {post + "Transfer-Encoding: chunked\r\n\r\n1a;x\n" + item + "\r\n0\r\n\r\n", false},
		"chunk longer than it says":        {post + "Transfer-Encoding: chunked\r\n\r\n5\r\n" + item + "\r\n0\r\n\r\n", false},
		"overflowing chunk":                {post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + item, false},
		"bare line feeds throughout":       {strings.ReplaceAll(post+length, "\r\n", "\n") + "Connection: close\n\n" + item, true},
		"no host":                          {"POST " + tokenPath + " HTTP/1.1\r\n" + length + "\r\n" + item, false},
		"two hosts":                        {post + "Host: y\r\n" + length + "\r\n" + item, false},
		"HTTP/0.9":                         {"POST " + tokenPath + "\r\n\r\n" + item, false},
		"HTTP/2 with prior knowledge":      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden, false},
		"two spaces":                       {"POST  " + tokenPath + " HTTP/1.1\r\nHost: x\r\n" + length + "\r\n" + item, false},
		"tab in the request line":          {"POST\t" + tokenPath + " HTTP/1.1\r\nHost: x\r\n" + length + "\r\n" + item, false},
		"method of many lines":             {"POST\r\n " + tokenPath + " HTTP/1.1\r\nHost: x\r\n" + length + "\r\n" + item, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil)
			codes := r.answers(c.request)
			published := len(r.pub.topic("raw"))
			switch {
			case c.taken && (published != 1 || len(codes) != 1 || codes[0] != http.StatusOK):
				t.Errorf("answers %v, %d published; want one request, taken", codes, published)
			case !c.taken && (published != 0 || len(codes) != 1 || codes[0] < 400 || codes[0] >= 500 && codes[0] != http.StatusNotImplemented && codes[0] != http.StatusHTTPVersionNotSupported):
				t.Errorf("answers %v, %d published; want one refusal", codes, published)
			}
		})
	}
}

// TestOnlyTheExactPathNamesASource: no spelling that some proxy, file server or
// router would take for the same path is one here, and nothing is redirected,
// which would tell that the path is nearly right.
func TestOnlyTheExactPathNamesASource(t *testing.T) {
	r := start(t, nil)
	for _, target := range []string{
		"//v1/webhooks/vfs/" + urlToken,
		"/v1//webhooks/vfs/" + urlToken,
		"/v1/webhooks//vfs/" + urlToken,
		"/v1/webhooks/vfs//" + urlToken,
		tokenPath + "/",
		tokenPath + "//",
		tokenPath + "/.",
		tokenPath + "/..",
		"/./v1/webhooks/vfs/" + urlToken,
		"/v1/webhooks/./vfs/" + urlToken,
		"/v1/webhooks/jet/../vfs/" + urlToken,
		"/x/../v1/webhooks/vfs/" + urlToken,
		"/v1/webhooks/%2e%2e/webhooks/vfs/" + urlToken,
		"/v1/webhooks/vfs%2f" + urlToken,
		"/v1%2fwebhooks%2fvfs%2f" + urlToken,
		"/v1/webhooks/vfs%5c" + urlToken,
		"/v1/webhooks/vfs\\" + urlToken,
		"/%761/webhooks/vfs/" + urlToken,
		"/V1/webhooks/vfs/" + urlToken,
		"/v1/Webhooks/vfs/" + urlToken,
		"/v1/webhooks/VFS/" + urlToken,
		"/v1/webhooks/vfs;a=b/" + urlToken,
		tokenPath + ";a=b",
		tokenPath + "%00",
		tokenPath + "%20",
		tokenPath + "%0a",
		"/v1/webhooks/vfs%00/" + urlToken,
		"/v1/webhooks/%EF%BD%96fs/" + urlToken, // full-width v
		"/v1/webhooks/vfs/" + strings.ToUpper(urlToken),
		"/v1/webhooks/vfs/" + urlToken[:len(urlToken)-1],
		"/v1/webhooks/vfs/",
		"/v1/webhooks/vfs",
		"/v1/webhooks/",
		"/v1/webhooks",
		"/",
		"*",
		"/v1/webhooks/vfs/" + strings.Repeat("a", 8000),
		"/" + strings.Repeat("a/", 4000),
		"/livez", "/readyz", "/metrics", "/debug/pprof/", "/config", "/favicon.ico", "/.env", "/..%2f..%2fetc/passwd",
	} {
		request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", target, len(item), item)
		codes := r.answers(request)
		if len(codes) != 1 || codes[0] != http.StatusNotFound && codes[0] != http.StatusUnauthorized && codes[0] != http.StatusBadRequest {
			t.Errorf("POST %.60s: answers %v, want one of 400, 401, 404", target, codes)
		}
	}
	if got := len(r.pub.topic("raw")); got != 0 {
		t.Errorf("%d requests were published", got)
	}
}

// TestOverlongRequestLineIsRefused: a path beyond the header limit is not kept.
func TestOverlongRequestLineIsRefused(t *testing.T) {
	r := start(t, nil)
	codes := r.answers("POST /v1/webhooks/vfs/" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n")
	if len(codes) != 1 || codes[0] != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answers %v, want 431", codes)
	}
}

// TestHostDecidesNothing: which host, scheme or port a request asks for, in its
// header, its target or in what proxies add, changes neither the source nor the
// address that a signature covers.
func TestHostDecidesNothing(t *testing.T) {
	cfg := webhook.Config{
		Type: "hmac", Header: "X-Sig", Algorithm: "sha256", Template: "{url}{body}",
		Secrets: []webhook.Secret{{ID: "a", Value: []byte(jetSecret)}},
	}
	verifier, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Sources[0].Verifier = verifier })
	body := jetEvent("a")
	sign := func(url string) string {
		w := webhook.Request{URL: url, Header: http.Header{}, Body: []byte(body)}
		if err := webhook.Sign(cfg, cfg.Secrets[0], &w, time.Now()); err != nil {
			t.Fatal(err)
		}
		return w.Header.Get("X-Sig")
	}
	ours, theirs := sign("http://hooks.example/v1/webhooks/jet"), sign("http://evil.example/v1/webhooks/jet")
	for name, c := range map[string]struct {
		target, headers, sig string
		want                 int
	}{
		"plain":                   {"/v1/webhooks/jet", "Host: hooks.example\r\n", ours, 200},
		"another host":            {"/v1/webhooks/jet", "Host: evil.example\r\n", ours, 200},
		"absolute target":         {"http://evil.example/v1/webhooks/jet", "Host: hooks.example\r\n", ours, 200},
		"forwarded host":          {"/v1/webhooks/jet", "Host: x\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nForwarded: host=evil.example\r\n", ours, 200},
		"rewritten path":          {"/nowhere", "Host: x\r\nX-Original-URL: /v1/webhooks/jet\r\nX-Rewrite-URL: /v1/webhooks/jet\r\n", ours, 404},
		"other method":            {"/nowhere", "Host: x\r\nX-HTTP-Method-Override: POST\r\n", ours, 404},
		"signed for another host": {"/v1/webhooks/jet", "Host: evil.example\r\n", theirs, 401},
		"absolute target, signed": {"http://evil.example/v1/webhooks/jet", "Host: evil.example\r\n", theirs, 401},
		"forwarded host, signed":  {"/v1/webhooks/jet", "Host: evil.example\r\nX-Forwarded-Host: evil.example\r\n", theirs, 401},
		"user info in the target": {"http://u:p@hooks.example/v1/webhooks/jet", "Host: x\r\n", ours, 200},
		"target without a path":   {"hooks.example:443", "Host: x\r\n", ours, 404},
	} {
		codes := r.answers(fmt.Sprintf("POST %s HTTP/1.1\r\n%sX-Sig: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", c.target, c.headers, c.sig, len(body), body))
		if len(codes) != 1 || codes[0] != c.want {
			t.Errorf("%s: answers %v, want %d", name, codes, c.want)
		}
	}
}

// TestGoodRequestsPassAThousandSlowOnes: connections that send a byte now and
// then keep nobody out.
func TestGoodRequestsPassAThousandSlowOnes(t *testing.T) {
	const slow, good = 1000, 50
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Limits.MaxConnections = slow + 64 })
	head := "POST " + tokenPath + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
	stop := make(chan struct{})
	var trickling sync.WaitGroup
	for i := range slow {
		c := r.dial()
		if i%2 == 0 {
			c.write(head) // the headers never end
		} else {
			c.write(head + "\r\n{") // the body never ends
		}
		trickling.Go(func() {
			defer c.close()
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				if _, err := io.WriteString(c.conn, "x"); err != nil {
					return
				}
			}
		})
	}
	began := time.Now()
	for i := range good {
		r.want(r.signed(jetEvent(strconv.Itoa(i))), http.StatusOK)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("%d good requests took %s", good, took)
	}
	close(stop)
	trickling.Wait()
}

// TestEveryRefusalLooksTheSame: an answer tells no stranger what was wrong with a
// proof, nor how near it came.
func TestEveryRefusalLooksTheSame(t *testing.T) {
	r := start(t, nil)
	good := r.signed(jetEvent("a"))
	sum := good.Header.Get("X-Webhook-Signature")
	first := ""
	for name, sig := range map[string]string{
		"none": "", "empty": " ", "no prefix": strings.TrimPrefix(sum, "sha256="), "not hexadecimal": "sha256=zz", "too short": sum[:len(sum)-2],
		"last digit wrong": sum[:len(sum)-1] + string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", sum[len(sum)-1])+1)%16]),
		"zeros":            "sha256=" + strings.Repeat("0", 64), "of another body": r.signed(jetEvent("b")).Header.Get("X-Webhook-Signature"),
		"upper case": strings.ToUpper(sum), "twice": sum + "," + sum, "long": strings.Repeat("a", 4000),
	} {
		req := r.request(http.MethodPost, "/v1/webhooks/jet", jetEvent("a"))
		if sig != "" {
			req.Header.Set("X-Webhook-Signature", sig)
		}
		res := r.want(req, http.StatusUnauthorized)
		res.Header.Del("Date")
		if got := fmt.Sprint(res.Status, res.Header); first == "" {
			first = got
		} else if got != first {
			t.Errorf("%s: the answer is %s, others are %s", name, got, first)
		}
	}
}
