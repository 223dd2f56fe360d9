package webhook

import (
	"fmt"
	"net/http"
	"strings"
)

// partKind is what a piece of a signed string is.
type partKind int

const (
	partLiteral partKind = iota
	partBody
	partURL
	partTimestamp
	partID
	partHeader
)

// part is one piece of a signed string.
type part struct {
	kind partKind
	text string // the literal, or the canonical header name
}

// placeholders is what may stand in a template, for messages.
const placeholders = "{body}, {url}, {timestamp}, {id} or {header:X}"

// parseTemplate splits a template into its pieces. The error names the place,
// counted in bytes from 1.
func parseTemplate(template string) ([]part, error) {
	var parts []part
	for at := 0; at < len(template); {
		open := strings.IndexAny(template[at:], "{}")
		if open < 0 {
			return append(parts, part{partLiteral, template[at:]}), nil
		}
		if open > 0 {
			parts = append(parts, part{partLiteral, template[at : at+open]})
		}
		at += open
		p, n, err := parsePlaceholder(template[at:])
		if err != nil {
			return nil, fmt.Errorf("at character %d: %w", at+1, err)
		}
		parts = append(parts, p)
		at += n
	}
	return parts, nil
}

// parsePlaceholder reads the placeholder that s begins with and returns its
// length.
func parsePlaceholder(s string) (part, int, error) {
	end := strings.IndexByte(s, '}')
	if s[0] == '}' || end < 0 {
		return part{}, 0, fmt.Errorf("%q has no partner", s[:1])
	}
	word := s[1:end]
	kind, ok := placeholderKind(word)
	if !ok {
		return part{}, 0, fmt.Errorf("unknown placeholder {%s}; use %s", word, placeholders)
	}
	name := ""
	if kind == partHeader {
		name = http.CanonicalHeaderKey(strings.TrimPrefix(word, "header:"))
	}
	return part{kind, name}, end + 1, nil
}

// placeholderKind returns what a placeholder's word stands for.
func placeholderKind(word string) (partKind, bool) {
	switch word {
	case "body":
		return partBody, true
	case "url":
		return partURL, true
	case "timestamp":
		return partTimestamp, true
	case "id":
		return partID, true
	}
	name, found := strings.CutPrefix(word, "header:")
	return partHeader, found && validHeaderName(name)
}

// validHeaderName reports whether s is a field name (RFC 9110, section 5.1).
func validHeaderName(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(s[i])) {
			return false
		}
	}
	return s != ""
}

// isAlphanumeric reports whether c is a letter or digit of ASCII.
func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// has reports whether parts hold a piece of that kind.
func has(parts []part, kind partKind) bool {
	for _, p := range parts {
		if p.kind == kind {
			return true
		}
	}
	return false
}

// hasHeader reports whether parts hold that header, by its canonical name.
func hasHeader(parts []part, name string) bool {
	for _, p := range parts {
		if p.kind == partHeader && p.text == name {
			return true
		}
	}
	return false
}

// touching reports whether two placeholders stand next to each other: bytes can
// then be moved from the one to the other without changing the signed string.
func touching(parts []part) bool {
	for i := 1; i < len(parts); i++ {
		if parts[i].kind != partLiteral && parts[i-1].kind != partLiteral {
			return true
		}
	}
	return false
}
