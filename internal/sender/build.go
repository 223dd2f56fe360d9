package sender

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Builder makes webhooks. It is not changed while it is used.
type Builder struct {
	Now       func() time.Time
	NewID     func() string // a fresh UUID
	Recipient string        // address in the samples
	Sender    string        // address in the samples
	UserAgent string
	Query     url.Values // added to the address
	Variant   Variant
	Age       time.Duration // Stale: how long ago it was signed

	Topics map[event.Route]string    // names of the typed topics
	Key    func(*event.Event) string // key of an event's record
}

// Build makes one webhook of a sample, a new event each time.
func (b *Builder) Build(ctx context.Context, t *Target, s provider.Sample) (*Webhook, error) {
	filled := s.Request(b.fill(&s))
	return b.build(ctx, t, s, &filled)
}

// BuildBody makes one webhook with this body, as it is.
func (b *Builder) BuildBody(ctx context.Context, t *Target, s provider.Sample, body []byte) (*Webhook, error) {
	r := s.Request("")
	r.Body = body
	return b.build(ctx, t, s, &r)
}

// build signs and spoils a request.
func (b *Builder) build(ctx context.Context, t *Target, s provider.Sample, r *webhook.Request) (*Webhook, error) {
	now := b.Now()
	bare := b.request(t, r, now)
	signed, err := sign(t, bare, now, now)
	if err != nil {
		return nil, err
	}
	w := &Webhook{Target: t, Sample: s, Variant: b.Variant}
	if err := b.predict(ctx, w, signed); err != nil {
		return nil, err
	}
	switch b.Variant {
	case Genuine:
	case Tampered:
		webhook.Spoil(t.Auth, &signed)
	case Stale:
		if signed, err = sign(t, bare, now, now.Add(-b.Age)); err != nil {
			return nil, err
		}
	}
	w.method, w.url, w.header, w.body = signed.Method, address(t.PostURL, &signed), signed.Header, signed.Body
	if w.method == http.MethodGet {
		w.url, w.body = withFields(w.url, signed.Body), nil
	}
	return w, nil
}

// sign returns a signed copy of r, with the secret that holds now and the time at.
func sign(t *Target, r webhook.Request, now, at time.Time) (webhook.Request, error) {
	secret, err := currentSecret(t.Auth, now)
	if err != nil {
		return r, fmt.Errorf("sender: source %s: %w", t.Source.Name, err)
	}
	r.Header, r.Query = r.Header.Clone(), maps.Clone(r.Query)
	if err := webhook.Sign(t.Auth, secret, &r, at); err != nil {
		return r, fmt.Errorf("sender: source %s: %w", t.Source.Name, err)
	}
	return r, nil
}

// request is the request before it is signed. Its address is the one that the
// provider would have been given, wherever the request goes.
func (b *Builder) request(t *Target, r *webhook.Request, now time.Time) webhook.Request {
	q := url.Values{}
	if name := t.Source.QueryRecipient; name != "" {
		q.Set(name, b.Recipient)
	}
	maps.Copy(q, b.Query)
	if b.UserAgent != "" {
		r.Header.Set("User-Agent", b.UserAgent)
	}
	return webhook.Request{
		Method: r.Method, URL: withQuery(t.PublicURL, q), Header: r.Header,
		Query: q, Body: r.Body, ReceivedAt: now,
	}
}

// withFields adds to an address what a request says by GET.
func withFields(address string, fields []byte) string {
	if strings.Contains(address, "?") {
		return address + "&" + string(fields)
	}
	return address + "?" + string(fields)
}

// address is where a signed request goes.
func address(base string, r *webhook.Request) string {
	if r.PathToken != "" {
		base += "/" + url.PathEscape(r.PathToken)
	}
	return withQuery(base, r.Query)
}

// errNoSecret says that nothing can be signed.
var errNoSecret = errors.New("every secret has ended (not_after): add a current one")

// errNoKey is of a source whose requests only the provider can sign.
var errNoKey = errors.New("only the provider has the key; to try the source out, give it a private key of your own beside what it has (PEM, made with openssl)")

// currentSecret returns the first secret that has not ended.
func currentSecret(c webhook.Config, now time.Time) (webhook.Secret, error) {
	switch {
	case c.Type == "none":
		return webhook.Secret{}, nil
	case len(c.Secrets) == 0:
		return webhook.Secret{}, errNoKey
	}
	i := slices.IndexFunc(c.Secrets, func(s webhook.Secret) bool { return s.NotAfter.IsZero() || now.Before(s.NotAfter) })
	if i < 0 {
		return webhook.Secret{}, errNoSecret
	}
	return c.Secrets[i], nil
}

// predict takes a properly signed request through the receiver's own path. The
// time of receipt and the raw id take no part in ids, topics and keys.
func (b *Builder) predict(ctx context.Context, w *Webhook, signed webhook.Request) error {
	t := w.Target
	verifier, err := webhook.New(t.Auth)
	if err != nil {
		return fmt.Errorf("sender: source %s: %w", t.Source.Name, err)
	}
	v, err := webhook.Verify(verifier, signed)
	if err != nil {
		return fmt.Errorf("sender: source %s: its own signature does not hold: %w", t.Source.Name, err)
	}
	out, err := normalize.Normalize(ctx, t.Source, v, "predicted")
	if err != nil {
		return fmt.Errorf("sender: source %s: %w", t.Source.Name, err)
	}
	for i := range out.Events {
		e := &out.Events[i].Event
		w.Events = append(w.Events, Expected{
			ID: e.ID, ProviderType: e.ProviderType, Route: e.Route(), Topic: b.Topics[e.Route()], Key: b.Key(e),
		})
	}
	for _, d := range out.DeadLetters {
		w.DeadLetters = append(w.DeadLetters, d.Reason)
	}
	return nil
}

// fill puts values in place of a sample's placeholders.
func (b *Builder) fill(s *provider.Sample) string {
	now := b.Now().UTC()
	quoted := inString
	if s.IsForm() {
		quoted = url.QueryEscape
	}
	return strings.NewReplacer(
		"{{uuid}}", b.NewID(),
		"{{uuid2}}", b.NewID(),
		"{{hex}}", strings.ReplaceAll(b.NewID(), "-", ""),
		"{{number}}", b.number(),
		"{{unix}}", strconv.FormatInt(now.Unix(), 10),
		"{{time}}", quoted(now.Format(time.RFC3339Nano)),
		"{{recipient}}", quoted(b.Recipient),
		"{{sender}}", quoted(b.Sender),
		"{{recipient2}}", inString(inString(b.Recipient)),
		"{{sender2}}", inString(inString(b.Sender)),
	).Replace(s.Body)
}

// number is a fresh whole number that any JSON reader keeps (RFC 8259, section 6).
func (b *Builder) number() string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(b.NewID())) // never fails
	return strconv.FormatUint(h.Sum64()>>11, 10)
}

// inString returns s as it stands between the quotes of a JSON string.
func inString(s string) string {
	quoted := event.AppendString(nil, s)
	return string(quoted[1 : len(quoted)-1])
}
