package cmcom

import (
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
)

// maxRespelled bounds the names that are looked at, in bytes: a known one, even
// qualified by its path, is far shorter.
const maxRespelled = 256

// names are the names of the pages' fields, in today's spelling.
func names() []string {
	return []string{
		"type", "createdAt", "messageId", "data",
		"to", "from", "id", "customerReference", "bounce", "suppressed", "unsubscribe", "failed",
		"subType", "message", "messages", "unsubscribeType", "unsubscribeReason",
	}
}

// respell gives fields that the pages name one spelling in the metadata, whichever
// generation of payload they came in, so that a consumer looks in one place. A
// name that CM.com does not document stays as sent, and so does one whose new
// spelling is there already.
func (p *parser) respell(metadata map[string]string) {
	var other []string
	for name := range metadata {
		if p.spelling(name) != name {
			other = append(other, name)
		}
	}
	slices.Sort(other)
	for _, name := range other {
		if known := p.spelling(name); metadata[known] == "" {
			metadata[known] = metadata[name]
			delete(metadata, name)
		}
	}
}

// spelling returns a metadata name, which may be qualified by a path, with every
// known part in today's spelling.
func (p *parser) spelling(name string) string {
	if len(name) > maxRespelled {
		return name
	}
	first, rest, qualified := strings.Cut(name, ".")
	if known, ok := p.names[jsondoc.Fold(first)]; ok {
		first = known
	}
	if !qualified {
		return first
	}
	return first + "." + p.spelling(rest)
}
