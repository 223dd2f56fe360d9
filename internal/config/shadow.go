package config

import (
	"fmt"

	"github.com/postrider/postrider/internal/mapspec"
)

// DefaultShadowSample is how many samples are kept where Shadow.Sample is 0, and
// maxShadowSample how many may be.
const (
	DefaultShadowSample = 20
	maxShadowSample     = 1000
)

// Shadow is a second way of judging a source's requests, beside the live one: other
// keys, another mapping, or both. It is compared and never published.
type Shadow struct {
	Auth        Auth              `yaml:"auth"`     // other keys; without type: proofs are not compared
	Provider    string            `yaml:"provider"` // another provider; "": the source's, or mapping where there is one
	Options     map[string]string `yaml:"options"`  // its options
	Mapping     *mapspec.Spec     `yaml:"mapping"`
	MappingFile string            `yaml:"mapping_file"` // file with it, in place of mapping; once loaded, Mapping is set
	Sample      int               `yaml:"sample"`       // how many of the latest requests that differ are kept; 0: 20
}

// Proves reports whether a shadow has keys of its own.
func (s *Shadow) Proves() bool { return s.Auth.Type != "" || len(s.Auth.Secrets) > 0 }

// Reads reports whether a shadow reads requests in a way of its own.
func (s *Shadow) Reads() bool {
	return s.Provider != "" || len(s.Options) > 0 || s.Mapping != nil || s.MappingFile != ""
}

// ShadowSource is the source as it would be with what its shadow has otherwise.
func (s *Source) ShadowSource() Source {
	other := *s
	other.Shadow = Shadow{}
	if s.Shadow.Proves() {
		other.Auth = s.Shadow.Auth
	}
	if !s.Shadow.Reads() {
		return other
	}
	other.Options, other.Mapping, other.MappingFile = s.Shadow.Options, s.Shadow.Mapping, s.Shadow.MappingFile
	if s.Shadow.Provider != "" {
		other.Provider = s.Shadow.Provider
	} else if s.Shadow.Mapping != nil || s.Shadow.MappingFile != "" {
		other.Provider = mappingProvider
	}
	return other
}

// shadow checks what a source is compared with.
func (v *validator) shadow(path string, source *Source) {
	s := &source.Shadow
	if s.Sample < 0 || s.Sample > maxShadowSample {
		v.bad(path+".sample", fmt.Sprintf("%d: must be from 0 to %d", s.Sample, maxShadowSample), fmt.Sprintf("0 is the default, %d", DefaultShadowSample))
	}
	if s.Sample != 0 && !s.Proves() && !s.Reads() && !v.failed[path] {
		v.bad(path, "there is nothing to compare", "give auth, or provider, options or mapping")
	}
	if s.Proves() {
		v.auth(path+".auth", &s.Auth)
	}
	if s.Reads() {
		other := source.ShadowSource()
		if s.Provider != "" {
			v.provider(path+".provider", s.Provider)
		}
		v.mapping(path, &other)
	}
}
