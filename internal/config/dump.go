package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/postrider/postrider/internal/mapspec"
)

// redacted stands for a secret in a dump.
const redacted = "[redacted]"

// secretOption is a provider's option that may be a secret.
var secretOption = regexp.MustCompile(`(?i)secret|token|password|passwd|credential|private|key`)

// DumpYAML returns the effective configuration as YAML, with defaults filled in
// and secrets redacted. Paths are absolute.
func (c *Config) DumpYAML() ([]byte, error) {
	text, err := yaml.MarshalWithOptions(c.dump(), yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("configuration: writing YAML: %w", err)
	}
	return text, nil
}

// DumpJSON returns the same as DumpYAML, as indented JSON.
func (c *Config) DumpJSON() ([]byte, error) {
	text, err := yaml.MarshalWithOptions(c.dump(), yaml.JSON())
	if err != nil {
		return nil, fmt.Errorf("configuration: writing JSON: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return nil, fmt.Errorf("configuration: writing JSON: %w", err)
	}
	return b.Bytes(), nil
}

func (c *Config) dump() yaml.MapSlice {
	full := dumpGroup(reflect.ValueOf(*c), true)
	if c.SourcesGiven {
		return full
	}
	return full[:len(full)-1] // sources come last; generated ones are not configuration
}

// dumpGroup lists a group's keys; with zeros also those that are not set.
func dumpGroup(v reflect.Value, zeros bool) yaml.MapSlice {
	var list yaml.MapSlice
	for _, f := range fields(v.Type()) {
		value := v.Field(f.index)
		if value.IsZero() && (!zeros || value.Kind() == reflect.Pointer) || fromFile(v, f.key) {
			continue
		}
		list = append(list, yaml.MapItem{Key: f.key, Value: dumpValue(value, f.key, zeros)})
	}
	return list
}

// fromFile reports whether the key is a secret that its group reads from a file;
// the file is shown instead.
func fromFile(group reflect.Value, key string) bool {
	fileKey := key + "_file" // of mappings as well
	if key == "value" {
		fileKey = "file"
	}
	for _, f := range fields(group.Type()) {
		if f.key == fileKey && f.typ.Kind() == reflect.String {
			return group.Field(f.index).String() != ""
		}
	}
	return false
}

func dumpValue(v reflect.Value, key string, zeros bool) any {
	switch value := v.Interface().(type) {
	case Secret:
		return value.String()
	case time.Duration:
		return formatDuration(value)
	case time.Time:
		return value.UTC().Format(time.RFC3339)
	case netip.Prefix:
		return value.String()
	case *bool:
		return *value
	case map[string]string:
		return dumpOptions(value)
	}
	return dumpKind(v, key, zeros)
}

// dumpKind is dumpValue for what has no type of its own.
func dumpKind(v reflect.Value, key string, zeros bool) any {
	switch {
	case v.Kind() == reflect.Pointer:
		return dumpGroup(v.Elem(), false)
	case v.Type() == reflect.TypeFor[mapspec.Sources]() && v.Len() == 1:
		return v.Index(0).String()
	case v.Kind() == reflect.Map && isGroup(v.Type().Elem()):
		return dumpGroups(v)
	case isGroup(v.Type()):
		return dumpGroup(v, zeros)
	case v.Kind() == reflect.Slice:
		return dumpList(v)
	case v.Kind() == reflect.Int64 || v.CanInt() && strings.HasSuffix(key, "_bytes"):
		return formatSize(v.Int())
	}
	return v.Interface()
}

func dumpList(v reflect.Value) []any {
	list := make([]any, 0, v.Len())
	for i := range v.Len() {
		list = append(list, dumpValue(v.Index(i), "", false))
	}
	return list
}

func dumpOptions(options map[string]string) map[string]string {
	shown := make(map[string]string, len(options))
	for key, value := range options {
		if secretOption.MatchString(key) && value != "" {
			value = redacted
		}
		shown[key] = value
	}
	return shown
}
