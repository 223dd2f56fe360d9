package webhook

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// minFragment is the shortest credential that is looked for inside longer
// texts, in bytes; a shorter one may occur there by chance.
const minFragment = 8

// credentialed is a scheme whose credential stands in a place of its own.
type credentialed interface {
	// credentials returns what r brings there.
	credentials(r *Request) []string
}

// Redacts reports whether value repeats a credential that the request brought,
// so that the value must not be stored or passed on: the token of its address,
// what stands in Authorization and Proxy-Authorization (of basic also the
// password alone), and the value of the header that type header looks at. A
// credential is found anywhere in value, as it is or escaped for a URL; one of
// fewer than 8 bytes only if it is the whole value. The comparison takes a time
// that depends on the credential: it is for what the sender knows anyway.
func (v Verified) Redacts(value string) bool {
	for _, c := range v.credentials {
		if value == c || len(c) >= minFragment && strings.Contains(value, c) {
			return true
		}
	}
	return false
}

// presented gathers the credentials of a request, each in every form that is
// looked for.
func presented(v Verifier, r *Request) []string {
	var found gathered
	found.add(r.PathToken)
	for _, token := range r.Query[tokenParameter] {
		found.add(token)
	}
	for _, name := range [...]string{"Authorization", "Proxy-Authorization"} {
		for _, value := range r.Header[name] {
			found.authorization(value)
		}
	}
	if own, ok := v.(credentialed); ok {
		for _, c := range own.credentials(r) {
			found.add(c)
		}
	}
	return found
}

// gathered is credentials that were found in a request.
type gathered []string

// add adds a credential as it is and as a URL would hold it.
func (g *gathered) add(c string) {
	if c == "" {
		return
	}
	*g = append(*g, c)
	for _, escaped := range [...]string{url.QueryEscape(c), url.PathEscape(c)} {
		if escaped != c {
			*g = append(*g, escaped)
		}
	}
}

// authorization adds what stands in a value of Authorization. The padding of
// base64 is left out, since a copy may be without it.
func (g *gathered) authorization(value string) {
	kind, text, found := strings.Cut(strings.TrimSpace(value), " ")
	if !found {
		g.add(value)
		return
	}
	text = strings.TrimLeft(text, " ")
	if !strings.EqualFold(kind, "Basic") {
		g.add(text)
		return
	}
	g.add(strings.TrimRight(text, "="))
	if pair, err := base64.StdEncoding.DecodeString(text); err == nil {
		_, password, _ := strings.Cut(string(pair), ":")
		g.add(password)
	}
}
