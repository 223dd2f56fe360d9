package renormalize

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// What of a record is compared beside the fields of its event.
const (
	fieldTopic = "(topic)"
	fieldKey   = "(key)"
)

// shown lists the fields of which an example's values are shown. All others may hold
// an address or what somebody wrote, reads or does: recipient, recipients,
// recipient_hash, sender, subject, tags, metadata, reason, raw, the ids that senders
// choose, the words of mail exchangers and of other people, and the record's key. A
// field that is added to events is not shown unless it is listed here.
var shown = map[string]bool{
	fieldTopic: true, "schema": true, "id": true, "type": true, "family": true, "direction": true, "provider": true, "source": true,
	"provider_type": true, "occurred_at": true, "received_at": true, "smtp.code": true, "smtp.enhanced": true, "smtp.attempt": true,
	"bounce.class": true, "bounce.category": true, "bounce.code_assumed": true, "bounce.will_retry": true, "drop.reason": true,
	"engagement.bot": true, "engagement.first": true, "test": true, "raw_id": true,
}

// maxShown is how much of a value is shown, in bytes.
const maxShown = 200

// example is a value as an example shows it: "" where there is none, or where it is
// not to be shown.
func example(field, value string) string {
	if !shown[field] {
		return ""
	}
	if len(value) > maxShown {
		return strings.ToValidUTF8(value[:maxShown], "") + "…"
	}
	return value
}

// fields are an event's fields by path, each as JSON. Lists are one field.
type fields map[string]string

// readFields reads an event's JSON.
func readFields(value []byte) (fields, error) {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil, fmt.Errorf("renormalize: an event is no JSON object: %w", err)
	}
	f := fields{}
	f.add("", object)
	return f, nil
}

func (f fields) add(prefix string, object map[string]any) {
	for name, value := range object {
		if inner, ok := value.(map[string]any); ok && prefix == "" && name != "raw" {
			f.add(name+".", inner)
			continue
		}
		text, _ := json.Marshal(value) //nolint:errchkjson // what was decoded can be encoded
		f[prefix+name] = string(text)
	}
}

// maxName is how long a name of metadata is shown.
const maxName = 64

// label is a field's path as a person sees it. Names of metadata are the provider's:
// those that are no plain words are drawn together as metadata.*.
func label(path string) string {
	name, ok := strings.CutPrefix(path, "metadata.")
	if ok && (len(name) > maxName || strings.ContainsFunc(name, unusual)) {
		return "metadata.*"
	}
	return path
}

func unusual(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.-", r)
}

// route is the type under which a person knows the events: delivered,
// inbound.delivered.
func (f fields) route() string {
	var typ string
	_ = json.Unmarshal([]byte(f["type"]), &typ) // absent: ""
	if f["direction"] == `"inbound"` {
		return "inbound." + typ
	}
	return typ
}
