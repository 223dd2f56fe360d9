package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
)

// Bounds of a health check: one question, and the pause between two.
const (
	healthTimeout = 5 * time.Second
	healthPause   = 100 * time.Millisecond
	healthBytes   = 64 << 10
)

// newHealthcheck is `postrider healthcheck`.
func newHealthcheck(c *cli) *cobra.Command {
	admin, wait := "", time.Duration(0)
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a running receiver whether it is ready",
		Long: `Ask a running receiver's admin listener whether it is ready, and print what it
says: for container health checks, where no other HTTP client is at hand, and for
scripts that start a receiver and have to wait for it. Exit code 1 if it is not
ready (with --wait: not in that time).`,
		Example: `  postrider healthcheck
  postrider healthcheck --admin http://127.0.0.1:8081
  postrider healthcheck --wait 30s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.healthcheck(cmd.Context(), admin, wait) },
	}
	cmd.Flags().StringVar(&admin, "admin", "", "address of the admin listener (default: from the configuration)")
	cmd.Flags().DurationVar(&wait, "wait", 0, "ask again for so long until it is ready")
	return cmd
}

// healthcheck asks /readyz and prints its last answer.
func (c *cli) healthcheck(ctx context.Context, admin string, wait time.Duration) error {
	if admin == "" {
		cfg, err := c.load()
		if err != nil {
			return err
		}
		admin = "http://" + app.Reachable(cfg.Admin.Listen)
	}
	limit := healthTimeout
	if wait > 0 {
		limit = wait
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, admin+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	res, err := healthClient(wait).Do(req)
	if err != nil {
		return fmt.Errorf("healthcheck: is the receiver running? %w", err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(c.out, io.LimitReader(res.Body, healthBytes)); err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return errNotReady
	}
	return nil
}

// healthClient asks once or, with wait, until the context ends. None of the
// library's defaults is kept: it has no timeout, writes to standard error, waits
// as long as an answer asks it to, and hides the last answer behind an error.
func healthClient(wait time.Duration) *retryablehttp.Client {
	client := retryablehttp.NewClient()
	client.HTTPClient = &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		Timeout:       healthTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	client.Logger = nil
	client.ErrorHandler = retryablehttp.PassthroughErrorHandler
	client.Backoff = func(time.Duration, time.Duration, int, *http.Response) time.Duration { return healthPause }
	client.RetryMax = 0
	if wait > 0 {
		client.RetryMax = math.MaxInt
	}
	client.CheckRetry = func(ctx context.Context, res *http.Response, err error) (bool, error) {
		ready := err == nil && res.StatusCode == http.StatusOK
		return !ready && ctx.Err() == nil, ctx.Err()
	}
	return client
}

// errNotReady is the outcome of a health check that was answered with no.
var errNotReady = errors.New("healthcheck: the receiver is not ready")
