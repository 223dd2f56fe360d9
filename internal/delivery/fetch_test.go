package delivery_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/delivery"
)

// fetcher makes a Fetcher that may call a test server.
func fetcher(t *testing.T, s *httptest.Server, o delivery.FetchOptions) *delivery.Fetcher {
	t.Helper()
	o.RootCAs = x509.NewCertPool()
	o.RootCAs.AddCert(s.Certificate())
	return delivery.NewFetcher(o)
}

func TestFetch(t *testing.T) {
	hold := make(chan struct{})
	s, _ := counted(t, (*httptest.Server).StartTLS, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cert.pem":
			_, _ = io.WriteString(w, "a certificate")
		case "/moved":
			http.Redirect(w, r, "/cert.pem", http.StatusFound)
		case "/large":
			_, _ = io.WriteString(w, strings.Repeat("x", 101))
		case "/slow":
			<-hold
		default:
			http.NotFound(w, r)
		}
	})
	defer close(hold)
	f := fetcher(t, s, delivery.FetchOptions{Allow: loopback(), MaxBytes: 100, Timeout: time.Second})
	if got, err := f.Fetch(s.URL + "/cert.pem"); err != nil || string(got) != "a certificate" {
		t.Errorf("fetched %q, %v", got, err)
	}
	if err := f.Confirm(t.Context(), s.URL+"/cert.pem?Token=s3cr3t"); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/moved", "/large", "/none", "/slow"} {
		got, err := f.Fetch(s.URL + path + "?Token=s3cr3t")
		if err == nil || got != nil {
			t.Fatalf("%s: %q, %v, want an error", path, got, err)
		}
		if strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: the error %q must name the host and no token", path, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Confirm(ctx, s.URL+"/slow"); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was given up: %v", err)
	}
}

func TestFetchCallsNoPrivateAddressAndNoPlainHTTP(t *testing.T) {
	s, opened := counted(t, (*httptest.Server).StartTLS, func(http.ResponseWriter, *http.Request) {})
	f := fetcher(t, s, delivery.FetchOptions{})
	for _, address := range []string{s.URL, "https://localhost:" + port(s), "https://169.254.169.254/latest"} {
		_, err := f.Fetch(address)
		if _, ok := errors.AsType[*delivery.AddressError](err); !ok {
			t.Errorf("%s: %v, want an AddressError", address, err)
		}
	}
	for _, address := range []string{"http://example.com/", "ftp://example.com/", "https://user:pass@example.com/", "//example.com", "https://", "::"} {
		if _, err := f.Fetch(address); err == nil || strings.Contains(err.Error(), "pass") {
			t.Errorf("%s: %v, want an error without the password", address, err)
		}
	}
	if n := opened.Load(); n != 0 {
		t.Errorf("%d connections were opened, want none", n)
	}
}
