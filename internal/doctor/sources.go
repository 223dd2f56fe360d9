package doctor

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
)

// soon is how long before its end a secret is worth a warning.
const soon = 14 * 24 * time.Hour

// sources examines each source: where its provider has to send, and its secrets.
func (e *examination) sources(context.Context) {
	if errors.Is(e.SourcesErr, app.ErrNoSources) {
		e.found("sources", Note, "start `postrider serve`, or write `sources`",
			"the configuration names none; one with a fresh secret is made for each seed provider at the first start")
		return
	}
	if e.SourcesErr != nil {
		e.found("sources", Fail, "", "%v", e.SourcesErr)
		return
	}
	for _, s := range e.Sources {
		e.found("sources", OK, "enter it at "+s.Def.Title+" ("+s.Def.Doc+")", "%s: %s", s.Config.Name, e.address(s))
		for _, w := range s.Warnings {
			e.found("sources", Warn, "", "%s: %s", s.Config.Name, w)
		}
		e.secrets(s)
	}
}

// address is what to paste into the provider's dashboard.
func (e *examination) address(s *app.CompiledSource) string {
	if e.HideTokens && s.Config.Auth.Type == "token" {
		return s.Address(e.Config.PublicURL(), "") + "/<token>"
	}
	return s.Describe(e.Config.PublicURL()).URL
}

// secrets examines the secrets of a source: whether one is in force, until when,
// and how old it is where a file tells.
func (e *examination) secrets(s *app.CompiledSource) {
	if s.Config.Auth.Type == "none" {
		return // a warning of its own says that anybody can send
	}
	current := 0
	for _, k := range s.Config.Auth.Secrets {
		ended, status, text := e.secret(k)
		if !ended {
			current++
		}
		do := ""
		if status == Warn {
			do = "add the next secret beside it, enter it at " + s.Def.Title + ", then remove this one"
		}
		e.found("sources", status, do, "%s: secret %q %s", s.Config.Name, k.ID, text)
	}
	if current == 0 {
		e.found("sources", Fail, "add a current secret", "%s: no secret is in force: every webhook is refused", s.Config.Name)
	}
}

// secret describes one secret.
func (e *examination) secret(k config.KeySecret) (ended bool, s Status, text string) {
	text = "is set" + e.age(k)
	now := e.Now()
	switch end := k.NotAfter; {
	case end.IsZero():
		return false, OK, text
	case now.After(end):
		return true, Note, "ended at " + end.UTC().Format(time.RFC3339) + " and can be removed"
	case end.Sub(now) < soon:
		return false, Warn, text + ", and ends in " + days(end.Sub(now))
	default:
		return false, OK, text + ", until " + end.UTC().Format(time.RFC3339)
	}
}

// age tells how old a secret is, where a file shows it.
func (e *examination) age(k config.KeySecret) string {
	file := k.File
	if file == "" {
		file = k.PasswordFile
	}
	if file == "" && !e.Config.SourcesGiven {
		file = app.GeneratedFile(e.Config)
	}
	if file == "" {
		return ""
	}
	info, err := os.Stat(file)
	if err != nil {
		return ""
	}
	return " (in " + file + ", written " + days(e.Now().Sub(info.ModTime())) + " ago)"
}

// days writes a duration in whole days.
func days(d time.Duration) string {
	n := int(d / (24 * time.Hour))
	if n < 1 {
		return "less than a day"
	}
	return plural(n, "day")
}

// plural is "1 day", "2 days".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// publicURL examines whether providers can reach the receiver, as far as can be
// seen from here, and compares clocks with whoever answers there.
func (e *examination) publicURL(ctx context.Context) {
	public := e.Config.PublicURL()
	u, err := url.Parse(public)
	if err != nil {
		return // the configuration is checked before
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	switch {
	case host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified()):
		status := Warn
		if e.Config.EmbeddedBroker() && e.Config.Server.PublicURL == "" {
			status = Note // tried out on one machine
		}
		e.found("sources", status, "set server.public_url to the https address under which the internet reaches this receiver",
			"providers cannot reach %s: it is this machine only", public)
		return
	case ip != nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast()):
		e.found("sources", Warn, "set server.public_url to an address that the internet reaches", "providers cannot reach %s: the address is private", public)
		return
	case u.Scheme != "https":
		e.found("sources", Warn, "put a TLS proxy in front and set server.public_url to https://…",
			"%s is not encrypted: tokens and recipients' addresses can be read on the way", public)
	}
	e.askPublic(ctx, public)
}

// askPublic sends one harmless request to the public address.
func (e *examination) askPublic(ctx context.Context, public string) {
	res, err := get(ctx, public+"/v1/webhooks/")
	if err != nil {
		e.found("sources", Warn, "check DNS, the proxy and the firewall; it may still work from outside",
			"no answer from %s, seen from here: %v", public, err)
		return
	}
	e.found("sources", OK, "", "%s answers, seen from here (status %d)", public, res.status)
	e.compareClocks(public, res.date)
}

// response is what the doctor looks at in an answer.
type response struct {
	status int
	date   time.Time // of the Date header; zero if there was none
	body   []byte
}

// get asks for a page with a client of its own; redirects are not followed.
func get(ctx context.Context, address string) (*response, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err //nolint:wrapcheck // becomes part of a sentence
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, bare(err)
	}
	defer res.Body.Close()
	r := &response{status: res.StatusCode}
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		r.date = at
	}
	r.body, err = readSome(res.Body)
	return r, err
}

// bare drops the method and the address, which the sentence names anyway.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// trimmed is the first line of an error.
func trimmed(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
