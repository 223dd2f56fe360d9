package delivery_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/delivery"
)

// BenchmarkDeliver is one signed delivery to a target on this machine, 16 at once.
func BenchmarkDeliver(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer s.Close()
	c, err := delivery.New(delivery.Options{
		URL: s.URL, Allow: loopback(), MaxAttempts: 1, MaxConcurrent: 16, Now: time.Now,
		Secrets: []delivery.Secret{{ID: "a", Key: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="}},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	m := message()
	m.Body = make([]byte, 700)
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Deliver(b.Context(), m); err != nil {
				b.Error(err)
			}
		}
	})
}
