package app

import (
	"cmp"
	"context"
	"errors"

	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/shadow"
	"github.com/postrider/postrider/pkg/webhook"
)

// compileShadow compiles what a source is compared with, if anything; what is wrong
// is added to problems under the source's path.
func (c *CompiledSource) compileShadow(cfg *config.Config, path string, problems *config.Problems) {
	given := &c.Config.Shadow
	if !given.Proves() && !given.Reads() {
		return
	}
	path += ".shadow"
	other := c.Config.ShadowSource()
	def, ok := definition(cfg, path, other, problems)
	if !ok {
		return
	}
	s := &shadow.Source{
		Name: c.Config.Name, Live: &c.Ingest.Normalize, Keep: cmp.Or(given.Sample, config.DefaultShadowSample), Config: c.Config,
	}
	add := func(field, message string) {
		if at := path + "." + field; !problems.Has(at) {
			problems.Add(at, cfg.Place(at), message, "")
		}
	}
	if given.Proves() {
		auth := webhookConfig(other.Auth)
		if auth.Tolerance = def.Policy.Tolerance(auth); auth.Type == "sns" {
			auth.Fetch = delivery.NewFetcher(delivery.FetchOptions{}) // of the certificates that sign
		}
		verifier, err := webhook.New(auth)
		if wrong, ok := errors.AsType[*webhook.ConfigError](err); ok {
			for _, p := range wrong.Problems {
				add("auth."+p.Field, p.Message)
			}
		}
		s.Verifier = verifier
		// What may be the live secret tomorrow is in no topic today.
		c.Ingest.Normalize.SecretHeaders = append(secretHeaders(other.Auth), c.Ingest.Normalize.SecretHeaders...)
	}
	if given.Reads() {
		parser, err := def.New(other.Options)
		if err != nil {
			add("options", err.Error())
			return
		}
		read := c.Ingest.Normalize
		read.Provider, read.Parser, read.Mapper = other.Provider, parser, def.Mapper
		s.Read = &read
	}
	c.Shadow = s
}

// installShadows has the sources in force compared with their shadows, and no others.
func (a *App) installShadows(compiled []*CompiledSource) {
	var all []*shadow.Source
	for _, s := range compiled {
		if s.Shadow != nil {
			all = append(all, s.Shadow)
		}
	}
	views := a.shadows.Set(all)
	for _, s := range compiled {
		if view := views[s.Config.Name]; view != nil {
			s.Ingest.Shadow = view
		}
	}
}

// readShadow is how requests are read for comparison.
func (a *App) readShadow(ctx context.Context, s *normalize.Source, v webhook.Verified, rawID string) (normalize.Output, error) {
	if a.shadowing != nil {
		return a.shadowing(ctx, s, v, rawID)
	}
	return normalize.Normalize(ctx, s, v, rawID) //nolint:wrapcheck // it names itself
}
