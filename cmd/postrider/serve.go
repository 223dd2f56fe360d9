package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
)

// newServe is `postrider serve`.
func newServe(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Receive webhooks and publish their events",
		Long: `Receive webhooks and publish their events.

Without a configuration it runs whole on this machine: a broker inside the
process, a source with a fresh secret for each of the seed providers. With
kafka.brokers set the same binary uses a real cluster.

SIGTERM or Ctrl-C stops it: accepted requests finish, what is pending is
published, what Kafka does not take stays in the spool for the next start, and it
exits 0.

SIGHUP reads the configuration anew: sources with their secrets, the log level,
trusted proxies and Kafka's password change without a restart. If anything is
wrong with it, all of it stays as it was and the log says why.`,
		Example: `  postrider serve
  postrider serve --config /etc/postrider/config.yaml
  POSTRIDER_KAFKA_BROKERS=kafka1:9092,kafka2:9092 postrider serve`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd) },
	}
}

// serve runs the application until the command's context ends.
func (c *cli) serve(cmd *cobra.Command) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	outliveReaders()
	collector := app.TuneCollector(cfg, c.getenv)
	log, level, err := app.NewLogger(cfg.Log, c.errOut, terminal(c.errOut))
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // a terminal cannot be synced
	a, err := app.New(cfg, app.Options{
		Log: log, Level: level, Now: c.now, Version: version(), Collector: collector, ReadyFile: c.getenv("POSTRIDER_TEST_READY_FILE"),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	hangups := c.notifyHangup()
	if err := a.Start(ctx); err != nil {
		return err
	}
	go c.onHangup(ctx, hangups, cancel, a)
	printWelcome(c.out, a)
	return a.Wait(ctx)
}

// onHangup reads the configuration anew at each SIGHUP until ctx ends. What a
// terminal sends when it closes means that nobody is there any more: stop.
func (c *cli) onHangup(ctx context.Context, hangups <-chan os.Signal, stop func(), a *app.App) {
	in, _ := c.in.(io.Writer) // as an *os.File is
	person := terminal(in)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		if person && !terminal(in) {
			stop()
			return
		}
		_ = a.Reload(c.load) // it logs what is wrong
	}
}

// printWelcome tells a person where things are. Generated secrets appear here,
// plainly, when they were just made, and nowhere else: the logger never sees them.
func printWelcome(w io.Writer, a *app.App) {
	i := a.Info()
	fmt.Fprintf(w, "postrider %s\n\n", i.Version)
	fmt.Fprintf(w, "  webhooks  http://%s\n", i.Listen)
	fmt.Fprintf(w, "  admin     http://%s  (/livez /readyz /metrics)\n", i.Admin)
	fmt.Fprintf(w, "  kafka     %s\n", i.Kafka)
	if i.BrokerNotice != "" {
		fmt.Fprintf(w, "            %s\n", i.BrokerNotice)
	}
	fmt.Fprintln(w)
	if !i.Generated {
		fmt.Fprintf(w, "%d sources; `postrider sources` shows their addresses.\n", len(i.Sources))
		return
	}
	fmt.Fprintf(w, "The configuration names no sources, so one was made for each seed provider.\n"+
		"They are printed this once and kept in %s.\n`postrider sources --secrets` shows them again.\n\n", nearby(i.GeneratedFile))
	for _, s := range i.Sources {
		fmt.Fprintf(w, "  %-10s %s\n", s.Name, s.URL)
		if s.Secret != "" {
			fmt.Fprintf(w, "  %-10s secret %s\n", "", s.Secret)
		}
	}
	fmt.Fprint(w, "\nTry it in a second terminal:\n  go run ./cmd/postrider send --all\n")
}

// nearby is a path as a person in the working directory would write it.
func nearby(path string) string {
	dir, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
