package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
)

// newForward is `postrider forward`.
func newForward(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "forward [NAME...]",
		Short: "Deliver events to HTTP endpoints, signed and with retries",
		Long: `Deliver events to HTTP endpoints, as forward.subscriptions in the configuration
says: which, filtered how, to where, signed with which secrets, in which format. Names
run these subscriptions alone; without any, all of them run.

Each subscription is a consumer group of its own, so that a slow or broken target
delays no other, nor the receiver. What a target does not take is tried again by its
schedule, and in the end kept as a dead letter in <prefix>.forward.<name>.dead. An
answer 410 disables a subscription until the next start. Any number of these processes
may run side by side: they share the work.

forward.listen serves /livez, /readyz, which names the state of each subscription, and
/metrics. Without kafka.brokers it delivers what ` + "`postrider serve`" + ` on this machine
receives.

SIGTERM or Ctrl-C stops it: deliveries in progress may finish for
server.shutdown_timeout, the log says what is left, and the next start goes on there.
Exit codes: 0 after that, 1 if it cannot start or its listener breaks. To change the
configuration restart it.`,
		Example: `  postrider forward
  postrider forward crm warehouse
  postrider forward --config /etc/postrider/config.yaml`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return c.subscriptionNames(), cobra.ShellCompDirectiveNoFileComp
		},
		Annotations: map[string]string{textOnly: "it prints where it delivers, and then its log, which log.format makes JSON"},
		RunE:        func(cmd *cobra.Command, names []string) error { return c.forward(cmd, names) },
	}
}

// leastSubscription is shown to who has none.
const leastSubscription = `forward: the configuration names no subscriptions. One that is enough to begin with:

forward:
  subscriptions:
    - name: crm
      types: [bounced, complained]
      url: https://crm.example.com/hooks/email
      secrets: [{file: secrets/crm}]

with a secret that the endpoint knows, too:

echo "whsec_$(openssl rand -base64 32)" > secrets/crm

more is in config.yaml and docs/forward.md`

// forward delivers until the command's context ends.
func (c *cli) forward(cmd *cobra.Command, names []string) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if len(cfg.Forward.Subscriptions) == 0 {
		return errors.New(leastSubscription)
	}
	outliveReaders()
	log, _, err := app.NewLogger(cfg.Log, c.errOut, terminal(c.errOut))
	if err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	defer log.Sync() //nolint:errcheck // a terminal cannot be synced
	f, err := app.NewForward(cfg, app.ForwardOptions{
		Names: names, Log: log, Now: c.now, Version: version(), ReadyFile: c.getenv("POSTRIDER_TEST_READY_FILE"),
	})
	if err != nil {
		return err //nolint:wrapcheck // it says who it is
	}
	if err := f.Start(cmd.Context()); err != nil {
		return err //nolint:wrapcheck // as above
	}
	printForward(c.out, f.Info())
	return f.Wait(cmd.Context()) //nolint:wrapcheck // as above
}

// printForward tells a person what is delivered where.
func printForward(w io.Writer, i app.ForwardInfo) {
	fmt.Fprintf(w, "postrider %s\n\n", i.Version)
	fmt.Fprintf(w, "  health  http://%s  (/livez /readyz /metrics)\n", i.Listen)
	fmt.Fprintf(w, "  kafka   %s\n\n", i.Kafka)
	for _, t := range i.Targets {
		fmt.Fprintf(w, "  %s: %s to %s (%s)\n", t.Name, shortList(t.Topics), t.Host, t.Format)
	}
}

// shortList is a list for one line.
func shortList(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more topics", strings.Join(names[:most-1], ", "), len(names)-most+1)
}

// subscriptionNames are the configured subscriptions, for completion; none where the
// configuration cannot be read.
func (c *cli) subscriptionNames() []string {
	cfg, err := c.load()
	if err != nil {
		return nil
	}
	return app.SubscriptionNames(cfg)
}
