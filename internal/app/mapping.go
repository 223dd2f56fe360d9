package app

import (
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/mapspec"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/internal/provider/mapping"
)

// definition returns the provider of a source: one that is built in, or the one that
// the source's mapping describes. False if there is none; what is wrong is added to
// problems.
func definition(cfg *config.Config, path string, src config.Source, problems *config.Problems) (provider.Definition, bool) {
	if src.Provider == mapping.ID {
		return mapped(cfg, path+".mapping", src, problems)
	}
	def, ok := all.Lookup(src.Provider)
	if at := path + ".provider"; !ok && !problems.Has(at) {
		problems.Add(at, cfg.Place(at), "unknown provider", "")
	}
	return def, ok
}

// mapped compiles the mapping of a source. Where it could not be read at all, that is
// said already.
func mapped(cfg *config.Config, path string, src config.Source, problems *config.Problems) (provider.Definition, bool) {
	if src.Mapping == nil {
		if problems.Len() == 0 {
			problems.Add(path, cfg.Place(path), "the mapping is missing", "")
		}
		return mapping.Definition(), false
	}
	m := CompileMapping(src.Mapping, path, cfg.PlaceIn, problems)
	if m == nil {
		return mapping.Definition(), false
	}
	before := problems.Len()
	for _, u := range m.Uses() {
		at := path + "." + u.Path
		if message, hint := unstored(src, u); message != "" && !problems.Has(at) {
			problems.Add(at, cfg.Place(at), message, hint)
		}
	}
	return m.Definition(), problems.Len() == before
}

// unstored says why a stored request would not have what an expression looks at, so
// that it would give other events another time; "" if it has it.
func unstored(src config.Source, u mapping.Use) (message, hint string) {
	switch {
	case u.Header && u.Name != strings.ToLower(u.Name):
		return "names of headers are in lower case", "write " + strings.ToLower(u.Name)
	case u.Header && slices.ContainsFunc(secretHeaders(src.Auth), func(h string) bool { return strings.EqualFold(h, u.Name) }):
		return "the header " + u.Name + " holds the secret of the source, which is nothing to publish", ""
	case !u.Header && !slices.Contains(src.Query.Metadata, u.Name):
		return "the parameter " + u.Name + " is not kept with the request, which could not be read again", "add it to query.metadata of the source"
	}
	return "", ""
}

// CompileMapping compiles a mapping that stands in the configuration below path; nil
// if there are problems, which it adds. Place tells where the text of a key stands.
func CompileMapping(spec *mapspec.Spec, path string, place config.Place, problems *config.Problems) *mapping.Mapping {
	m, wrong := mapping.Compile(spec)
	for _, p := range wrong {
		at := p.Path
		if path != "" {
			at = path + "." + at
		}
		if !problems.Has(at) {
			problems.Add(at, place(at, p.Line, p.Column), p.Message, p.Hint)
		}
	}
	return m
}
