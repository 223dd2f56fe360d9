package webhook_test

import (
	"sync"
	"testing"

	"github.com/postrider/postrider/pkg/webhook"
)

// Keyed hashes are shared between requests; each gets its own answer all the
// same.
func TestVerifyConcurrently(t *testing.T) {
	for _, c := range goodCases() {
		v, err := webhook.New(c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		bad := c.req
		bad.Body = []byte("another body")
		covered := c.cfg.Covers().Body || c.cfg.Type == "mailgun" // whose proof goes with the body
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 200 {
					if _, err := webhook.Verify(v, c.req); err != nil {
						t.Errorf("%s: good request: %v", c.name, err)
						return
					}
					if _, err := webhook.Verify(v, bad); (err != nil) != covered {
						t.Errorf("%s: bad request: error %v, want one: %v", c.name, err, covered)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

// Where one secret stands under two ids, the first is named, for every scheme.
func TestFirstMatchingSecretIsNamed(t *testing.T) {
	for _, c := range goodCases() {
		if c.cfg.Type == "none" {
			continue
		}
		again := c.cfg.Secrets[0]
		again.ID = "again"
		c.cfg.Secrets = append(c.cfg.Secrets, again)
		got, err := verify(t, c.cfg, c.req)
		if err != nil || got.Proof().KeyID != "2026-11" {
			t.Errorf("%s: key %q, error %v; want 2026-11", c.name, got.Proof().KeyID, err)
		}
	}
}
