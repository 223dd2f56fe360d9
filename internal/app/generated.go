package app

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
)

// generatedFile is where generated sources are kept, in the data folder.
const generatedFile = "sources.yaml"

// generatedProviders get a source each when the configuration names none.
func generatedProviders() []string { return []string{"vfs", "cmcom", "jetemail"} }

// DataDir is the folder that holds what the software keeps: the folder of the
// embedded broker's folder.
func DataDir(cfg *config.Config) string { return filepath.Dir(cfg.Kafka.Embedded.Dir) }

// GeneratedFile is the path of the generated sources.
func GeneratedFile(cfg *config.Config) string { return filepath.Join(DataDir(cfg), generatedFile) }

// ErrNoSources says that the configuration has no sources and none were
// generated yet.
var ErrNoSources = errors.New("app: the configuration has no `sources` and none were generated yet: run `postrider serve` once, or write `sources`")

// errEmptySources says that the generated sources are gone: every provider would
// be told that its address does not exist, which some take for good.
var errEmptySources = errors.New("app: the file of the generated sources names none: restore it, or remove it to have new ones (and enter their addresses at the providers again)")

// Sources returns the sources in force: those of the configuration or, when it
// has none, the generated ones. With create they are generated when missing, and
// created tells so. Random bytes come from random.
func Sources(cfg *config.Config, create bool, random io.Reader) (sources []config.Source, created bool, err error) {
	if cfg.SourcesGiven {
		return cfg.Sources, false, nil
	}
	path := GeneratedFile(cfg)
	_, err = os.Stat(path)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return nil, false, fmt.Errorf("app: generated sources: %w", err)
	case !create:
		return nil, false, ErrNoSources
	default:
		if err := generate(path, random); err != nil {
			return nil, false, err
		}
		created = true
	}
	got, err := config.Load(config.Options{File: path, Providers: ProviderIDs()})
	if err != nil {
		return nil, false, fmt.Errorf("app: generated sources: %w", err)
	}
	if len(got.Sources) == 0 {
		return nil, false, fmt.Errorf("%w: %s", errEmptySources, path)
	}
	return got.Sources, created, nil
}

// generate writes a source with a fresh secret for each seed provider, readable
// by the owner only.
func generate(path string, random io.Reader) error {
	var b strings.Builder
	b.WriteString("# Made by `postrider serve` because the configuration names no sources.\n" +
		"# Copy what you keep into config.yaml; this file is read only while `sources` is absent there.\n" +
		"sources:\n")
	for _, id := range generatedProviders() {
		def, ok := all.Lookup(id)
		if !ok {
			return fmt.Errorf("app: provider %q is not built in", id)
		}
		secret, err := newSecret(def, random)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "  - name: %s\n    provider: %s\n    auth: {type: %s, secrets: [{id: generated, value: %s}]}\n",
			def.ID, def.ID, def.Auth, secret)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("app: data folder: %w", err)
	}
	if err := writeDurably(path, b.String()); err != nil {
		return fmt.Errorf("app: generated sources: %w", err)
	}
	return nil
}

// writeDurably writes a file that only the owner reads, whole or not at all,
// also when the machine stops half-way.
func writeDurably(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// newSecret makes 192 random bits in the form the provider's secrets have, or
// 128 bits for a token in a URL.
func newSecret(def provider.Definition, random io.Reader) (string, error) {
	var raw [24]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fmt.Errorf("app: generate a secret: %w", err)
	}
	if def.Auth == "token" {
		return hex.EncodeToString(raw[:16]), nil
	}
	return "whsec_" + base64.RawURLEncoding.EncodeToString(raw[:]), nil
}
