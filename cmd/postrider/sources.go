package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
)

// newSources is `postrider sources`.
func newSources(c *cli) *cobra.Command {
	secrets := false
	cmd := &cobra.Command{
		Use:   "sources",
		Short: "Show the sources and the addresses to give to the providers",
		Long: `Show the sources and the addresses to paste into the providers' dashboards. An
address that carries a token is shown whole: it is what the provider needs. Keep
it like a password.`,
		Example: `  postrider sources
  postrider sources --secrets        also the secrets that providers sign with
  postrider sources --output json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.sources(secrets) },
	}
	cmd.Flags().BoolVar(&secrets, "secrets", false, "also show the secrets that providers sign with")
	return cmd
}

// sourceRow is one line of the listing.
type sourceRow struct {
	Name     string `json:"name"`
	Provider string `json:"provider"`
	Auth     string `json:"auth"`
	URL      string `json:"url"`
	Secret   string `json:"secret,omitempty"`
	Docs     string `json:"docs"`
}

// sources lists the sources in force.
func (c *cli) sources(secrets bool) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	compiled, err := c.compiled(cfg)
	if err != nil {
		return err
	}
	rows := make([]sourceRow, len(compiled))
	for i, s := range compiled {
		d := s.Describe(cfg.PublicURL())
		rows[i] = sourceRow{Name: d.Name, Provider: d.Provider, Auth: d.Auth, URL: d.URL, Docs: s.Def.Doc}
		if secrets {
			rows[i].Secret = d.Secret
		}
	}
	if c.json() {
		return json.NewEncoder(c.out).Encode(rows) //nolint:gosec,wrapcheck // shown only where it is asked for
	}
	return c.printSources(rows, secrets)
}

// printSources prints the listing for a person.
func (c *cli) printSources(rows []sourceRow, secrets bool) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	head := "SOURCE\tPROVIDER\tAUTH\tURL"
	if secrets {
		head += "\tSECRET"
	}
	fmt.Fprintln(w, head)
	for _, r := range rows {
		line := r.Name + "\t" + r.Provider + "\t" + r.Auth + "\t" + r.URL
		if secrets {
			line += "\t" + r.Secret
		}
		fmt.Fprintln(w, line)
	}
	return w.Flush()
}

// compiled returns the sources in force, ready to be sent to; generated ones
// must exist already.
func (c *cli) compiled(cfg *config.Config) ([]*app.CompiledSource, error) {
	sources, _, err := app.Sources(cfg, false, rand.Reader)
	if err != nil {
		return nil, err
	}
	return app.CompileSources(cfg, sources)
}
