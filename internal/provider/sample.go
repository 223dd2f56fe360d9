package provider

import (
	"cmp"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Content types of samples, and the method of those that are queries.
const (
	ContentJSON = "application/json"
	ContentForm = "application/x-www-form-urlencoded"
	methodGet   = "GET"
)

// Embed returns a JSON text with placeholders as a JSON string, quotes included: its
// addresses become {{recipient2}} and {{sender2}}, whose values are escaped twice.
func Embed(text string) string {
	text = strings.NewReplacer("{{recipient}}", "{{recipient2}}", "{{sender}}", "{{sender2}}").Replace(text)
	return string(event.AppendString(nil, text))
}

// IsForm reports whether Body is an urlencoded form, or a query: what is put in place
// of its placeholders is escaped as such.
func (s *Sample) IsForm() bool {
	return s.Field == "" && (s.ContentType == ContentForm || s.Method == methodGet)
}

// Request is the sample's request, unsigned, as the receiver sees it, with a body
// made of Sample.Body: its placeholders filled. With GET the body is what travels
// as the query.
func (s *Sample) Request(filled string) webhook.Request {
	kind := ContentJSON
	if s.Field != "" {
		kind, filled = ContentForm, s.Field+"="+url.QueryEscape(filled)
	}
	header := map[string][]string{"Content-Type": {cmp.Or(s.ContentType, kind)}}
	if s.Method == methodGet {
		delete(header, "Content-Type")
	}
	for _, line := range s.Header {
		name, value, _ := strings.Cut(line, ":")
		header[textproto.CanonicalMIMEHeaderKey(name)] = []string{strings.TrimSpace(value)}
	}
	return webhook.Request{Method: cmp.Or(s.Method, "POST"), Header: header, Body: []byte(filled)}
}
