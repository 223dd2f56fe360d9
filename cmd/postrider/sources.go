package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

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
it like a password. Where several secrets are valid, as in a rotation, each is
shown with its id; all of them work.`,
		Example: `  postrider sources
  postrider sources --secrets        also the secrets that providers sign with
  postrider sources --output json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.sources(secrets) },
	}
	cmd.Flags().BoolVar(&secrets, "secrets", false, "also show the secrets that providers sign with")
	return cmd
}

// sourceRow is one source of the listing.
type sourceRow struct {
	Name     string       `json:"name"`
	Provider string       `json:"provider"`
	Auth     string       `json:"auth"`
	URL      string       `json:"url"` // with the first valid secret, where it is in the address
	Secret   string       `json:"secret,omitempty"`
	Docs     string       `json:"docs"`
	Valid    []validEntry `json:"secrets,omitempty"` // every secret that is valid now
}

// validEntry is one secret that is valid now, and what the provider is given for it.
type validEntry struct {
	ID       string     `json:"id"`
	NotAfter *time.Time `json:"not_after,omitempty"`
	URL      string     `json:"url"`
	Secret   string     `json:"secret,omitempty"` // "" unless it is asked for; "user:password" for basic
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
		rows[i] = describeSource(s, cfg.PublicURL(), c.now(), secrets)
	}
	if c.json() {
		return json.NewEncoder(c.out).Encode(rows) //nolint:gosec,wrapcheck // shown only where it is asked for
	}
	return c.printSources(rows, secrets)
}

// describeSource puts together what the provider of a source is given.
func describeSource(s *app.CompiledSource, publicURL string, now time.Time, secrets bool) sourceRow {
	row := sourceRow{
		Name: s.Config.Name, Provider: s.Config.Provider, Auth: s.Config.Auth.Type,
		URL: s.Describe(publicURL).URL, Docs: s.Def.Doc,
	}
	for _, k := range s.Config.Auth.Secrets {
		if !k.NotAfter.IsZero() && now.After(k.NotAfter) {
			continue
		}
		v := validEntry{ID: k.ID, URL: row.URL}
		if !k.NotAfter.IsZero() {
			v.NotAfter = &k.NotAfter
		}
		switch {
		case row.Auth == "token":
			v.URL = s.Address(publicURL, k.Value.Reveal())
		case secrets && row.Auth == "basic":
			v.Secret = k.Username + ":" + k.Password.Reveal()
		case secrets:
			v.Secret = k.Value.Reveal()
		}
		row.Valid = append(row.Valid, v)
	}
	if len(row.Valid) > 0 {
		row.URL, row.Secret = row.Valid[0].URL, row.Valid[0].Secret
	}
	return row
}

// printSources prints the listing for a person: a line for each secret that is
// valid, where it makes a difference.
func (c *cli) printSources(rows []sourceRow, secrets bool) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	ids := secrets || slices.ContainsFunc(rows, sourceRow.manyAddresses)
	fmt.Fprintln(w, line("SOURCE\tPROVIDER\tAUTH\tURL", ids, "SECRET ID", secrets, "SECRET"))
	for _, r := range rows {
		shown := r.Valid
		switch {
		case len(shown) == 0:
			shown = []validEntry{{ID: "-", URL: r.URL}}
		case !secrets && !r.manyAddresses():
			shown = shown[:1]
		}
		for _, v := range shown {
			fmt.Fprintln(w, line(r.Name+"\t"+r.Provider+"\t"+r.Auth+"\t"+v.URL, ids, v.ID, secrets, r.secretCell(v)))
		}
	}
	if err := w.Flush(); err != nil {
		return err //nolint:wrapcheck // standard output
	}
	for _, r := range rows {
		if secrets || r.manyAddresses() {
			c.printRotation(r)
		}
	}
	return nil
}

// printRotation says that several secrets work at once.
func (c *cli) printRotation(r sourceRow) {
	number := "both"
	switch n := len(r.Valid); {
	case n < 2:
		return
	case n > 2:
		number = fmt.Sprintf("all %d", n)
	}
	fmt.Fprintf(c.out, "%s: %s secrets are valid: what is sent with any of them is accepted until it ends or is removed\n", r.Name, number)
}

// manyAddresses reports whether the source has one address for each of several secrets.
func (r sourceRow) manyAddresses() bool { return r.Auth == "token" && len(r.Valid) > 1 }

// secretCell is what stands in the column of secrets.
func (r sourceRow) secretCell(v validEntry) string {
	switch {
	case r.Auth == "none":
		return "(none: anybody can send)"
	case len(r.Valid) == 0:
		return "(none is valid)"
	case r.Auth == "token":
		return "(in the URL)"
	}
	return v.Secret
}

// line adds the columns that are wanted.
func line(begin string, withID bool, id string, withSecret bool, secret string) string {
	if withID {
		begin += "\t" + id
	}
	if withSecret {
		begin += "\t" + secret
	}
	return begin
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
