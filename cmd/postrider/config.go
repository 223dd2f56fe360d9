package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
)

// newConfig is `postrider config` with its subcommands.
func newConfig(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and show the configuration",
		Example: `  postrider config check
  postrider config check --print`,
	}
	group(cmd)
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
nothing is contacted. Exit code 1 if there is a problem.

With --output json it prints one object: ok, file ("" for the built-in defaults),
problems (each with path, place, message and hint) and notices.`,
		Example: `  postrider config check
  postrider config check --config /etc/postrider/config.yaml --print
  postrider config check --output json | jq -r '.problems[].message'
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
	var compiled []*app.CompiledSource
	if err == nil {
		compiled, err = app.CompileSources(cfg, cfg.Sources)
	}
	if c.json() && (err != nil || !show) {
		return c.checkJSON(cfg, compiled, err)
	}
	if err != nil {
		return err
	}
	if show {
		return c.printConfig(cfg)
	}
	for _, n := range cfg.Notices {
		fmt.Fprintln(c.errOut, "notice:", n)
	}
	for _, w := range sourceWarnings(compiled) {
		fmt.Fprintln(c.errOut, "warning:", w)
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

// sourceWarnings are what compiling the sources had to say.
func sourceWarnings(compiled []*app.CompiledSource) []string {
	var warnings []string
	for _, s := range compiled {
		warnings = append(warnings, s.Warnings...)
	}
	return warnings
}

// checkReport is the outcome of `postrider config check` as JSON.
type checkReport struct {
	OK       bool            `json:"ok"`
	File     string          `json:"file"` // "": built-in defaults
	Problems []configProblem `json:"problems"`
	Notices  []string        `json:"notices"`
}

type configProblem struct {
	Path    string `json:"path"`
	Place   string `json:"place"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// checkJSON reports how the check went to a machine. cfg is nil if it could not
// be loaded.
func (c *cli) checkJSON(cfg *config.Config, compiled []*app.CompiledSource, err error) error {
	r := checkReport{OK: err == nil, File: c.configName(), Problems: []configProblem{}, Notices: []string{}}
	if cfg != nil {
		r.File = cfg.File
		r.Notices = append(append(r.Notices, cfg.Notices...), sourceWarnings(compiled)...)
	}
	var problems *config.Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems.All() {
			r.Problems = append(r.Problems, configProblem(p))
		}
	case err != nil:
		r.Problems = append(r.Problems, configProblem{Message: err.Error()})
	}
	if err := json.NewEncoder(c.out).Encode(r); err != nil {
		return err //nolint:wrapcheck // standard output
	}
	if err != nil {
		return fmt.Errorf("config: %s", plural(len(r.Problems), "problem"))
	}
	return nil
}

// configName is the file that is read, or would be; "" if there is none.
func (c *cli) configName() string {
	for _, name := range []string{c.configFile, c.getenv("POSTRIDER_CONFIG")} {
		if name != "" {
			return name
		}
	}
	if _, err := os.Stat(config.DefaultFile); err != nil {
		return ""
	}
	return config.DefaultFile
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
