package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/provider/all"
)

// selected reports whether a filter lets a name through; an empty one lets all.
func selected(filter []string, name string) bool {
	return len(filter) == 0 || slices.Contains(filter, name)
}

// known refuses words that are not among those there are.
func known(flag string, words, there []string) error {
	for _, w := range words {
		if !slices.Contains(there, w) {
			return fmt.Errorf("%s: there is no %q: there are %s", flag, w, strings.Join(there, ", "))
		}
	}
	return nil
}

// exclusive declares flags of which one at most may be given. Completion leaves
// the others out, and whoever gives two is told in plain words.
func exclusive(cmd *cobra.Command, flags ...string) {
	cmd.MarkFlagsMutuallyExclusive(flags...)
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		var given []string
		for _, f := range flags {
			if cmd.Flags().Changed(f) {
				given = append(given, "--"+f)
			}
		}
		if len(given) > 1 {
			return fmt.Errorf("%s exclude each other", strings.Join(given, " and "))
		}
		if before == nil {
			return nil
		}
		return before(cmd, args)
	}
}

// names are the sources' names.
func names(compiled []*app.CompiledSource) []string {
	list := make([]string, len(compiled))
	for i, s := range compiled {
		list[i] = s.Config.Name
	}
	return list
}

// complete completes the values of a flag, a list of words.
func (c *cli) complete(cmd *cobra.Command, flag string, words func() []string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before, last := "", typed
		if i := strings.LastIndexByte(typed, ','); i >= 0 {
			before, last = typed[:i+1], typed[i+1:]
		}
		var fit []string
		for _, w := range words() {
			if strings.HasPrefix(w, last) {
				fit = append(fit, before+w)
			}
		}
		return fit, cobra.ShellCompDirectiveNoFileComp
	})
}

// sourceNames are the sources in force, for completion; none where the
// configuration cannot be read.
func (c *cli) sourceNames() []string {
	cfg, err := c.load()
	if err != nil {
		return nil
	}
	compiled, err := c.compiled(cfg)
	if err != nil {
		return nil
	}
	return names(compiled)
}

// providerTypes are the providers' words for their event types.
func providerTypes() []string {
	var words []string
	for _, d := range all.Definitions() {
		for _, row := range d.Types {
			if !slices.Contains(words, row.ProviderType) {
				words = append(words, row.ProviderType)
			}
		}
	}
	return words
}
