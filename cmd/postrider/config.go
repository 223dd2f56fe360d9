package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
)

// newConfig is `postrider config` with its subcommands.
func newConfig(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and show the configuration",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newConfigCheck(c))
	return cmd
}

// newConfigCheck is `postrider config check`.
func newConfigCheck(c *cli) *cobra.Command {
	show := false
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Report every problem of the configuration at once",
		Long: `Report every problem of the configuration at once, each with its place (file,
line and key, or environment variable) and what to do. Nothing is started and
nothing is contacted. Exit code 1 if there is a problem.`,
		Example: `  postrider config check
  postrider config check --config /etc/postrider/config.yaml --print
  POSTRIDER_KAFKA_BROKERS=kafka:9092 postrider config check`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.configCheck(show) },
	}
	cmd.Flags().BoolVar(&show, "print", false, "print the effective configuration, secrets redacted")
	return cmd
}

// configCheck loads the configuration, compiles its sources and tells how it went.
func (c *cli) configCheck(show bool) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	compiled, err := app.CompileSources(cfg, cfg.Sources)
	if err != nil {
		return err
	}
	if show {
		return c.printConfig(cfg)
	}
	for _, n := range cfg.Notices {
		fmt.Fprintln(c.errOut, "notice:", n)
	}
	for _, s := range compiled {
		for _, w := range s.Warnings {
			fmt.Fprintln(c.errOut, "warning:", w)
		}
	}
	from := cfg.File
	if from == "" {
		from = "built-in defaults"
	}
	if !cfg.SourcesGiven {
		fmt.Fprintf(c.out, "%s: in order; no sources, so `postrider serve` makes one for each seed provider\n", from)
		return nil
	}
	fmt.Fprintf(c.out, "%s: in order, %d sources\n", from, len(cfg.Sources))
	return nil
}

// printConfig prints the effective configuration.
func (c *cli) printConfig(cfg *config.Config) error {
	dump := cfg.DumpYAML
	if c.json() {
		dump = cfg.DumpJSON
	}
	b, err := dump()
	if err != nil {
		return err
	}
	_, err = c.out.Write(append(b, '\n'))
	return err
}
