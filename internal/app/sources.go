package app

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/pkg/webhook"
)

// ProviderIDs lists the providers that are built in.
func ProviderIDs() []string {
	defs := all.Definitions()
	ids := make([]string, len(defs))
	for i, d := range defs {
		ids[i] = d.ID
	}
	return ids
}

// CompiledSource is one configured source, ready to receive and to be sent to.
type CompiledSource struct {
	Config   config.Source
	Def      provider.Definition
	Webhook  webhook.Config // how its requests are proven
	Ingest   *ingest.Source // Metrics is filled in by the App
	Warnings []string
}

// CheckSources adds what compiling the configured sources finds wrong to
// problems; it is the Check of config.Options.
func CheckSources(cfg *config.Config, problems *config.Problems) {
	compileSources(cfg, cfg.Sources, problems)
}

// CompileSources turns configured sources into working ones. The error is a
// *config.Problems with every problem of every source and its place.
func CompileSources(cfg *config.Config, sources []config.Source) ([]*CompiledSource, error) {
	var problems config.Problems
	compiled := compileSources(cfg, sources, &problems)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return compiled, nil
}

// compileSources compiles every source.
func compileSources(cfg *config.Config, sources []config.Source, problems *config.Problems) []*CompiledSource {
	compiled := make([]*CompiledSource, len(sources))
	for i, src := range sources {
		compiled[i] = compileSource(cfg, fmt.Sprintf("sources[%d]", i), src, problems)
	}
	return compiled
}

// compileSource compiles one source; what is wrong is added to problems under path.
func compileSource(cfg *config.Config, path string, src config.Source, problems *config.Problems) *CompiledSource {
	add := func(field, message string) {
		if problems.Has(path + "." + field) {
			return // the configuration itself says so already
		}
		problems.Add(path+"."+field, cfg.Place(path+"."+field), message, "")
	}
	c := &CompiledSource{Config: src, Webhook: webhookConfig(src.Auth)}
	def, ok := all.Lookup(src.Provider)
	if !ok {
		add("provider", "unknown provider")
		return c
	}
	c.Def = def
	parser, err := def.New(src.Options)
	if err != nil {
		add("options", err.Error())
	}
	verifier, err := webhook.New(c.Webhook)
	if wrong, ok := errors.AsType[*webhook.ConfigError](err); ok {
		for _, p := range wrong.Problems {
			add("auth."+p.Field, p.Message)
		}
	}
	for _, w := range c.Webhook.Warnings() {
		if w.Field == "type" {
			continue // none: the configuration's own notice says so
		}
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s.auth.%s: %s", path, w.Field, w.Message))
	}
	if len(src.Allow) > 0 && verifier != nil {
		verifier = webhook.Allow(verifier, src.Allow)
	}
	c.Ingest = ingestSource(cfg, src, def, parser, verifier)
	return c
}

// ingestSource fills in what the receiver needs of a source.
func ingestSource(cfg *config.Config, src config.Source, def provider.Definition, p provider.Parser, v webhook.Verifier) *ingest.Source {
	s := &ingest.Source{
		Name:          src.Name,
		Verifier:      v,
		TakesToken:    src.Auth.Type == "token",
		Busy:          def.Policy.Busy,
		RefusedStatus: src.RefusedStatus,
		MaxBodyBytes:  src.MaxBodyBytes,
		Normalize: normalize.Source{
			Name: src.Name, ID: src.ID, Provider: src.Provider,
			Parser: p, Mapper: def.Mapper,
			QueryRecipient: src.Query.Recipient, QueryMetadata: src.Query.Metadata,
			Pepper: []byte(cfg.PII.Pepper.Reveal()), HashRecipient: cfg.PII.Recipient == "hash",
			SecretHeaders: secretHeaders(src.Auth),
		},
	}
	if v != nil {
		s.Challenge = webhook.Challenge(v)
	}
	if s.RefusedStatus == 0 {
		s.RefusedStatus = http.StatusUnauthorized
	}
	if s.Busy == 0 {
		s.Busy = http.StatusServiceUnavailable
	}
	if s.MaxBodyBytes == 0 {
		s.MaxBodyBytes = cfg.Server.MaxBodyBytes
	}
	return s
}

// secretHeaders names the headers that carry a secret itself, which no topic may
// hold. A signature header is none: `verify` needs it later.
func secretHeaders(a config.Auth) []string {
	if a.Type == "header" {
		return []string{a.Header}
	}
	return nil
}

// webhookConfig maps the configuration's auth block to the scheme's.
func webhookConfig(a config.Auth) webhook.Config {
	c := webhook.Config{
		Type: a.Type, Header: a.Header, Algorithm: a.Algorithm, Prefix: a.Prefix,
		Encoding: a.Encoding, Template: a.Template, Timestamp: a.Timestamp,
		IDHeader: a.IDHeader, Tolerance: a.Tolerance, Decode: a.Decode,
	}
	for _, s := range a.Secrets {
		c.Secrets = append(c.Secrets, webhook.Secret{
			ID: s.ID, Value: []byte(s.Value.Reveal()), Username: s.Username,
			Password: []byte(s.Password.Reveal()), NotAfter: s.NotAfter,
		})
	}
	return c
}

// ingestSources are the receiver's halves.
func ingestSources(compiled []*CompiledSource) []*ingest.Source {
	out := make([]*ingest.Source, len(compiled))
	for i, c := range compiled {
		out[i] = c.Ingest
	}
	return out
}

// Address is where requests to the source go, below a base address; token is ""
// for sources that need none in the path.
func (c *CompiledSource) Address(base, token string) string {
	return ingest.URL(base, c.Config.Name, token)
}

// Describe tells where providers reach the source; what it returns holds
// secrets and is for the operator's terminal only.
func (c *CompiledSource) Describe(publicURL string) SourceInfo {
	info := SourceInfo{Name: c.Config.Name, Provider: c.Config.Provider, Auth: c.Config.Auth.Type}
	token := ""
	if len(c.Webhook.Secrets) > 0 {
		first := string(c.Webhook.Secrets[0].Value)
		if c.Config.Auth.Type == "token" {
			token = first
		} else {
			info.Secret = first
		}
	}
	info.URL = ingest.URL(publicURL, info.Name, token)
	return info
}
