package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// explain implements explainer.
func (v *macVerifier) explain(e *explanation) {
	var ev evidence
	if err := v.read(e.req, &ev); err != nil {
		e.refusal(err)
		if !present(e.req.Header[ev.layout.signature]) {
			e.otherHeaders(ev.layout.signature)
		}
		v.nearSchemes(e)
		return
	}
	e.add("header "+ev.layout.signature, OutcomeOK, "%d signature(s), well formed: %d bytes of %s", ev.sigs.n, v.size, v.encoding)
	fits := false
	for _, k := range v.keys {
		ok := v.holds(k, e.req, &ev)
		e.secret(k.id, k.life, ok)
		fits = fits || ok
	}
	if !fits {
		v.nearMisses(e)
	}
	v.explainTime(e, &ev, fits)
}

// nearMisses looks for a small change that makes a secret fit, and says so if
// there is none.
func (v *macVerifier) nearMisses(e *explanation) {
	before := len(e.checks)
	v.nearBodies(e)
	v.nearSecrets(e)
	v.nearSchemes(e)
	if len(e.checks) == before {
		e.note("no small change to body, secret or scheme makes it fit: it was made with another secret, or the body is not the one that was sent")
	}
}

// explainTime appends how old the request is.
func (v *macVerifier) explainTime(e *explanation, ev *evidence, fits bool) {
	if !ev.signed.IsZero() {
		window{v.scheme, "header " + ev.layout.timestamp, v.tolerance}.explain(e, ev.signed, fits)
	}
}

// distance says how long before or after its receipt a request was made.
func distance(age time.Duration) string {
	if age < 0 {
		return (-age).String() + " after it was received, by our clock"
	}
	return age.String() + " before it was received"
}

// fits reports whether any of the keys, ended or not, fits the request.
func (v *macVerifier) fits(r *Request) (string, bool) {
	var ev evidence
	if v.read(r, &ev) != nil {
		return "", false
	}
	for _, k := range v.keys {
		if v.holds(k, r, &ev) {
			return k.id, true
		}
	}
	return "", false
}

// nearBodies tries bodies as a proxy, a framework or an editor leaves them.
func (v *macVerifier) nearBodies(e *explanation) {
	for _, b := range bodyVariants(e.req.Body) {
		r := *e.req
		r.Body = b.body
		if id, ok := v.fits(&r); ok {
			e.note("secret %q fits if the body %s; something on the way, or the program that saved it, changed the bytes", id, b.how)
		}
	}
}

// bodyVariant is a body that differs a little.
type bodyVariant struct {
	how  string
	body []byte
}

// bodyVariants are the ways in which bodies are changed by accident.
func bodyVariants(body []byte) []bodyVariant {
	all := []bodyVariant{
		{"loses its line break at the end", bytes.TrimRight(body, "\r\n")},
		{"loses the white space around it", bytes.TrimSpace(body)},
		{"gains a line break at the end", append(bytes.Clone(body), '\n')},
		{"gains CR LF at the end", append(bytes.Clone(body), '\r', '\n')},
		{"has LF instead of CR LF", bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))},
		{"has CR LF instead of LF", bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n"))},
		{"loses its byte order mark", bytes.TrimPrefix(body, []byte("\ufeff"))},
		{"is empty", nil},
	}
	var compact bytes.Buffer
	if json.Compact(&compact, body) == nil {
		all = append(all, bodyVariant{"is JSON without white space", compact.Bytes()})
	}
	for _, indent := range []string{"  ", "    ", "\t"} {
		var out bytes.Buffer
		if json.Indent(&out, bytes.TrimSpace(body), "", indent) == nil {
			all = append(all, bodyVariant{fmt.Sprintf("is JSON indented by %q", indent), out.Bytes()})
		}
	}
	return all
}

// nearSecrets tries the secrets as they are often mistaken.
func (v *macVerifier) nearSecrets(e *explanation) {
	for _, s := range e.cfg.Secrets {
		for _, variant := range secretVariants(s.Value) {
			w := *v
			w.keys = []*macKey{newMACKey(material{id: s.ID, key: variant.body}, v.newHash)}
			if _, ok := w.fits(e.req); ok {
				e.note("secret %q fits if it %s", s.ID, variant.how)
			}
		}
	}
}

// secretVariants are other readings of a secret.
func secretVariants(value []byte) []bodyVariant {
	trimmed := bytes.TrimSpace(value)
	bare := bytes.TrimPrefix(trimmed, []byte(whsecPrefix))
	all := []bodyVariant{
		{"is used as it is (decode: raw)", value},
		{"loses the white space at its ends", trimmed},
		{"gains a line break at the end", append(bytes.Clone(trimmed), '\n')},
		{"loses " + whsecPrefix + " in front", bare},
		{"gains " + whsecPrefix + " in front", append([]byte(whsecPrefix), bare...)},
	}
	for _, d := range []struct{ how, decode string }{
		{"is decoded from base64 (decode: base64)", "base64"},
		{"is decoded from base64 after whsec_ (decode: whsec)", "whsec"},
		{"is decoded from hex (decode: hex)", "hex"},
	} {
		if key, err := decodeSecret(d.decode, trimmed); err == nil {
			all = append(all, bodyVariant{d.how, key})
		}
	}
	return all
}

// nearSchemes tries the secrets on other ways of signing: the named ones, and
// other algorithms, encodings and signed strings under the same header.
func (v *macVerifier) nearSchemes(e *explanation) {
	for _, c := range v.rivals(e.cfg) {
		if c.Type == e.cfg.Type && c.Type != "hmac" {
			continue
		}
		var rep report
		m, ok := build(c, &rep).(interface {
			fits(r *Request) (string, bool)
		})
		if !ok || len(rep.problems) > 0 {
			continue
		}
		if id, ok := m.fits(e.req); ok {
			e.note("secret %q fits as %s", id, describe(c))
		}
	}
}

// describe names a configuration for people.
func describe(c Config) string {
	if c.Type != "hmac" {
		return "type " + c.Type
	}
	s := fmt.Sprintf("type hmac with header %s, algorithm %s, encoding %s, prefix %q and template %s", c.Header, c.Algorithm, c.Encoding, c.Prefix, c.Template)
	if c.Header == jetEmailSignature && c.Prefix == "" && c.Template == "{id}.{timestamp}.{body}" {
		s = "JetEmail's inbound webhook, which delivers mail, not events (" + s + ")"
	}
	return s
}

// rivals are the configurations worth a try.
func (v *macVerifier) rivals(cfg Config) []Config {
	all := []Config{{Type: "standard_webhooks", Decode: "raw", Secrets: cfg.Secrets}}
	for _, name := range Types() {
		if name != "hmac" {
			all = append(all, Config{Type: name, Secrets: cfg.Secrets})
		}
	}
	for _, l := range v.layouts {
		for _, algorithm := range []string{"sha256", "sha1", "sha512"} {
			for _, encoding := range []string{"hex", "base64"} {
				for _, prefix := range prefixes(v.list.prefix, algorithm) {
					all = append(all, templates(l, Config{
						Type: "hmac", Header: l.signature, Algorithm: algorithm, Encoding: encoding, Prefix: prefix,
						Decode: cfg.Decode, Secrets: cfg.Secrets,
					})...)
				}
			}
		}
	}
	return all
}

// prefixes are the prefixes worth a try.
func prefixes(own, algorithm string) []string {
	all := []string{""}
	for _, p := range []string{own, algorithm + "=", "v1=", "v1,"} {
		if p != "" && !strings.Contains(strings.Join(all, "\n")+"\n", p+"\n") {
			all = append(all, p)
		}
	}
	return all
}

// templates returns c with the usual signed strings.
func templates(l layout, c Config) []Config {
	ts, id := l.timestamp, l.id
	if ts == "" && strings.HasSuffix(l.signature, "-Signature") {
		ts = strings.TrimSuffix(l.signature, "Signature") + "Timestamp"
	}
	if id == "" && strings.HasSuffix(l.signature, "-Signature") {
		id = strings.TrimSuffix(l.signature, "Signature") + "Id"
	}
	usual := []string{
		"{body}", "{url}{body}", "{timestamp}.{body}", "{timestamp}{body}", "{timestamp}:{body}", "v0:{timestamp}:{body}", "{id}.{timestamp}.{body}",
	}
	all := make([]Config, 0, len(usual))
	for _, template := range usual {
		w := c
		w.Template = template
		if strings.Contains(template, "{timestamp}") {
			w.Timestamp = ts
		}
		if strings.Contains(template, "{id}") {
			w.IDHeader = id
		}
		all = append(all, w)
	}
	return all
}
