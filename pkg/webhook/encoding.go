package webhook

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// whsecPrefix begins secrets of Standard Webhooks, and some that only look so.
const whsecPrefix = "whsec_"

// encoding is how a signature is written in a header.
type encoding int

const (
	encodingHex         encoding = iota // upper or lower case
	encodingHexLower                    // lower case only
	encodingBase64                      // standard or URL alphabet, padded or not
	encodingBase64Exact                 // standard alphabet, padded
	encodingBase64URL                   // the same, percent-encoded where an address needs that
)

// String names the encoding for people.
func (e encoding) String() string {
	switch e {
	case encodingHex, encodingHexLower:
		return "hex"
	case encodingBase64, encodingBase64Exact, encodingBase64URL:
		return "base64"
	}
	return "unknown"
}

// encode writes sum as a sender does.
func (e encoding) encode(sum []byte) string {
	switch e {
	case encodingHex, encodingHexLower:
		return hex.EncodeToString(sum)
	case encodingBase64, encodingBase64Exact:
		return base64.StdEncoding.EncodeToString(sum)
	case encodingBase64URL:
		return url.QueryEscape(base64.StdEncoding.EncodeToString(sum))
	}
	return ""
}

// decode fills dst from s and reports whether s is exactly len(dst) bytes in
// this encoding. Spellings with unused bits set or line breaks inside are
// refused, so that one signature has one value in each alphabet.
func (e encoding) decode(dst []byte, s string) bool {
	switch e {
	case encodingHex:
		return decodeHex(dst, s, true)
	case encodingHexLower:
		return decodeHex(dst, s, false)
	case encodingBase64:
		return decodeBase64(dst, s, base64.StdEncoding) || decodeBase64(dst, s, base64.URLEncoding) ||
			decodeBase64(dst, s, base64.RawStdEncoding) || decodeBase64(dst, s, base64.RawURLEncoding)
	case encodingBase64Exact:
		return decodeBase64(dst, s, base64.StdEncoding)
	case encodingBase64URL:
		plain, err := url.PathUnescape(s) // which leaves a plus as it is
		return err == nil && decodeBase64(dst, plain, base64.StdEncoding)
	}
	return false
}

// decodeHex fills dst from exactly 2*len(dst) hex digits.
func decodeHex(dst []byte, s string, upper bool) bool {
	if len(s) != 2*len(dst) {
		return false
	}
	for i := range dst {
		hi, okHi := hexDigit(s[2*i], upper)
		lo, okLo := hexDigit(s[2*i+1], upper)
		if !okHi || !okLo {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

// hexDigit returns the value of one hex digit.
func hexDigit(c byte, upper bool) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case upper && c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// decodeBase64 fills dst from s if s is dst's length in enc. Decoders skip line
// breaks; both lengths together leave no room for one.
func decodeBase64(dst []byte, s string, enc *base64.Encoding) bool {
	if len(s) != enc.EncodedLen(len(dst)) {
		return false
	}
	var text, buf [96]byte // room for 64 bytes and their padding
	n, err := enc.Strict().Decode(buf[:], append(text[:0], s...))
	if err != nil || n != len(dst) {
		return false
	}
	copy(dst, buf[:n])
	return true
}

// decodeSecret turns a secret as the provider shows it into key bytes. The
// error does not quote the secret.
func decodeSecret(how string, value []byte) ([]byte, error) {
	switch how {
	case "", "raw":
		return value, nil
	case "hex":
		key := make([]byte, hex.DecodedLen(len(value)))
		if _, err := hex.Decode(key, value); err != nil {
			return nil, errors.New("is no hex, but decode says hex")
		}
		return key, nil
	case "base64":
		return base64Secret(string(value))
	case "whsec":
		return base64Secret(strings.TrimPrefix(string(value), whsecPrefix))
	}
	return nil, fmt.Errorf("cannot be decoded as %q", how)
}

// base64Secret decodes a secret in any of the four base64 alphabets.
func base64Secret(s string) ([]byte, error) {
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if key, err := enc.DecodeString(s); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("is no base64; was it cut off, or is it used as it is (decode: raw)?")
}
