package cloudevents

import (
	"encoding/base64"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/vocabulary"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// media is what the content types of structured and batched mode begin with.
const media = "application/cloudevents"

// binary reports whether the attributes of a request are headers.
func binary(req *webhook.Request) bool {
	kind, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	return req.Header.Get("Ce-Type") != "" && !strings.HasPrefix(kind, media)
}

// item reads one event: an object with its attributes, or, in binary mode, its data.
func (p *parser) item(o jsondoc.Object, at provider.Place) []provider.Result {
	if binary(at.Request) {
		return []provider.Result{p.words.Read(headers(at), o, o)}
	}
	env := vocabulary.Envelope{
		Word: o.String("type"), Field: "type", EventID: o.String("id"), Subject: o.String("subject"),
		OccurredAt: provider.TakeTime(o, "time"),
	}
	env.NativeID = identity(o.Peek("source"), env.EventID)
	o.TextIf("specversion", func(text string) bool { return text == "1.0" })
	o.TextIf("datacontenttype", isJSON)
	data := o.Object("data")
	if data.IsZero() {
		if doc := embedded(o); doc != nil {
			defer doc.Release()
			data, _ = doc.Root().Object(true)
		}
	}
	return []provider.Result{p.words.Read(env, o, data)}
}

// identity is what makes an event itself; "" without an id. No two pairs read the same.
func identity(source, id string) string {
	if id == "" {
		return ""
	}
	return strconv.Quote(source) + " " + id
}

// isJSON reports whether a content type is that of JSON.
func isJSON(text string) bool {
	kind, _, err := mime.ParseMediaType(text)
	_, subtype, _ := strings.Cut(kind, "/")
	return err == nil && (subtype == "json" || strings.HasSuffix(subtype, "+json"))
}

// embedded takes data that is an object written as a string, or in base64; nil for none.
func embedded(o jsondoc.Object) *jsondoc.Doc {
	if v, ok := o.Member("data"); ok && v.Kind() == '"' {
		doc, _ := o.Embedded("data")
		return object(doc)
	}
	var doc *jsondoc.Doc
	o.TextIf("data_base64", func(text string) bool {
		plain, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return false
		}
		parsed, err := jsondoc.Parse(plain)
		if err == nil {
			doc = object(parsed)
		}
		return doc != nil
	})
	return doc
}

// object is a document that holds one; nil for any other, whose memory it gives back.
func object(doc *jsondoc.Doc) *jsondoc.Doc {
	if doc != nil && doc.Root().Kind() != '{' {
		doc.Release()
		return nil
	}
	return doc
}

// headers are the attributes of an event in binary mode. Extensions and what else
// nobody asks for go to the metadata.
func headers(at provider.Place) vocabulary.Envelope {
	get := func(name string) string { return decoded(at.Request.Header.Get(name)) }
	env := vocabulary.Envelope{
		Word: get("Ce-Type"), Field: "ce-type", EventID: get("Ce-Id"), Subject: get("Ce-Subject"),
		Metadata: make(map[string]string),
	}
	if env.NativeID = identity(get("Ce-Source"), env.EventID); at.Count > 1 && env.NativeID != "" {
		env.NativeID += "/" + strconv.Itoa(at.Index) // items of an array that share the headers
	}
	for name := range at.Request.Header {
		attribute, ok := strings.CutPrefix(name, "Ce-")
		if value := get(name); ok && value != "" {
			env.Metadata[strings.ToLower(attribute)] = value
		}
	}
	for _, name := range []string{"type", "id", "subject"} {
		delete(env.Metadata, name)
	}
	if env.Metadata["specversion"] == "1.0" {
		delete(env.Metadata, "specversion")
	}
	if t, err := event.ParseTime(env.Metadata["time"]); err == nil && t.Plausible() {
		env.OccurredAt = t
		delete(env.Metadata, "time")
	}
	return env
}

// decoded is a header's value without its percent-encoding (section 3.1.3.2 of the
// HTTP binding); what is not encoded that way stays as it is.
func decoded(value string) string {
	if plain, err := url.PathUnescape(value); err == nil && utf8.ValidString(plain) {
		return plain
	}
	return strings.ToValidUTF8(value, "\uFFFD")
}
