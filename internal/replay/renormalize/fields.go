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

// fields are the members of an event, each as its JSON.
type fields map[string]json.RawMessage

// readFields reads an event's JSON.
func readFields(value []byte) (f fields, err error) {
	if err := json.Unmarshal(value, &f); err != nil {
		return nil, fmt.Errorf("renormalize: an event is no JSON object: %w", err)
	}
	return f, nil
}

// compare calls differs with each field that is not the same in both, by its path and
// as JSON, "" where it is absent. The members of objects (metadata, smtp, bounce and
// their like) are fields of their own; lists and raw, which is the provider's, are one
// field each.
func (f fields) compare(now fields, differs func(path, old, now string)) {
	f.under("", now, differs)
}

func (f fields) under(prefix string, now fields, differs func(path, old, now string)) {
	for name, old := range f {
		if !bytes.Equal(old, now[name]) {
			differing(prefix+name, old, now[name], differs)
		}
	}
	for name, value := range now {
		if f[name] == nil {
			differing(prefix+name, nil, value, differs)
		}
	}
}

// differing looks into a field that is not the same.
func differing(path string, old, now json.RawMessage, differs func(path, old, now string)) {
	if a, ok := members(path, old); ok {
		if b, ok := members(path, now); ok {
			a.under(path+".", b, differs)
			return
		}
	}
	differs(path, string(old), string(now))
}

// members are the members of an object of the schema; none where it is absent. False
// means that the field is none.
func members(path string, value json.RawMessage) (f fields, ok bool) {
	if path == "raw" || strings.Contains(path, ".") {
		return nil, false
	}
	if value == nil {
		return nil, true
	}
	err := json.Unmarshal(value, &f)
	return f, err == nil
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
	_ = json.Unmarshal(f["type"], &typ) // absent: ""
	if string(f["direction"]) == `"inbound"` {
		return "inbound." + typ
	}
	return typ
}
