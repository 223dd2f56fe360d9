package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DefaultFile is the file that is read when none is named, if it exists.
const DefaultFile = "config.yaml"

// Options says where the configuration comes from and what it may name.
type Options struct {
	// File is the file to read. "" reads the one that the variable POSTRIDER_CONFIG
	// names or, without that, DefaultFile from the working directory if it is
	// there; a file that is named has to exist.
	File string
	// Env is the environment, as os.Environ gives it.
	Env []string
	// ReadFile reads the configuration and secret files; nil reads the disk, and
	// then also tells of secret files that everybody may read.
	ReadFile func(name string) ([]byte, error)
	// Providers are the provider ids a source may name; empty allows any.
	Providers []string
	// AuthTypes are the auth types a source may name; empty allows those of
	// AuthRules, and without any of them every one.
	AuthTypes []string
	// AuthRules are what the auth types take, by name. A type without a rule takes
	// every key.
	AuthRules map[string]AuthRule
	// Check looks further once this package is through, at what belongs to
	// other packages; nil looks no further. The configuration it gets may have
	// problems already.
	Check func(*Config, *Problems)
	// Now is the clock that not_after is compared with; nil compares nothing.
	Now func() time.Time
}

// AuthRule is what the auth block of one type holds.
type AuthRule struct {
	Keys            []string // beside type and secrets
	SecretsOptional bool     // secrets may be left out
}

// Load reads, checks and completes the configuration. The error is a *Problems
// with every problem there is; no secret is in it. The environment overrides
// the file, the file overrides Default.
func Load(o Options) (*Config, error) {
	l := &loader{Options: o, problems: &Problems{}, cfg: Default(), vars: newVariables(o.Env)}
	root, err := l.tree()
	if err != nil {
		return nil, err
	}
	l.decode(root)
	l.complete()
	l.secretFiles()
	l.mappingFiles()
	v := &validator{loader: l}
	v.config()
	if o.Check != nil {
		o.Check(l.cfg, l.problems)
	}
	if err := l.problems.Err(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(l.cfg.Notices, compareNatural)
	return l.cfg, nil
}

// loader is one call of Load.
type loader struct {
	Options

	problems *Problems
	cfg      *Config
	vars     variables
	failed   map[string]bool
}

// tree reads the file and merges the environment into it.
func (l *loader) tree() (*node, error) {
	root, err := l.file()
	if err != nil {
		return nil, err
	}
	referenced := map[string]bool{}
	root.references(referenced)
	(&overlay{problems: l.problems}).apply(root, l.vars, referenced)
	root.expand("", l.vars, l.problems)
	return root, nil
}

// file reads the tree of the file, or an empty one if there is no file.
func (l *loader) file() (*node, error) {
	name, hint := l.File, ""
	if named := l.vars[FileVariable]; name == "" && named != "" {
		name, hint = named, "the variable "+FileVariable+" names it"
	}
	required := name != ""
	if !required {
		name = DefaultFile
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("configuration: finding the working directory: %w", err)
	}
	l.cfg.Dir = filepath.Dir(path)
	data, err := l.read(path)
	if !required && errors.Is(err, fs.ErrNotExist) {
		return &node{kind: kindGroup}, nil
	}
	if err != nil {
		l.problems.Add("", name, "cannot read the configuration file: "+plainError(err), hint)
		return nil, l.problems
	}
	l.cfg.File = name
	root := (&reader{file: name, problems: l.problems}).read(data)
	if root == nil {
		return nil, l.problems
	}
	return root, nil
}

// read returns the content of a file, of which it reads no more than is allowed.
func (l *loader) read(path string) ([]byte, error) {
	if l.ReadFile != nil {
		return l.ReadFile(path)
	}
	f, err := os.Open(path) //nolint:gosec // the operator names the files
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, maxFileBytes+1))
}

// plainError is the cause of a file error, without the path.
func plainError(err error) string {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err.Error()
	}
	return err.Error()
}

func (l *loader) decode(root *node) {
	d := newDecoder(l.problems)
	d.decode(root, reflect.ValueOf(l.cfg).Elem(), "")
	l.failed, l.cfg.places, l.cfg.hidden, l.cfg.texts = d.failed, d.places, d.hidden, d.texts
	if sources := root.get("sources"); sources != nil && sources.kind != kindNull {
		l.cfg.SourcesGiven = true
	}
}

// complete fills what follows from other keys, and makes paths absolute.
func (l *loader) complete() {
	for i := range l.cfg.Sources {
		l.cfg.Sources[i].complete()
	}
	for i := range l.cfg.Replay.Targets {
		l.cfg.Replay.Targets[i].complete()
	}
	for i := range l.cfg.Forward.Subscriptions {
		l.cfg.Forward.Subscriptions[i].complete()
	}
	for _, p := range l.cfg.paths() {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(l.cfg.Dir, *p)
		}
	}
}

// complete fills in what a source is without being told.
func (s *Source) complete() {
	s.ID = cmp.Or(s.ID, s.Name)
	s.Dedupe = cmp.Or(s.Dedupe, defaultDedupe)
	s.Durability = cmp.Or(s.Durability, defaultDurability)
	s.Auth.complete()
	s.Shadow.Auth.complete()
}

// complete names secrets that have no id by their places.
func (a *Auth) complete() {
	for i := range a.Secrets {
		k := &a.Secrets[i]
		k.ID = cmp.Or(k.ID, strconv.Itoa(i+1))
	}
}

// complete fills in what a target is without being told.
func (t *ReplayTarget) complete() {
	for i := range t.Secrets {
		s := &t.Secrets[i]
		s.ID = cmp.Or(s.ID, strconv.Itoa(i+1))
	}
}

// paths returns every key that is a path.
func (c *Config) paths() []*string {
	k := &c.Kafka
	list := []*string{
		&k.Embedded.Dir, &k.TLS.CAFile, &k.TLS.CertFile, &k.TLS.KeyFile,
		&c.Spool.Dir, &c.Quarantine.Dir,
	}
	for _, s := range c.secretKeys() {
		list = append(list, s.file)
	}
	for i := range c.Sources {
		list = append(list, &c.Sources[i].MappingFile, &c.Sources[i].Shadow.MappingFile)
	}
	return list
}

// Place returns where the key at path was given, e.g. "config.yaml:14:9"; if it
// was not given, the place of the nearest key above it.
func (c *Config) Place(path string) string {
	for {
		if place := c.places[path]; place != "" || path == "" {
			return place
		}
		path = parentPath(path)
	}
}

// parentPath is the path one level up: of "a.b[1]" it is "a.b", then "a", then "".
func parentPath(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}
