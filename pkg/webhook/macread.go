package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// signatures are the decoded signatures of one request.
type signatures struct {
	sig      [maxSignatures][64]byte // the first size bytes of each
	size     int
	n        int
	overflow bool // there were more
}

// add decodes one more signature; what is none is left out.
func (s *signatures) add(text string, enc encoding) {
	if s.n == maxSignatures {
		s.overflow = true
		return
	}
	if enc.decode(s.sig[s.n][:s.size], text) {
		s.n++
	}
}

// listing is how a header's value holds signatures.
type listing struct {
	prefix     string // before each signature; others are left out
	separators string // bytes between signatures; "" if there is only one
	single     bool   // exactly one signature in exactly one header
}

// newListing separates signatures by commas and spaces, but not by what the
// prefix itself holds.
func newListing(prefix string) listing {
	separators := strings.Map(func(c rune) rune {
		if strings.ContainsRune(prefix, c) {
			return -1
		}
		return c
	}, ", \t")
	return listing{prefix: prefix, separators: separators}
}

// each calls fn with every signature in value, prefix removed.
func (l listing) each(value string, fn func(string)) {
	for value != "" {
		item := value
		if i := strings.IndexAny(value, l.separators); i >= 0 {
			item, value = value[:i], value[i+1:]
		} else {
			value = ""
		}
		if !l.single {
			item = strings.TrimLeft(item, " \t")
		}
		if sig, ok := strings.CutPrefix(item, l.prefix); ok && sig != "" {
			fn(sig)
		}
	}
}

// expectation says what a well-formed signature header looks like.
func (v *macVerifier) expectation() string {
	hint := "expected " + strconv.Itoa(v.size) + " bytes of " + v.encoding.String()
	if v.encoding == encodingHexLower {
		hint = "expected " + strconv.Itoa(2*v.size) + " lower-case hex digits"
	}
	if v.list.prefix != "" {
		hint += " after " + strconv.Quote(v.list.prefix)
	}
	return hint
}

// present reports whether a header has a value that is not empty.
func present(values []string) bool {
	for _, v := range values {
		if v != "" {
			return true
		}
	}
	return false
}

// oneHeader returns the value of a header that must be there exactly once; name
// is canonical.
func oneHeader(scheme string, h http.Header, name string) (string, error) {
	values := h[name]
	if !present(values) {
		return "", refuse(scheme, ReasonMissing, "header "+name, "the proof needs it")
	}
	if len(values) > 1 {
		return "", refuse(scheme, ReasonMalformed, "header "+name, "the header is there more than once")
	}
	return values[0], nil
}

// firstValue returns a header's first value, by its canonical name.
func firstValue(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// unixSeconds reads 1 to 11 decimal digits and nothing else: no sign, no
// fraction, no milliseconds.
func unixSeconds(s string) (int64, bool) {
	if s == "" || len(s) > 11 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// setUnix sets a header to now in unix seconds.
func setUnix(r *Request, name string, now time.Time) {
	r.Header[name] = []string{strconv.FormatInt(now.Unix(), 10)}
}

// setDefaultID fills a header that is signed and not there yet (the webhook's
// id, or one whose meaning only the provider knows) with a name made of the body
// and now: no randomness, so that a test sender can repeat itself.
func setDefaultID(r *Request, name string, now time.Time) {
	if name == "" || present(r.Header[name]) {
		return
	}
	r.Header[name] = []string{"msg_" + madeUpID(r.Body, now)[:24]}
}

// madeUpID returns 64 hex digits that a body and a moment always have.
func madeUpID(body []byte, now time.Time) string {
	h := sha256.New()
	h.Write(body)
	h.Write(strconv.AppendInt(nil, now.UnixNano(), 10))
	return hex.EncodeToString(h.Sum(nil))
}
