package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
)

// newHealthcheck is `postrider healthcheck`.
func newHealthcheck(c *cli) *cobra.Command {
	admin := ""
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a running receiver whether it is ready",
		Long: `Ask a running receiver's admin listener whether it is ready; for container
health checks, where no other HTTP client is at hand. Exit code 1 if it is not.`,
		Example: `  postrider healthcheck
  postrider healthcheck --admin http://127.0.0.1:8081`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.healthcheck(cmd.Context(), admin) },
	}
	cmd.Flags().StringVar(&admin, "admin", "", "address of the admin listener (default: from the configuration)")
	return cmd
}

// healthcheck asks /readyz and prints its answer.
func (c *cli) healthcheck(ctx context.Context, admin string) error {
	if admin == "" {
		cfg, err := c.load()
		if err != nil {
			return err
		}
		admin = "http://" + app.Reachable(cfg.Admin.Listen)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/readyz", http.NoBody)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("healthcheck: is the receiver running? %w", err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(c.out, io.LimitReader(res.Body, 64<<10)); err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return errNotReady
	}
	return nil
}

// errNotReady is the outcome of a health check that was answered with no.
var errNotReady = errors.New("healthcheck: the receiver is not ready")
