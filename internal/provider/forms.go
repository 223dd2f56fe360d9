package provider

import (
	"bytes"
	"encoding/hex"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// json returns what of a request is JSON: its body, or its form as an object, or
// the form's one field that counts.
func (r Reading) json(req *webhook.Request) ([]byte, *Malformed) {
	if !r.Forms || looksLikeJSON(req.Body) {
		return req.Body, nil
	}
	fields, m := formFields(req)
	switch {
	case m != nil:
		return nil, m
	case len(fields) == 0:
		return req.Body, nil // nothing: the reading of it says so
	case r.Field == "":
		return formObject(fields), nil
	}
	for _, f := range fields {
		if f.name == r.Field {
			return []byte(f.value), nil
		}
	}
	return nil, MissingType(r.Field)
}

// looksLikeJSON reports whether a text begins as a JSON object or array does,
// which no form does.
func looksLikeJSON(text []byte) bool {
	text = bytes.TrimLeft(bytes.TrimPrefix(text, []byte(byteOrderMark)), " \t\r\n")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

// byteOrderMark is that of UTF-8.
const byteOrderMark = "\xef\xbb\xbf"

// field is one field of a form.
type field struct{ name, value string }

// formFields returns the fields of a request's form in the order sent. Where a
// provider calls by GET, the receiver has made the query the body.
func formFields(req *webhook.Request) ([]field, *Malformed) {
	text := bytes.TrimSpace(bytes.TrimPrefix(req.Body, []byte(byteOrderMark)))
	if len(text) == 0 {
		return nil, nil
	}
	kind, params, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err == nil && kind == "multipart/form-data" {
		return multipartFields(req.Body, params["boundary"])
	}
	return urlencodedFields(string(text))
}

// urlencodedFields reads application/x-www-form-urlencoded as browsers do
// (https://url.spec.whatwg.org/#urlencoded-parsing); an escape that is none is
// kept as it stands. What has no '=' at all is no form.
func urlencodedFields(text string) ([]field, *Malformed) {
	if !strings.Contains(text, "=") || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r\n\"<>") {
		return nil, &Malformed{ReasonInvalidJSON, "the body is neither JSON nor a form"}
	}
	var out []field
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		if len(out) == jsondoc.MaxItems {
			return nil, &Malformed{ReasonTooManyItems, "the form has too many fields"}
		}
		name, value, _ := strings.Cut(pair, "=")
		out = append(out, field{unescape(name), unescape(value)})
	}
	return out, nil
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	plain := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s):
			if b, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				c, i = b[0], i+2
			}
		}
		plain = append(plain, c)
	}
	return string(plain)
}

// multipartFields reads multipart/form-data (RFC 7578). A file is a field as well:
// its content is what it says.
func multipartFields(body []byte, boundary string) ([]field, *Malformed) {
	broken := &Malformed{ReasonInvalidJSON, "the body is not the multipart form that its content type announces"}
	if boundary == "" || !bytes.Contains(body, []byte("--"+boundary+"--")) { // a form cut short would end like any other
		return nil, broken
	}
	var out []field
	for r := multipart.NewReader(bytes.NewReader(body), boundary); ; {
		part, err := r.NextRawPart()
		if err == io.EOF { //nolint:errorlint // the package returns it as it is
			return out, nil
		}
		if err != nil {
			return nil, broken
		}
		if len(out) == jsondoc.MaxItems {
			return nil, &Malformed{ReasonTooManyItems, "the form has too many fields"}
		}
		value, err := io.ReadAll(part) // no longer than the body
		if err != nil {
			return nil, broken
		}
		out = append(out, field{part.FormName(), string(value)})
	}
}

// formObject writes fields as one JSON object, in the order in which their names
// came first: a string each, an array of strings where one came again.
func formObject(fields []field) []byte {
	values := make(map[string][]string, len(fields))
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		if _, there := values[f.name]; !there {
			names = append(names, f.name)
		}
		values[f.name] = append(values[f.name], f.value)
	}
	out := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(event.AppendString(out, name), ':')
		out = appendValues(out, values[name])
	}
	return append(out, '}')
}

func appendValues(dst []byte, values []string) []byte {
	if len(values) == 1 {
		return event.AppendString(dst, values[0])
	}
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = event.AppendString(dst, v)
	}
	return append(dst, ']')
}
