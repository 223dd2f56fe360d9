package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/pkg/webhook"
)

// verifyFlags are what `postrider verify` is told.
type verifyFlags struct {
	source  string
	headers []string
	body    string
	path    string
	raw     string
	at      string
}

// newVerify is `postrider verify`.
func newVerify(c *cli) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Say why a saved request's signature does or does not hold",
		Long: `Take a saved webhook request through the proof of its source, step by step, and
say what holds, what does not and what would help; then say which events it
becomes. Nothing is sent or published, and no secret is shown. Exit code 1 if the
request is refused.

FILE ("-" is standard input) holds the request as it came: optionally a first
line "POST /v1/webhooks/...", then "Header: value" lines, an empty line, and the
body byte for byte. Or give --header and --body. Or take a request from the raw
topic by its place; credentials that are no signature (tokens, passwords) are
never stored there, so only signatures can be verified again.`,
		Example: `  postrider verify request.http --source jetemail
  postrider verify --source jetemail --header "X-Webhook-Signature: sha256=..." --body body.json
  postrider verify --raw email.raw/3/1841
  postrider verify saved.http --source shop --at 2026-11-21T09:30:00Z`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.verify(cmd.Context(), f, args) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.source, "source", "", "source the request came to (default: the one in the path or the raw record, or the only one)")
	fs.StringArrayVarP(&f.headers, "header", "H", nil, "header of the request, \"Name: value\"")
	fs.StringVar(&f.body, "body", "", "file with the request's body, byte for byte")
	fs.StringVar(&f.path, "path", "", "path and query that were called, with the token if there is one")
	fs.StringVar(&f.raw, "raw", "", "take the request from the raw topic: its place there, email.raw[3]@1841 or email.raw/3/1841")
	fs.StringVar(&f.at, "at", "", "when it was received, as an RFC 3339 time (default: now, or what the raw record says)")
	cmd.MarkFlagsMutuallyExclusive("raw", "body")
	c.complete(cmd, "source", c.sourceNames)
	_ = cmd.MarkFlagFilename("body")
	return cmd
}

// verdict is everything `postrider verify` has to say.
type verdict struct {
	Source      string        `json:"source"`
	Provider    string        `json:"provider"`
	Auth        string        `json:"auth"`
	Accepted    bool          `json:"accepted"`
	Checks      []verifyCheck `json:"checks"`
	Events      []verifyEvent `json:"events,omitempty"`
	DeadLetters []deadLetter  `json:"dead_letters,omitempty"`
}

type verifyCheck struct {
	Step    string          `json:"step"`
	Outcome webhook.Outcome `json:"outcome"`
	Detail  string          `json:"detail"`
}

type verifyEvent struct {
	Index int             `json:"index"`
	Topic string          `json:"topic"`
	Key   string          `json:"key"`
	Event json.RawMessage `json:"event"`

	id, typ string
}

type deadLetter struct {
	Index  int    `json:"index"`
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
}

// errRefused is the outcome of verifying a request that does not hold.
var errRefused = errors.New("verify: refused")

// verify explains one request.
func (c *cli) verify(ctx context.Context, f verifyFlags, args []string) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	compiled, err := c.compiled(cfg)
	if err != nil {
		return err
	}
	saved, err := c.savedRequest(ctx, cfg, f, args)
	if err != nil {
		return err
	}
	source, err := saved.sourceOf(f.source, compiled)
	if err != nil {
		return err
	}
	if err := saved.complete(f.at, source, cfg.PublicURL(), c.now()); err != nil {
		return err
	}
	v, err := judge(ctx, cfg, source, saved)
	if err != nil {
		return err
	}
	if err := c.printVerdict(&v); err != nil {
		return err
	}
	if !v.Accepted {
		return errRefused
	}
	return nil
}

// sourceOf finds the source that a request came to.
func (s *savedRequest) sourceOf(name string, compiled []*app.CompiledSource) (*app.CompiledSource, error) {
	if name == "" {
		name = s.source
	}
	if name == "" && len(compiled) == 1 {
		return compiled[0], nil
	}
	i := slices.IndexFunc(compiled, func(c *app.CompiledSource) bool { return c.Config.Name == name })
	switch {
	case i >= 0:
		return compiled[i], nil
	case name == "":
		return nil, fmt.Errorf("verify: which source did it come to? add --source, one of %s", strings.Join(names(compiled), ", "))
	}
	return nil, known("verify: --source", []string{name}, names(compiled))
}

// judge explains the request and, if it holds, normalizes it.
func judge(ctx context.Context, cfg *config.Config, source *app.CompiledSource, s *savedRequest) (verdict, error) {
	v := verdict{Source: source.Config.Name, Provider: source.Config.Provider, Auth: source.Config.Auth.Type}
	auth := source.Webhook
	if s.stored && credentialAlone(auth.Type) {
		v.Checks = append(v.Checks, verifyCheck{
			"stored request", webhook.OutcomeNote,
			"auth type " + auth.Type + " proves a request by a credential, which no topic holds: it cannot be verified again. It was proven when it was received",
		})
		auth = webhook.Config{Type: "none"}
	} else {
		for _, check := range webhook.Explain(auth, s.request) {
			v.Checks = append(v.Checks, verifyCheck(check))
		}
	}
	verifier, err := webhook.New(auth)
	if err != nil {
		return v, fmt.Errorf("verify: %w", err)
	}
	proven, err := webhook.Verify(verifier, s.request)
	if v.Accepted = err == nil; !v.Accepted {
		return v, nil // the checks say why
	}
	out, err := normalize.Normalize(ctx, &source.Ingest.Normalize, proven, s.rawID)
	if err != nil {
		return v, fmt.Errorf("verify: %w", err)
	}
	v.normalize(cfg, out)
	return v, nil
}

// credentialAlone reports the auth types whose proof is a secret that comes with
// every request, and is therefore never stored.
func credentialAlone(authType string) bool {
	return slices.Contains([]string{"token", "basic", "bearer", "header"}, authType)
}

// normalize adds what the request becomes.
func (v *verdict) normalize(cfg *config.Config, out normalize.Output) {
	topics, key := app.TopicNames(cfg.Kafka.Topics).Typed, app.RecordKey(cfg.Kafka.Topics)
	for i := range out.Events {
		e := &out.Events[i].Event
		v.Events = append(v.Events, verifyEvent{
			Index: out.Events[i].Index, Topic: topics[e.Route()], Key: key(e), Event: e.AppendJSON(nil), id: e.ID, typ: e.ProviderType,
		})
	}
	for _, d := range out.DeadLetters {
		v.DeadLetters = append(v.DeadLetters, deadLetter{d.Index, d.Reason, d.Detail})
	}
}

// printVerdict prints the steps and the events.
func (c *cli) printVerdict(v *verdict) error {
	if c.json() {
		return json.NewEncoder(c.out).Encode(v) //nolint:wrapcheck // standard output
	}
	fmt.Fprintf(c.out, "source %s, provider %s, auth type %s\n\n", v.Source, v.Provider, v.Auth)
	for _, check := range v.Checks {
		fmt.Fprintf(c.out, "  %s  %s: %s\n", c.style.outcome(check.Outcome), printable(check.Step), printable(check.Detail))
	}
	if !v.Accepted {
		return nil
	}
	fmt.Fprintf(c.out, "\nIt becomes %s and %s.\n", plural(len(v.Events), "event"), plural(len(v.DeadLetters), "dead letter"))
	for _, e := range v.Events {
		fmt.Fprintf(c.out, "\n%s  %s  key %s  id %s\n%s\n", printable(e.typ), e.Topic, printable(e.Key), e.id, indented(e.Event))
	}
	for _, d := range v.DeadLetters {
		fmt.Fprintf(c.out, "\ndead letter  item %d  %s: %s\n", d.Index, d.Reason, d.Detail)
	}
	return nil
}

// outcome is the word at the beginning of a step.
func (st style) outcome(o webhook.Outcome) string {
	switch o {
	case webhook.OutcomeOK:
		return st.good.apply("ok  ")
	case webhook.OutcomeFailed:
		return st.bad.apply("fail")
	case webhook.OutcomeNote:
	}
	return st.dim.apply("note")
}

// indented is JSON for people. Control characters are escaped in JSON anyway.
func indented(b []byte) string {
	text, err := json.MarshalIndent(json.RawMessage(b), "", "  ")
	if err != nil {
		return printable(string(b))
	}
	return string(text)
}

// parseTime reads --at.
func parseTime(at string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return t, fmt.Errorf("verify: %q is no RFC 3339 time such as 2026-11-21T09:30:00Z", at)
	}
	return t, nil
}
