package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/doctor"
)

// newDoctor is `postrider doctor`.
func newDoctor(c *cli) *cobra.Command {
	hide := false
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine the installation and say what to do",
		Long: `Examine the installation: the configuration, whether the receiver runs, its
ports, the brokers, the topics and their settings, each source's secrets and the
address to paste into its provider's dashboard, the clock, the disk and the spool. Each line
is ok, note, warn or fail, with what to do about it. Nothing is changed; beside the
brokers and the receiver only server.public_url is asked, once. Exit code 1 if
something fails.

An address that carries a token is shown whole; --hide-tokens makes the output
fit to be shown to others.`,
		Example: `  postrider doctor
  postrider doctor --hide-tokens
  postrider doctor --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doctor(cmd.Context(), hide) },
	}
	cmd.Flags().BoolVar(&hide, "hide-tokens", false, "leave the tokens out of the sources' addresses")
	return cmd
}

// doctor examines and prints.
func (c *cli) doctor(ctx context.Context, hide bool) error {
	var all []doctor.Check
	failed := 0
	report := func(check doctor.Check) {
		if check.Status == doctor.Fail {
			failed++
		}
		all = append(all, check)
		if !c.json() {
			c.printCheck(check)
		}
	}
	cfg, err := c.load()
	if err != nil {
		reportProblems(err, report)
	} else {
		o := doctor.Options{Config: cfg, Now: c.now, HideTokens: hide}
		o.Sources, o.SourcesErr = c.compiled(cfg)
		doctor.Run(ctx, o, report)
	}
	if c.json() {
		if err := json.NewEncoder(c.out).Encode(all); err != nil {
			return err //nolint:wrapcheck // standard output
		}
	}
	if failed > 0 {
		return fmt.Errorf("doctor: %s failed", plural(failed, "check"))
	}
	return nil
}

// reportProblems reports each problem of a configuration that cannot be loaded.
func reportProblems(err error, report func(doctor.Check)) {
	var problems *config.Problems
	if !errors.As(err, &problems) {
		report(doctor.Check{Area: "config", Status: doctor.Fail, Text: err.Error()})
		return
	}
	for _, p := range problems.All() {
		do := p.Hint
		p.Hint = ""
		report(doctor.Check{Area: "config", Status: doctor.Fail, Text: p.String(), Do: do})
	}
}

// printCheck prints one finding for a person.
func (c *cli) printCheck(check doctor.Check) {
	paints := map[doctor.Status]paint{doctor.OK: c.style.good, doctor.Warn: c.style.warn, doctor.Fail: c.style.bad, doctor.Note: c.style.dim}
	word := paints[check.Status].apply(fmt.Sprintf("%-4s", check.Status))
	lines := strings.Split(check.Text, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	fmt.Fprintf(c.out, "%s  %-8s  %s\n", word, check.Area, strings.Join(lines, "\n                "))
	if check.Do != "" {
		fmt.Fprintf(c.out, "                → %s\n", printable(check.Do))
	}
}
