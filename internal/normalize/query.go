package normalize

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// tokenParameter carries the token of a source. It is never copied anywhere,
// not even when it is listed.
const tokenParameter = "token"

// parameter is one allow-listed query parameter of a request.
type parameter struct {
	name, value string
	recipient   bool // it names the recipient
	metadata    bool // it is copied to metadata
}

// maxQuery bounds the parameters that each event of a request gets, names and
// values together, in bytes: a batch repeats them as often as it has items. It
// is what a field of a payload may have; one that does not fit is left out whole
// and stands in the raw record only.
const maxQuery = 2000

// pickQuery returns the allow-listed parameters that have a value, in the order
// of the configuration, the recipient's first. Of a repeated parameter the first
// value counts. In hash mode the parameter that names the recipient is no metadata.
func pickQuery(s *Source, v webhook.Verified) []parameter {
	query := v.Request().Query
	if len(query) == 0 {
		return nil
	}
	var picked []parameter
	left := maxQuery
	for _, name := range allowedQuery(s) {
		value := query.Get(name)
		if value == "" || len(name)+len(value) > left || v.Redacts(value) {
			continue
		}
		left -= len(name) + len(value)
		p := parameter{name: name, value: value, recipient: name == s.QueryRecipient}
		p.metadata = slices.Contains(s.QueryMetadata, name) && (!p.recipient || !s.HashRecipient)
		picked = append(picked, p)
	}
	return picked
}

// storedQuery returns the parameters that the request's own record and its dead
// letter keep: the allow-listed ones with all their values, but for those that
// repeat a credential. In hash mode the parameter that names the recipient is
// left out, and in the others its hash stands for the address.
func storedQuery(s *Source, v webhook.Verified) url.Values {
	query, kept := v.Request().Query, url.Values{}
	hide := func(value string) string { return value }
	if s.HashRecipient {
		hide = recipientHider(s, query).text
	}
	for _, name := range allowedQuery(s) {
		if s.HashRecipient && name == s.QueryRecipient {
			continue
		}
		for _, value := range query[name] {
			if !v.Redacts(value) {
				kept[name] = append(kept[name], hide(value))
			}
		}
	}
	return kept
}

// recipientHider hides the recipients that the query names.
func recipientHider(s *Source, query url.Values) *hider {
	var addresses []string
	for _, value := range query[s.QueryRecipient] {
		addresses = append(addresses, queryAddress(value))
	}
	return newHider(addresses, s.Pepper)
}

// allowedQuery lists the names of the parameters that may be kept.
func allowedQuery(s *Source) []string {
	var names []string
	for _, name := range append([]string{s.QueryRecipient}, s.QueryMetadata...) {
		if name != "" && !strings.EqualFold(name, tokenParameter) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// addQuery adds the parameters to the event. What the payload says wins: the
// recipient is taken only if the payload has none, and a parameter whose name
// the payload's metadata uses for something else is called query.<name>. It
// reports whether the recipient was taken.
func addQuery(e *event.Event, query []parameter) (addressed bool) {
	copied := false
	for _, p := range query {
		if p.recipient && e.Recipient == "" && len(e.Recipients) == 0 {
			e.Recipient, addressed = queryAddress(p.value), true
		}
		if !p.metadata {
			continue
		}
		if !copied {
			e.Metadata, copied = maps.Clone(e.Metadata), true
		}
		if e.Metadata == nil {
			e.Metadata = make(map[string]string, len(query))
		}
		e.Metadata[freeName(e.Metadata, p)] = p.value
	}
	return addressed
}

func freeName(taken map[string]string, p parameter) string {
	if v := taken[p.name]; v == "" || v == p.value {
		return p.name
	}
	return "query." + p.name
}

// queryAddress reads an address from a query parameter. Who builds a URL often
// forgets to escape the plus of joe+shop@example.com, which then reads as a
// space; an address without quotes holds no space, so it is put back.
func queryAddress(value string) string {
	address := provider.Address(strings.TrimSpace(value))
	if strings.Contains(address, "@") && !strings.Contains(address, `"`) {
		address = strings.ReplaceAll(address, " ", "+")
	}
	return address
}
