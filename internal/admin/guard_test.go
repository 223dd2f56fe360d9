package admin_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
)

// fine is a Health that is well.
type fine struct{}

func (fine) Status() admin.Status { return admin.Status{Status: admin.Ready} }

// serve starts an admin listener on an address, its API off.
func serve(t *testing.T, address string) net.Addr {
	t.Helper()
	api, err := admin.NewAPI(admin.APIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return serveAPI(t, address, api)
}

// serveAPI starts an admin listener with an API.
func serveAPI(t *testing.T, address string, api *admin.API, change ...func(*admin.Server)) net.Addr {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Skipf("cannot listen on %s here: %v", address, err)
	}
	s := admin.New(fine{}, prometheus.NewRegistry(), api, zap.NewNop())
	for _, f := range change {
		f(s)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		api.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return l.Addr()
}

// ask sends a request by hand: a client would put its own words into it.
func ask(t *testing.T, addr net.Addr, request string) (status int, header http.Header, body string) {
	t.Helper()
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// TestPagesOfOtherSitesGetNothing asks as browsers do for the pages of other
// sites, by every name such a page may give the address.
func TestPagesOfOtherSitesGetNothing(t *testing.T) {
	addr := serve(t, "127.0.0.1:0")
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	const other, plain = http.StatusMisdirectedRequest, ""
	for _, c := range []struct {
		host, extra string
		want        int
	}{
		{"127.0.0.1:" + port, plain, 200},
		{"127.0.0.1", plain, 200},
		{"localhost:" + port, plain, 200},
		{"LOCALHOST.:" + port, plain, 200},
		{"postrider.localhost", plain, 200},
		{"[::1]:" + port, plain, 200},
		{"[::1]", plain, 200},
		{"127.8.8.8", plain, 200},

		{"rebound.example:" + port, plain, other},
		{"rebound.example", plain, other},
		{"localhost.example", plain, other},
		{"notlocalhost", plain, other},
		{"127.0.0.1.example:" + port, plain, other},
		{"10.0.0.7", plain, other},
		{"0.0.0.0:" + port, plain, other},
		{"[::ffff:10.0.0.7]", plain, other},
		{"2130706433", plain, other},
		{"", plain, other},

		{"127.0.0.1:" + port, "Sec-Fetch-Site: none\r\n", 200},
		{"127.0.0.1:" + port, "Sec-Fetch-Site: same-origin\r\n", 200},
		{"127.0.0.1:" + port, "Origin: http://127.0.0.1:" + port + "\r\n", 200},
		{"127.0.0.1:" + port, "Sec-Fetch-Site: cross-site\r\n", 403},
		{"127.0.0.1:" + port, "Sec-Fetch-Site: same-site\r\n", 403},
		{"127.0.0.1:" + port, "Origin: https://page.example\r\n", 403},
		{"127.0.0.1:" + port, "Origin: null\r\n", 403},
		{"127.0.0.1:" + port, "Origin: http://127.0.0.1:1\r\n", 403},
		{"rebound.example:" + port, "Sec-Fetch-Site: same-origin\r\nOrigin: http://rebound.example:" + port + "\r\n", other},
	} {
		for _, path := range []string{"/livez", "/readyz", "/metrics"} {
			request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n%sConnection: close\r\n\r\n", path, c.host, c.extra)
			got, header, body := ask(t, addr, request)
			if got != c.want {
				t.Errorf("%q: got %d, want %d", request, got, c.want)
			}
			if header.Get("Access-Control-Allow-Origin") != "" || header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%q: headers are %v", request, header)
			}
			if got != 200 && strings.Contains(body, "ready") {
				t.Errorf("%q: refused, and told all the same: %s", request, body)
			}
		}
	}
}

// TestAdminTakesNothingButQuestions: no method that could change anything, no
// path but the three.
func TestAdminTakesNothingButQuestions(t *testing.T) {
	addr := serve(t, "127.0.0.1:0")
	for line, want := range map[string]int{
		"POST /readyz": 405, "PUT /livez": 405, "DELETE /metrics": 405, "OPTIONS /metrics": 405, "TRACE /livez": 405,
		"GET /api/v1/replays": 403, "POST /api/v1/replays": 403, "GET /api": 307, "GET /api/": 403,
		"GET /": 404, "GET /debug/pprof/": 404, "GET /debug/vars": 404, "GET /config": 404, "GET /v1/webhooks/jet": 404,
	} {
		got, _, _ := ask(t, addr, line+" HTTP/1.1\r\nHost: 127.0.0.1\r\nX-HTTP-Method-Override: GET\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		if got != want {
			t.Errorf("%s: got %d, want %d", line, got, want)
		}
	}
}

// TestOtherAddressesAnswerAnyName: probes and scrapers on other machines use
// names that only they know.
func TestOtherAddressesAnswerAnyName(t *testing.T) {
	addr := serve(t, outside(t)+":0")
	got, _, _ := ask(t, addr, "GET /readyz HTTP/1.1\r\nHost: postrider.mail.svc:8081\r\nConnection: close\r\n\r\n")
	if got != http.StatusOK {
		t.Errorf("got %d, want 200", got)
	}
	if got, _, _ := ask(t, addr, "GET /readyz HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: cross-site\r\nConnection: close\r\n\r\n"); got != http.StatusForbidden {
		t.Errorf("a page of another site got %d, want 403", got)
	}
}

// outside is an address of this machine that is not loopback.
func outside(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no other address than loopback")
	return ""
}
