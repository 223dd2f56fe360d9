package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/sender"
)

// sendFlags are what `postrider send` is told.
type sendFlags struct {
	all               bool
	sources, provider []string
	types             []string
	url               string
	count, duplicates int
	rate              string
	tamper            bool
	stale             time.Duration
	recipient, sender string
	query             []string
	body              string
	noWait            bool
	timeout           time.Duration
}

// newSend is `postrider send`.
func newSend(c *cli) *cobra.Command {
	var f sendFlags
	cmd := &cobra.Command{
		Use:   "send",
		Short: "Send signed test webhooks and say where their events landed",
		Long: `Send signed, realistic webhooks to the sources of the configuration, as their
providers would, and say for each event what was answered and where it landed:
source, provider's type, HTTP status, topic[partition]@offset, event id.

Without --all and --type it sends one typical event to each source; with --all
every event type of every source; with --type those that are named (the
provider's type, the canonical type, or a sample's name). The events are made up
and new each time. Requests go to the receiver on this machine (server.listen)
unless --url names another address; topics are read from the configured Kafka.

Each event's id, topic and partition is worked out beforehand from the bytes that
are sent, and then looked for there. Exit code 1 if a webhook is not answered
with 200, if an event is not found where it belongs, if one that was tampered
with or signed too long ago is accepted, or if a source cannot be sent to (the
others are).`,
		Example: `  postrider send --all
  postrider send --source jetemail --type outbound.bounced
  postrider send --type bounced --recipient someone@example.com
  postrider send --provider cmcom --count 1000 --rate 50/s
  postrider send --type delivered --duplicates 2
  postrider send --tamper                                 must be refused
  postrider send --source jetemail --body webhook.json    this body, freshly signed
  postrider send --all --url https://hooks.example.com --no-wait`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.send(cmd.Context(), f) },
	}
	f.register(c, cmd)
	return cmd
}

// register declares the flags.
func (f *sendFlags) register(c *cli, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&f.all, "all", false, "every event type of every source")
	fs.StringSliceVar(&f.sources, "source", nil, "only these sources")
	fs.StringSliceVar(&f.provider, "provider", nil, "only sources of these providers")
	fs.StringSliceVar(&f.types, "type", nil, "only these event types")
	fs.StringVar(&f.url, "url", "", "base address of the receiver, e.g. https://hooks.example.com (default: server.listen)")
	fs.IntVar(&f.count, "count", 1, "how many rounds of new events")
	fs.StringVar(&f.rate, "rate", "", "webhooks a second at most, e.g. 50/s (default: as fast as answers come)")
	fs.IntVar(&f.duplicates, "duplicates", 0, "send each webhook this many times again, byte for byte")
	fs.BoolVar(&f.tamper, "tamper", false, "change each webhook after signing it; it must be refused")
	fs.Var((*age)(&f.stale), "stale", "sign with a time so long ago, e.g. 48h or 30d; it must be refused")
	fs.StringVar(&f.recipient, "recipient", "recipient@example.com", "recipient of the made-up messages")
	fs.StringVar(&f.sender, "sender", "sender@example.com", "sender of the made-up messages")
	fs.StringArrayVar(&f.query, "query", nil, "parameter of the callback address, name=value")
	fs.StringVar(&f.body, "body", "", "send this file's bytes as the body; needs one source")
	fs.BoolVar(&f.noWait, "no-wait", false, "do not look for the events in Kafka")
	fs.DurationVar(&f.timeout, "timeout", 10*time.Second, "how long to look for what is missing")
	cmd.MarkFlagsMutuallyExclusive("tamper", "stale")
	cmd.MarkFlagsMutuallyExclusive("all", "type", "body")
	_ = cmd.MarkFlagFilename("body")
	c.complete(cmd, "source", c.sourceNames)
	c.complete(cmd, "provider", func() []string { return app.ProviderIDs() })
	c.complete(cmd, "type", providerTypes)
}

// age is a duration as the configuration writes them, with days.
type age time.Duration

// String implements pflag.Value.
func (a *age) String() string { return time.Duration(*a).String() }

// Type implements pflag.Value.
func (*age) Type() string { return "duration" }

// Set implements pflag.Value.
func (a *age) Set(text string) error {
	d, err := config.ParseDuration(text)
	*a = age(d)
	return err //nolint:wrapcheck // it says how a duration is written
}

// send sends what the flags say.
func (c *cli) send(ctx context.Context, f sendFlags) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	targets, err := c.targets(cfg, f)
	if err != nil {
		return err
	}
	plan, err := f.plan(targets)
	if err != nil {
		return err
	}
	plan.Steps = c.skipUnforgeable(plan.Steps, f.variant())
	if len(plan.Steps) == 0 {
		return errors.New("send: nothing to send: no source in the selection can tell such a webhook from a genuine one")
	}
	builder, err := f.builder(c, cfg)
	if err != nil {
		return err
	}
	runner := &sender.Runner{Builder: builder, Client: sender.NewClient(), Now: c.now}
	out := newSendOutput(c, plan)
	runner.Finder, err = c.finder(ctx, cfg, f, builder)
	if err != nil {
		out.noKafka(err)
	}
	err = runner.Run(ctx, plan, out.result)
	return errors.Join(out.finish(), err, out.verdict(f.all && !f.noWait))
}

// targets are the sources that the flags select.
func (c *cli) targets(cfg *config.Config, f sendFlags) ([]*sender.Target, error) {
	compiled, err := c.compiled(cfg)
	if err != nil {
		return nil, err
	}
	base, err := f.base(cfg)
	if err != nil {
		return nil, err
	}
	if err := known("--source", f.sources, names(compiled)); err != nil {
		return nil, err
	}
	if err := known("--provider", f.provider, app.ProviderIDs()); err != nil {
		return nil, err
	}
	var targets []*sender.Target
	for _, s := range compiled {
		if selected(f.sources, s.Config.Name) && selected(f.provider, s.Config.Provider) {
			targets = append(targets, &sender.Target{
				Source: &s.Ingest.Normalize, Provider: s.Def, Auth: s.Webhook, Refused: s.Ingest.RefusedStatus,
				PublicURL: s.Address(cfg.PublicURL(), ""), PostURL: s.Address(base, ""),
			})
		}
	}
	if len(targets) == 0 {
		return nil, errors.New("send: no source is left: `postrider sources` shows which there are")
	}
	return targets, nil
}

// base is the address that the sources' paths are below.
func (f *sendFlags) base(cfg *config.Config) (string, error) {
	if f.url == "" {
		return "http://" + app.Reachable(cfg.Server.Listen), nil
	}
	u, err := url.Parse(f.url)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", errors.New("send: --url: write it as http://host:port or https://host")
	}
	return strings.TrimRight(f.url, "/"), nil
}

// plan turns the flags into what to send.
func (f *sendFlags) plan(targets []*sender.Target) (sender.Plan, error) {
	if f.count < 1 || f.duplicates < 0 {
		return sender.Plan{}, errors.New("send: --count is at least 1 and --duplicates at least 0")
	}
	plan := sender.Plan{Count: f.count, Duplicates: f.duplicates}
	var err error
	if plan.Interval, err = interval(f.rate); err != nil {
		return plan, err
	}
	if f.body == "" {
		plan.Steps, err = sender.Choose(targets, sender.Choice{All: f.all, Types: f.types})
		return plan, err //nolint:wrapcheck // it says who it is
	}
	if len(targets) != 1 {
		return plan, errors.New("send: --body needs exactly one source: add --source NAME")
	}
	body, err := os.ReadFile(f.body)
	if err != nil {
		return plan, fmt.Errorf("send: --body: %w", err)
	}
	plan.Steps = []sender.Step{{Target: targets[0], Sample: provider.Sample{Name: f.body, ProviderType: "-"}, Body: body}}
	return plan, nil
}

// interval reads a rate: "50/s", "50", "30/m".
func interval(rate string) (time.Duration, error) {
	if rate == "" {
		return 0, nil
	}
	number, unit, _ := strings.Cut(rate, "/")
	per, ok := map[string]time.Duration{"": time.Second, "s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || n <= 0 || n > 1e6 {
		return 0, fmt.Errorf("send: --rate %q: write it as 50/s, 30/m or 100/h", rate)
	}
	return time.Duration(float64(per) / n), nil
}

// variant is what is to be wrong with the webhooks.
func (f *sendFlags) variant() sender.Variant {
	switch {
	case f.tamper:
		return sender.Tampered
	case f.stale != 0:
		return sender.Stale
	}
	return sender.Genuine
}

// skipUnforgeable leaves out the sources at which the variant would prove
// nothing, and says so.
func (c *cli) skipUnforgeable(steps []sender.Step, v sender.Variant) []sender.Step {
	said := make(map[string]bool)
	return slices.DeleteFunc(steps, func(s sender.Step) bool {
		ok, reason := s.Target.Forgeable(v)
		if name := s.Target.Source.Name; !ok && !said[name] {
			said[name] = true
			fmt.Fprintf(c.errOut, "note: source %s is left out: %s\n", name, reason)
		}
		return !ok
	})
}

// builder makes the builder of webhooks.
func (f *sendFlags) builder(c *cli, cfg *config.Config) (*sender.Builder, error) {
	q := url.Values{}
	for _, pair := range f.query {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, errors.New("send: --query: write it as name=value")
		}
		q.Add(name, value)
	}
	return &sender.Builder{
		Now: c.now, NewID: uuid.NewString, Recipient: f.recipient, Sender: f.sender,
		UserAgent: "postrider-send/" + strings.Fields(version())[0], Query: q, Variant: f.variant(), Age: f.stale,
		Topics: app.TopicNames(cfg.Kafka.Topics).Typed, Key: app.RecordKey(cfg.Kafka.Topics),
	}, nil
}

// finder reaches Kafka and remembers where the topics end. It is nil, without an
// error, where nothing is to be looked for.
func (c *cli) finder(ctx context.Context, cfg *config.Config, f sendFlags, b *sender.Builder) (*sender.Finder, error) {
	if f.noWait || f.variant() != sender.Genuine {
		return nil, nil //nolint:nilnil // nothing to look for is no error
	}
	client, err := c.kafka(ctx, cfg)
	if err != nil {
		return nil, err
	}
	topics := make([]string, 0, len(b.Topics))
	for _, name := range b.Topics {
		topics = append(topics, name)
	}
	slices.Sort(topics)
	return sender.NewFinder(ctx, client, topics, f.timeout) //nolint:wrapcheck // it says who it is
}

// kafkaPatience bounds the first contact with Kafka.
const kafkaPatience = 5 * time.Second

// kafka connects to the configured cluster, or the running receiver's broker.
func (c *cli) kafka(ctx context.Context, cfg *config.Config) (*broker.Client, error) {
	client, err := app.Dial(cfg, app.Brokers(cfg))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, kafkaPatience)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		if cfg.EmbeddedBroker() {
			return nil, fmt.Errorf("the embedded broker runs inside `postrider serve`, which does not seem to run here: %w", err)
		}
		return nil, err //nolint:wrapcheck // it says who it is
	}
	return client, nil
}
