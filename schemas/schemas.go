// Package schemas holds the published JSON Schemas (draft 2020-12) of what
// postrider writes, so that they are part of the binary.
//
// event.v1.schema.json is exact for producers: it names every field and allows
// no other, and tests prove pkg/event's Validate equal to it. Consumers should
// not validate with it, since additive changes keep its version; they ignore
// what they do not know.
package schemas

import _ "embed" // for the schema files

//go:embed event.v1.schema.json
var event string

// EventID is the $id of the event's schema.
const EventID = "urn:postrider:schema:event:v1"

// Event returns the JSON Schema of the canonical event, a new copy each time.
func Event() []byte { return []byte(event) }
