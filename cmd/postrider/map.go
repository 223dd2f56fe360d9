package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/mapspec"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider/mapping"
)

// newMap is `postrider map` with its subcommands.
func newMap(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "map",
		Short: "Try out the mapping of a provider that is not built in",
		Example: `  postrider map test --mapping acme.yaml saved/
  postrider map test --source acme body.json --strict`,
	}
	group(cmd)
	cmd.AddCommand(newMapTest(c))
	return cmd
}

// mapFlags are what `postrider map test` is told.
type mapFlags struct {
	source  string
	mapping string
	kind    string
	strict  bool
}

// newMapTest is `postrider map test`.
func newMapTest(c *cli) *cobra.Command {
	var f mapFlags
	cmd := &cobra.Command{
		Use:   "test FILE|FOLDER|- ...",
		Short: "Run a mapping over saved requests: events, dead letters, and what was left unmapped",
		Long: `Run the mapping of a source, or one in a file, over saved requests and print the
events they become, with what the mapping left: members of an item that it does not
name, which are in the event's metadata, and members of the envelope, which are in no
event. Nothing is proven, sent or published.

A file is a request as it came (optionally "POST /path", then "Header: value" lines,
an empty line and the body; a name that ends in .http says so), a body alone, or raw
requests that "postrider replay --target file" has exported. Of a folder it takes the
.http files; where it has none, every file. "-" is standard input.

Exit code 1 if anything is a dead letter; with --strict also if an event is unknown or
anything is left unmapped. The reference of mappings is docs/mapping.md.`,
		Example: `  postrider map test --mapping acme.yaml bounce.json
  postrider map test --source acme saved/ --strict
  curl -s https://example.com/sample | postrider map test --mapping acme.yaml -
  postrider map test --source acme form.txt --content-type application/x-www-form-urlencoded
  postrider map test --source acme raw.jsonl --output json | jq -r '.requests[].items[].unmapped[]?' | sort | uniq -c`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.mapTest(cmd.Context(), f, args) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.source, "source", "", "source whose mapping to run (default: the only one that has one)")
	fs.StringVar(&f.mapping, "mapping", "", "file with the mapping to run, in place of a source's")
	fs.StringVar(&f.kind, "content-type", "", "content type of requests that do not say theirs")
	fs.BoolVar(&f.strict, "strict", false, "also fail if an event is unknown or anything is left unmapped")
	cmd.MarkFlagsMutuallyExclusive("source", "mapping")
	c.complete(cmd, "source", c.sourceNames)
	_ = cmd.MarkFlagFilename("mapping", "yaml", "yml")
	return cmd
}

// trial is a mapping that is tried out.
type trial struct {
	name    string // of the source, or of the file
	mapping *mapping.Mapping
	source  normalize.Source
}

// trial finds the mapping that the flags name.
func (c *cli) trial(f mapFlags) (*trial, error) {
	if f.mapping != "" {
		return c.mappingFile(f.mapping)
	}
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	compiled, err := c.compiled(cfg)
	if err != nil {
		return nil, err
	}
	compiled = slices.DeleteFunc(compiled, func(s *app.CompiledSource) bool { return s.Config.Provider != mapping.ID })
	switch {
	case f.source != "":
		if err := known("map test: --source", []string{f.source}, names(compiled)); err != nil {
			return nil, err
		}
		compiled = slices.DeleteFunc(compiled, func(s *app.CompiledSource) bool { return s.Config.Name != f.source })
	case len(compiled) == 0:
		return nil, errors.New("map test: no source has a mapping: name a file with --mapping")
	case len(compiled) > 1:
		return nil, fmt.Errorf("map test: which mapping? add --source, one of %s, or --mapping FILE", strings.Join(names(compiled), ", "))
	}
	source := compiled[0].Ingest.Normalize
	m, ok := source.Parser.(*mapping.Mapping)
	if !ok {
		return nil, fmt.Errorf("map test: %s has no mapping", source.Name)
	}
	return &trial{compiled[0].Config.Name, m, source}, nil
}

// mappingFile reads a mapping that stands alone.
func (c *cli) mappingFile(file string) (*trial, error) {
	text, err := c.readInput("map test", file)
	if err != nil {
		return nil, err
	}
	var m *mapping.Mapping
	_, err = config.ReadMapping(file, text, func(spec *mapspec.Spec, place config.Place, problems *config.Problems) {
		m = app.CompileMapping(spec, "", place, problems)
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // every problem has its place
	}
	return &trial{file, m, normalize.Source{Name: mapping.ID, ID: mapping.ID, Provider: mapping.ID, Parser: m, Mapper: m.Definition().Mapper}}, nil
}
