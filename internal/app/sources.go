package app

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/internal/provider/mapping"
	"github.com/postrider/postrider/internal/shadow"
	"github.com/postrider/postrider/pkg/webhook"
)

// ProviderIDs lists the providers that a source may have: those that are built in, and
// that of declared mappings.
func ProviderIDs() []string {
	var ids []string
	for _, d := range all.Definitions() {
		ids = append(ids, d.ID)
	}
	return append(ids, mapping.ID)
}

// AuthRules tells what belongs to each way of proving a webhook, for the check of
// a configuration.
func AuthRules() map[string]config.AuthRule {
	rules := make(map[string]config.AuthRule)
	for _, s := range webhook.Schemes() {
		rules[s.Type] = config.AuthRule{Keys: s.Fields, SecretsOptional: s.SecretsOptional || s.SecretsNone}
	}
	return rules
}

// CompiledSource is one configured source, ready to receive and to be sent to.
type CompiledSource struct {
	Config   config.Source
	Def      provider.Definition
	Webhook  webhook.Config // how its requests are proven
	Ingest   *ingest.Source // the App fills in Metrics, Answers and Shadow
	Shadow   *shadow.Source // what it is compared with; nil: nothing
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
	given := webhookConfig(src.Auth)
	c := &CompiledSource{Config: src, Webhook: given}
	def, ok := definition(cfg, path, src, problems)
	if !ok {
		return c
	}
	c.Def = def
	c.Webhook.Tolerance = def.Policy.Tolerance(given)
	if given.Type == "sns" {
		c.Webhook.Fetch = delivery.NewFetcher(delivery.FetchOptions{}) // of the certificates that sign
	}
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
	if wrong := def.Policy.CheckTolerance(def.Title, given); wrong != "" {
		add("auth.tolerance", wrong)
	}
	if wrong := forgets(c.Webhook, cfg.Dedupe.Window); wrong != "" {
		add("auth.tolerance", wrong)
	}
	c.warn(path, given)
	c.warnAddress(cfg, path, given)
	if len(src.Allow) > 0 && verifier != nil {
		verifier = webhook.Allow(verifier, src.Allow)
	}
	c.Ingest = ingestSource(cfg, src, def, parser, verifier)
	c.compileShadow(cfg, path, problems)
	return c
}

// forgets says what is wrong where a proof does not cover the body and is taken for
// longer than its id is remembered; "" if nothing is.
func forgets(c webhook.Config, window time.Duration) string {
	if covers := c.Covers(); covers.Body || !covers.Time || c.Tolerance <= window {
		return ""
	}
	return fmt.Sprintf("its signatures do not cover the body and are taken for %s, but dedupe.window remembers their ids for %s only: "+
		"after that a captured one would prove another body; make dedupe.window at least as long", c.Tolerance, window)
}

// warn collects what is accepted but worth saying; given is how requests are
// proven as configured, without what the provider's policy adds.
func (c *CompiledSource) warn(path string, given webhook.Config) {
	warn := func(field, message string) {
		if message != "" {
			c.Warnings = append(c.Warnings, path+"."+field+": "+message)
		}
	}
	for _, w := range given.Warnings() {
		if w.Field != "type" { // none: the configuration's own notice says so
			warn("auth."+w.Field, w.Message)
		}
	}
	policy := &c.Def.Policy
	warn("refused_status", policy.WarnRefused(c.Def.Title, c.Config.RefusedStatus))
	warn("auth.tolerance", policy.WarnTolerance(c.Def.Title, given))
	if c.Config.Durability == modeBroker && policy.RetryHorizon == 0 {
		warn("durability", fmt.Sprintf("broker: it is not known that %s sends an event again, so whatever comes while Kafka is away may be lost; "+
			"broker_then_spool keeps it on the disk", c.Def.Title))
	}
}

// warnAddress says that the address that a provider signs is not known.
func (c *CompiledSource) warnAddress(cfg *config.Config, path string, given webhook.Config) {
	if cfg.Server.PublicURL == "" && given.URL == "" && given.SignsAddress() {
		c.Warnings = append(c.Warnings, path+".auth: the provider signs the address that it calls, and nothing says which that is: "+
			"set server.public_url, or every webhook that comes through another address than server.listen is refused")
	}
}

// ingestSource fills in what the receiver needs of a source.
func ingestSource(cfg *config.Config, src config.Source, def provider.Definition, p provider.Parser, v webhook.Verifier) *ingest.Source {
	answers := def.Policy.Answers()
	s := &ingest.Source{
		Name:          src.Name,
		Verifier:      v,
		TakesToken:    src.Auth.Type == "token",
		Accepted:      answers.Accepted,
		Busy:          answers.Busy,
		Overload:      answers.Overload,
		RefusedStatus: cmp.Or(src.RefusedStatus, answers.Refused),
		MaxBodyBytes:  cmp.Or(src.MaxBodyBytes, cfg.Server.MaxBodyBytes),
		Durability:    durability(src.Durability),
		DedupeWindow:  min(src.DedupeWindow, cfg.Dedupe.Window),
		Methods:       def.Methods,
		Probes:        def.Probes,
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
	s.Handshaker, _ = p.(provider.Handshaker)  // most have nothing to ask for
	s.Dedupe, _ = dedupe.ParseMode(src.Dedupe) // config checks it
	return s
}

// durability is what a configured name means; config checks the names.
func durability(name string) broker.Durability {
	switch name {
	case "broker":
		return broker.BrokerOnly
	case "spool_first":
		return broker.SpoolFirst
	}
	return broker.BrokerThenSpool
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
		URL: a.URL, Topics: a.Topics,
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
