package forward

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/selection"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// Format is what is sent for a record.
type Format string

// The formats.
const (
	JSON              Format = "json"               // the record's value
	CloudEvents       Format = "cloudevents"        // one JSON object with the attributes and the value as data
	CloudEventsBinary Format = "cloudevents_binary" // attributes as headers, the value as body
	Raw               Format = "raw"                // a raw record's: the provider's request as it was received
)

// Formats lists the formats.
func Formats() []Format { return []Format{JSON, CloudEvents, CloudEventsBinary, Raw} }

// Headers that every delivery has beside those of Standard Webhooks, where the record
// tells their values.
const (
	headerAttempt  = "Postrider-Attempt"    // from 1
	headerType     = "Postrider-Event-Type" // as the attribute type of CloudEvents: email.bounced.v1
	headerProvider = "Postrider-Provider"
	headerSource   = "Postrider-Source"
	headerReplay   = "Postrider-Replay" // id of the replay, on copies that one made
	headerQuery    = "Postrider-Query"  // format raw: the request's parameters that are kept, URL-encoded
)

// errNoEvent says why a record cannot be a CloudEvent.
var errNoEvent = errors.New("it has no CloudEvents headers, as the topics of events have (ce_specversion 1.0, ce_id, ce_source, ce_type)")

// errNotRaw says why a record is no request.
var errNotRaw = errors.New("it is no request as the raw topic has them")

// payload makes what is sent for a record. The error is the record's own.
func (f Format) payload(m *consumer.Message) (delivery.Message, error) {
	d := delivery.Message{ID: identity(m), ContentType: contentType(m), Body: m.Value, Header: common(m)}
	var err error
	switch f {
	case JSON:
		if m.Value == nil {
			err = errors.New("it has no value")
		}
	case CloudEvents:
		err = structured(m, &d)
	case CloudEventsBinary:
		err = binary(m, &d)
	case Raw:
		err = raw(m, &d)
	}
	if err != nil {
		return delivery.Message{}, fmt.Errorf("forward: %s cannot be sent as %s: %w", m.Origin(), f, err)
	}
	return d, nil
}

// identity is the delivery's id, by which the target tells repeats: the event's, and
// for a record that holds none, its first place. Full stops separate what is signed.
func identity(m *consumer.Message) string {
	if id := m.ID(); id != "" {
		return id
	}
	place := m.Origin()
	if copied, ok := m.Replay(); ok && copied.Of.Topic != "" && copied.Of.Topic != place.Topic {
		place = copied.Of
	}
	return strings.ReplaceAll(place.String(), ".", ":")
}

// contentType is the value's.
func contentType(m *consumer.Message) string {
	if text, ok := m.Header("content-type"); ok {
		return text
	}
	return "application/json"
}

// common are the headers of every format.
func common(m *consumer.Message) http.Header {
	h := make(http.Header, 6)
	h[headerAttempt] = []string{strconv.Itoa(m.Attempt)}
	for _, named := range [...]struct{ header, record string }{
		{headerType, "ce_type"}, {headerProvider, "provider"}, {headerSource, "source"}, {headerReplay, selection.HeaderReplayed},
	} {
		if value, ok := m.Header(named.record); ok && printable(value) {
			h[named.header] = []string{value}
		}
	}
	return h
}

// printable reports whether a text can be a header's value as it is.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// raw is a provider's request: its body and content type. No header of the request goes
// with it: signatures, cookies and the like are between the provider and the receiver.
func raw(m *consumer.Message, d *delivery.Message) error {
	id, ok := m.Header("id")
	if _, dead := m.Header("stage"); !ok || dead {
		return errNotRaw
	}
	d.ID = id
	if _, ok := m.Header("content-type"); !ok {
		d.ContentType = "application/octet-stream"
	}
	if query, ok := m.Header("query"); ok && printable(query) {
		d.Header[headerQuery] = []string{query}
	}
	return nil
}

// attribute is one context attribute of a CloudEvent.
type attribute struct{ name, value string }

// attributes are those of the record's headers ce_…, in their order; the first four are
// the required ones.
func attributes(m *consumer.Message) ([]attribute, error) {
	list := []attribute{{name: "specversion"}, {name: "id"}, {name: "source"}, {name: "type"}}
	for _, h := range m.Headers {
		name, ok := strings.CutPrefix(h.Key, "ce_")
		if !ok || !attributeName(name) {
			continue
		}
		if at := indexOf(list, name); at < 0 {
			list = append(list, attribute{name, string(h.Value)})
		} else if list[at].value == "" {
			list[at].value = string(h.Value)
		}
	}
	if list[0].value != "1.0" || list[1].value == "" || list[2].value == "" || list[3].value == "" {
		return nil, errNoEvent
	}
	return list, nil
}

func indexOf(list []attribute, name string) int {
	for i := range list {
		if list[i].name == name {
			return i
		}
	}
	return -1
}

// attributeName reports whether a name is one that an attribute can have
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#attribute-naming-convention),
// and none that the payload or its content type takes.
func attributeName(name string) bool {
	switch name {
	case "", "data", "datacontenttype":
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// structured is the event in JSON format, with the value as it is
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md).
func structured(m *consumer.Message, d *delivery.Message) error {
	list, err := attributes(m)
	if err != nil {
		return err
	}
	b := make([]byte, 0, len(m.Value)+512)
	for i, a := range list {
		b = append(b, ",{"[min(1, max(0, 1-i))])
		b = append(event.AppendString(b, a.name), ':')
		b = event.AppendString(b, a.value)
	}
	b = append(b, `,"datacontenttype":`...)
	b = event.AppendString(b, d.ContentType)
	if b, err = appendData(b, d.ContentType, m.Value); err != nil {
		return err
	}
	d.Body, d.ContentType = append(b, '}'), "application/cloudevents+json; charset=utf-8"
	return nil
}

// appendData appends the value: JSON as it is, anything else in base64.
func appendData(b []byte, contentType string, value []byte) ([]byte, error) {
	if !isJSON(contentType) {
		b = append(b, `,"data_base64":"`...)
		return append(base64.StdEncoding.AppendEncode(b, value), '"'), nil
	}
	if !json.Valid(value) {
		return nil, errors.New("its value is no JSON, which its content type says it is")
	}
	return append(append(b, `,"data":`...), value...), nil
}

// isJSON reports whether a content type is that of JSON.
func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	_, subtype, _ := strings.Cut(media, "/")
	return err == nil && (subtype == "json" || strings.HasSuffix(subtype, "+json"))
}

// binary is the event in HTTP's binary mode: attributes as headers, the value as body
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#31-binary-content-mode).
func binary(m *consumer.Message, d *delivery.Message) error {
	list, err := attributes(m)
	if err != nil {
		return err
	}
	for _, a := range list {
		d.Header["Ce-"+strings.ToUpper(a.name[:1])+a.name[1:]] = []string{percentEncoded(a.value)}
	}
	return nil
}

// percentEncoded is an attribute's value in a header: bytes of what is not printable
// ASCII, space, double quote and percent sign are written as %XX (section 3.1.3.2).
func percentEncoded(value string) string {
	if !strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '%' }) {
		return value
	}
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(value)+16)
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c > '~' || c == '"' || c == '%' {
			b = append(b, '%', hex[c>>4], hex[c&0xf])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}
