package normalize

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// Content returns a hash of what the item says: the first 128 bits of the
// SHA-256 over the item as received, without the white space that means nothing
// in JSON, and over the query parameters that became part of the event. Where the
// event's id is derived from what the item says, its canonical form takes the
// place of the bytes. Two events with one id say the same if their contents are
// equal.
func (i *Item) Content() [16]byte {
	if i.compact && i.derived == "" && len(i.query) == 0 {
		sum := sha256.Sum256(i.Body) // which is what would be made of it
		return [16]byte(sum[:16])
	}
	text := room(make([]byte, 0, smallText), len(i.Body))
	if i.derived != "" {
		text = append(text, i.derived...)
	} else {
		text = appendCompact(text, i.Body)
	}
	for _, p := range i.query {
		if p.metadata || p.recipient && i.addressed {
			text = appendText(appendText(append(text, 0), p.name), p.value)
		}
	}
	sum := sha256.Sum256(text)
	return [16]byte(sum[:16])
}

// Identity returns what tells a dead letter of source s from others: the first
// 128 bits of the SHA-256 over the source, the item's place in the payload, its
// bytes and the allow-listed query parameters, which may say what the payload
// does not. The same request sent again gives the same.
func (d *DeadLetter) Identity(s *Source) [16]byte {
	text := room(make([]byte, 0, smallText), len(d.Item))
	text = appendText(appendText(append(text, "dead letter\x00"...), s.Provider), s.ID)
	text = binary.BigEndian.AppendUint64(text, uint64(d.Index)) //nolint:gosec // -1 is as good as any
	for _, p := range d.query {
		text = appendText(appendText(append(text, 0), p.name), p.value)
	}
	sum := sha256.Sum256(append(append(text, 1), d.Item...))
	return [16]byte(sum[:16])
}

// smallText is how much of an item is hashed without taking memory for it.
const smallText = 2 << 10

// room returns small, or more if n bytes and a few would not fit into it.
func room(small []byte, n int) []byte {
	if n+n/8 < cap(small) {
		return small
	}
	return make([]byte, 0, n+256)
}

// appendText appends a text with its length before it, so that no two lists of
// texts read the same.
func appendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...) //nolint:gosec // a body is far below 4 GiB
}

// appendCompact appends JSON without the white space between its tokens. What
// is no object or array is appended as it is.
func appendCompact(dst, src []byte) []byte {
	if first := bytes.TrimLeft(src, "\xef\xbb\xbf \t\r\n"); len(first) == 0 || first[0] != '{' && first[0] != '[' {
		return append(dst, src...)
	}
	for i := 0; i < len(src); {
		switch c := src[i]; c {
		case ' ', '\t', '\r', '\n':
			i++
		case '"':
			end := i + stringEnd(src[i:])
			dst = append(dst, src[i:end]...)
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}

// stringEnd is the length of the JSON string that s begins with, quotes
// included; all of s if it does not end.
func stringEnd(s []byte) int {
	for i := 1; ; i++ {
		n := bytes.IndexByte(s[i:], '"')
		if n < 0 {
			return len(s)
		}
		i += n
		escapes := 0
		for s[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}
