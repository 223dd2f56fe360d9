package mapping_test

import (
	"os"
	"testing"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/mapspec"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/jetemail"
	"github.com/postrider/postrider/internal/provider/loops"
	"github.com/postrider/postrider/internal/provider/mapping"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/unisender"
)

// load compiles the mapping of a file.
func load(t testing.TB, file string) *mapping.Mapping {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, string(text))
}

// compile compiles a mapping's text.
func compile(t testing.TB, text string) *mapping.Mapping {
	t.Helper()
	var m *mapping.Mapping
	_, err := config.ReadMapping("mapping.yaml", []byte(text), func(spec *mapspec.Spec, place config.Place, problems *config.Problems) {
		m = app.CompileMapping(spec, "", place, problems)
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m
}

// twins are built-in providers that a mapping reads as well.
func twins() map[string]func() provider.Definition {
	return map[string]func() provider.Definition{
		"testdata/jetemail.yaml":                    jetemail.Definition,
		"../../../examples/mappings/loops.yaml":     loops.Definition,
		"../../../examples/mappings/unisender.yaml": unisender.Definition,
	}
}

// twin is a built-in provider whose parser is a mapping.
func twin(t testing.TB, file string, built provider.Definition) provider.Definition {
	t.Helper()
	m := load(t, file)
	built.New = func(options map[string]string) (provider.Parser, error) {
		return m, provider.NoOptions(built.ID, options)
	}
	return built
}

// A mapping of a built-in provider passes what the provider's own code passes: every
// golden to the letter, and everything hostile.
func TestMappingsPassTheGoldensOfTheirTwins(t *testing.T) {
	for file, built := range twins() {
		t.Run(built().ID, func(t *testing.T) {
			def := twin(t, file, built())
			t.Chdir("../" + def.ID)
			providertest.RunMapped(t, def)
		})
	}
}
