package jsondoc

import "bytes"

// blankTrailingCommas returns a copy of body in which every comma between a
// value and a closing bracket is a space, and whether there was any. Nothing
// else is forgiven: "[,]" and "[1,,]" stay what they are.
func blankTrailingCommas(body []byte) (out []byte, found bool) {
	out = bytes.Clone(body)
	before, comma, previous := byte(0), -1, byte(0)
	for i := 0; i < len(out); i++ {
		c := out[i]
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case '"':
			i = stringEnd(out, i)
		case ',':
			comma, before = i, previous
		case '}', ']':
			if previous == ',' && endsValue(before) {
				out[comma], found = ' ', true
			}
		}
		previous = c
	}
	return out, found
}

// endsValue reports whether a value may end with c.
func endsValue(c byte) bool {
	switch c {
	case 0, ',', ':', '{', '[':
		return false
	}
	return true
}

// stringEnd returns the index of the quote that closes the string begun at i,
// or the text's last index.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(text) - 1
}
