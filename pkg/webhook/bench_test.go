package webhook_test

import (
	"bytes"
	"testing"

	"github.com/postrider/postrider/pkg/webhook"
)

// BenchmarkVerify proves a body of 300 bytes, the size of a common event.
func BenchmarkVerify(b *testing.B) {
	for _, c := range goodCases() {
		b.Run(c.name, func(b *testing.B) {
			r := c.req
			r.Body = bytes.Repeat([]byte("0123456789"), 30)
			if len(c.cfg.Secrets) > 0 && c.cfg.Covers().Body {
				if err := webhook.Sign(c.cfg, c.cfg.Secrets[0], &r, signedAt); err != nil {
					b.Fatal(err)
				}
			}
			v, err := webhook.New(c.cfg)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := webhook.Verify(v, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A keyed hash is kept, not made again: proving a JetEmail webhook allocates
// the request's copy and nothing else.
func TestVerifyAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes pools forget")
	}
	c := goodCases()[0]
	v, err := webhook.New(c.cfg)
	if err != nil {
		t.Fatal(err)
	}
	got := testing.AllocsPerRun(100, func() {
		if _, err := webhook.Verify(v, c.req); err != nil {
			t.Fatal(err)
		}
	})
	if got > 1 {
		t.Errorf("Verify() allocates %v times, want at most 1", got)
	}
}
