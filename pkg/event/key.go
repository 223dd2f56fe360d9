package event

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// keyHash is how many hex digits of a hash stand in a key: 128 bits.
const keyHash = 32

// Key returns the default Kafka key, which keeps all events of one message on
// one partition: provider/source/message_id. Without a message id the last part
// is 32 hex digits: the head of RecipientHash, else of the SHA-256 of the
// recipient, else of that of the metadata entry entity_value (what the event is
// about where it has no recipient), else the event's id. An address never
// stands in it in the clear, unless the provider makes its message ids of addresses.
func (e *Event) Key() string { return string(e.AppendKey(make([]byte, 0, 128))) }

// AppendKey appends Key to dst.
func (e *Event) AppendKey(dst []byte) []byte {
	dst = append(append(dst, e.Provider...), '/')
	dst = append(append(dst, e.Source...), '/')
	switch {
	case e.MessageID != "":
		return append(dst, e.MessageID...)
	case len(e.RecipientHash) >= keyHash:
		return append(dst, e.RecipientHash[:keyHash]...)
	case e.Recipient != "":
		return appendShortHash(dst, NormalizeAddress(e.Recipient))
	case e.Metadata["entity_value"] != "":
		return appendShortHash(dst, NormalizeAddress(e.Metadata["entity_value"]))
	}
	return append(dst, e.ID...)
}

// appendShortHash is not keyed: it spreads and groups, it does not hide a guessable
// address from somebody who guesses it. RecipientHash does.
func appendShortHash(dst []byte, s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return hex.AppendEncode(dst, sum[:keyHash/2])
}

// RecipientKey returns the key for consumers that keep state an address: the
// bare address in lower case, where only its hash is known the hash, and
// Key where neither is.
func (e *Event) RecipientKey() string {
	if address := NormalizeAddress(e.Recipient); address != "" {
		return strings.ToLower(address)
	}
	if e.RecipientHash != "" {
		return e.RecipientHash
	}
	return e.Key()
}

// EventKey returns the key that spreads events evenly: the event's id.
func (e *Event) EventKey() string { return e.ID }

// NormalizeAddress returns the form of an address for comparing: white space
// around it, a display name and angle brackets are gone, the domain's ASCII
// letters are in lower case, the local part is as it was (RFC 5321 section 2.4
// lets case matter there). It does not judge whether the text is an address.
func NormalizeAddress(address string) string {
	address = strings.TrimSpace(address)
	if open := strings.LastIndexByte(address, '<'); open >= 0 && strings.HasSuffix(address, ">") {
		address = strings.TrimSpace(address[open+1 : len(address)-1])
	}
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	domain := address[at+1:]
	lower := strings.Map(lowerASCII, domain)
	if lower == domain {
		return address
	}
	return address[:at+1] + lower
}

func lowerASCII(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}
