package sender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	return b.BuildBody(ctx, t, s, []byte(b.fill(s.Body)))
}

// BuildBody makes one webhook with this body, as it is.
func (b *Builder) BuildBody(ctx context.Context, t *Target, s provider.Sample, body []byte) (*Webhook, error) {
	now := b.Now()
	bare := b.request(t, body, now)
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
		tamper(t.Auth, &signed)
	case Stale:
		if signed, err = sign(t, bare, now, now.Add(-b.Age)); err != nil {
			return nil, err
		}
	}
	w.url, w.header, w.body = address(t.PostURL, &signed), signed.Header, signed.Body
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
func (b *Builder) request(t *Target, body []byte, now time.Time) webhook.Request {
	q := url.Values{}
	if name := t.Source.QueryRecipient; name != "" {
		q.Set(name, b.Recipient)
	}
	maps.Copy(q, b.Query)
	h := http.Header{"Content-Type": {"application/json"}}
	if b.UserAgent != "" {
		h.Set("User-Agent", b.UserAgent)
	}
	return webhook.Request{
		Method: http.MethodPost, URL: withQuery(t.PublicURL, q), Header: h,
		Query: q, Body: body, ReceivedAt: now,
	}
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

// currentSecret returns the first secret that has not ended.
func currentSecret(c webhook.Config, now time.Time) (webhook.Secret, error) {
	if c.Type == "none" {
		return webhook.Secret{}, nil
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
func (b *Builder) fill(body string) string {
	now := b.Now().UTC()
	return strings.NewReplacer(
		"{{uuid}}", b.NewID(),
		"{{uuid2}}", b.NewID(),
		"{{hex}}", strings.ReplaceAll(b.NewID(), "-", ""),
		"{{unix}}", strconv.FormatInt(now.Unix(), 10),
		"{{time}}", now.Format(time.RFC3339Nano),
		"{{recipient}}", inString(b.Recipient),
		"{{sender}}", inString(b.Sender),
	).Replace(body)
}

// inString returns s as it stands between the quotes of a JSON string.
func inString(s string) string {
	quoted := event.AppendString(nil, s)
	return string(quoted[1 : len(quoted)-1])
}

// tamper changes a signed request so that its proof no longer holds: the body
// where the proof covers it, by a blank that changes nothing else, or else the
// credential itself.
func tamper(c webhook.Config, r *webhook.Request) {
	if c.Covers().Body {
		at := min(1, len(r.Body))
		r.Body = slices.Concat(r.Body[:at], []byte(" "), r.Body[at:])
		return
	}
	r.Body = bytes.Clone(r.Body)
	r.PathToken = spoil(r.PathToken)
	if token := r.Query.Get("token"); token != "" {
		r.Query.Set("token", spoil(token))
	}
	for name, values := range r.Header {
		if name != "Content-Type" && name != "User-Agent" {
			r.Header[name] = []string{spoil(values[0])}
		}
	}
}

// spoil changes a credential in its last letter but one, past any padding.
func spoil(s string) string {
	if s == "" {
		return ""
	}
	b := []byte(s)
	at := max(len(b)-4, 0)
	if b[at] == 'A' {
		b[at] = 'B'
	} else {
		b[at] = 'A'
	}
	return string(b)
}
