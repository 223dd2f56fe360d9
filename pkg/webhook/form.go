package webhook

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
)

// Bounds of what is read before anything is proven.
const (
	maxProofField = 512 // bytes of a field that belongs to a proof
	maxParts      = 512 // of a multipart form
	maxPartHead   = 4 << 10
	maxMembers    = 512 // of the outermost JSON object
)

// formOf reads a form's fields (WHATWG URL, section 5). Two readers of one form
// must not differ, so that a field that comes twice is an error, and so is
// anything that is not escaped as it should be.
func formOf(body []byte) (url.Values, error) {
	fields, err := url.ParseQuery(string(body))
	if err != nil || len(fields) == 0 {
		return nil, errors.New("no form")
	}
	for _, values := range fields {
		if len(values) > 1 {
			return nil, errors.New("a field that comes twice")
		}
	}
	return fields, nil
}

// maybeForm reports whether a body may be read as a form in which fields stand one
// after the other. One that begins as JSON does, behind white space or a byte order
// mark, is read as JSON, and one that is announced as parts as those: escapes, '='
// and '&' mean nothing there, so that a signature over the fields says nothing of
// what such a reader gets.
func maybeForm(r *Request) bool {
	text := bytes.TrimLeft(bytes.TrimPrefix(bytes.TrimLeft(r.Body, " \t\r\n"), []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(text) > 0 && text[0] != '{' && text[0] != '[' && !multipartForm(r)
}

// multipartForm reports whether a request is announced as a multipart form, with or
// without what separates its parts.
func multipartForm(r *Request) bool {
	for _, value := range r.Header["Content-Type"] {
		if kind, _, err := mime.ParseMediaType(value); err == nil && kind == "multipart/form-data" {
			return true
		}
	}
	return false
}

// boundary returns what separates the parts of a multipart form; "" if the request
// is none (RFC 7578).
func boundary(r *Request) string {
	kind, params, err := mime.ParseMediaType(firstValue(r.Header, "Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return ""
	}
	return params["boundary"]
}

// cheapParts reports whether a multipart form has few enough parts, each of them with
// a head that is short enough, to be read by anybody's leave.
func cheapParts(body []byte, between string) bool {
	n := 0
	for _, rest, found := bytes.Cut(body, []byte("--"+between)); found; _, rest, found = bytes.Cut(rest, []byte("--"+between)) {
		head := rest[:min(len(rest), maxPartHead)]
		last := bytes.HasPrefix(head, []byte("--"))
		if n++; n > maxParts || !last && !bytes.Contains(head, []byte("\r\n\r\n")) && !bytes.Contains(head, []byte("\n\n")) {
			return false
		}
	}
	return true
}

// partsOf reads the named fields of a multipart form; the first of each name.
func partsOf(body []byte, between string, names ...string) (url.Values, error) {
	if !cheapParts(body, between) {
		return nil, errors.New("a multipart form that costs too much")
	}
	fields := url.Values{}
	parts := multipart.NewReader(bytes.NewReader(body), between)
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return fields, nil
		}
		if err != nil {
			return nil, errors.New("no multipart form")
		}
		for _, name := range names {
			if part.FormName() != name || fields.Has(name) {
				continue
			}
			value, err := io.ReadAll(io.LimitReader(part, maxProofField))
			if err != nil {
				return nil, errors.New("a part that ends early")
			}
			fields.Set(name, string(value))
		}
	}
}

// setParts puts fields in front of a multipart form's parts.
func setParts(body []byte, between string, pairs ...string) []byte {
	var out bytes.Buffer
	for i := 0; i+1 < len(pairs); i += 2 {
		out.WriteString("--" + between + "\r\nContent-Disposition: form-data; name=\"" + pairs[i] + "\"\r\n\r\n" + pairs[i+1] + "\r\n")
	}
	out.Write(body)
	return out.Bytes()
}
