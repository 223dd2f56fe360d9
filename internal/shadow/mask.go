package shadow

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"strings"
)

// masker writes values so that they can be compared and tell nobody's address: the
// same value reads the same while the process lives, and cannot be guessed.
type masker struct{ seed maphash.Seed }

func newMasker() masker { return masker{maphash.MakeSeed()} }

// Bounds of what a sample shows, in bytes.
const (
	maxShown = 200
	maxName  = 128
)

// open reports whether a field holds words, figures, times or ids that are ours or of
// a small vocabulary, and so can be shown.
func open(field string) bool {
	switch field {
	case "schema", "id", "type", "family", "direction", "source", "provider_type", "occurred_at", "test",
		"smtp.code", "smtp.enhanced", "smtp.attempt", "bounce.class", "bounce.category", "bounce.code_assumed", "bounce.will_retry",
		"drop.reason", "complaint.type", "engagement.bot", "engagement.first", "engagement.country":
		return true
	}
	return false
}

// value is the JSON text of a field as a sample shows it; "" is absent. What has an at
// sign, or may have one in the escapes of a URL, is an address, wherever it stands.
func (m masker) value(field, text string) string {
	if text == "" {
		return ""
	}
	plain := text
	var s string
	if json.Unmarshal([]byte(text), &s) == nil {
		plain = s
	}
	if open(field) && len(plain) <= maxShown && !strings.ContainsAny(plain, "@%") {
		return plain
	}
	return fmt.Sprintf("%d bytes, #%08x", len(plain), uint32(maphash.String(m.seed, plain))) //nolint:gosec // some bits are enough
}

// bounded is a field's path as a sample shows it. Names in metadata are the sender's,
// and may hold anything.
func bounded(name string) string {
	if strings.ContainsAny(name, "@%") || len(name) > maxName {
		return "metadata.(name not shown)"
	}
	return name
}
