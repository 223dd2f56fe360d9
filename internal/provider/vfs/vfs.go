// Package vfs reads the callback events of Velma's VFS, a mortgage marketing
// service (velma.com). Its public page on callback events is the only source;
// nothing is documented about signatures, retries, time-outs or order.
//
// One JSON object a request, {jobid, itemId, eventId, type, timestamp, attr}.
// What to know:
//   - No body names the recipient: the sponsor writes that into the callback
//     address of each contact, so the source's query settings bring it in.
//   - The example says jobid, the table jobId; the Delivered example says
//     response, its table reason. Names are compared with case, spaces, '_' and
//     '-' left out, types too, since those of the two bounces are never shown.
//   - timestamp is a string of unix seconds. attr may be missing, null or {}.
//   - The Opened example has a trailing comma; such a body is read tolerantly.
//   - statusCode is an RFC 3463 code ("EMSSC"); code ("100.0.0") is one of VFS's own.
//   - A soft bounce may carry a class 5 code: the type is what counts.
package vfs

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of VFS.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "vfs",
		Title:  "Velma VFS",
		Doc:    "https://readme.velma.io/#e8165fa0-c5ef-4d8a-ad70-254e61a22649",
		Mapper: 1,
		Auth:   "token",
		Policy: provider.Policy{
			Busy:    503,
			Retries: "not documented; counts as none",
		},
		Types:     types(),
		Identity:  "`eventId`",
		MaxEvents: 1,
		New:       provider.WithoutOptions("vfs", newParser),
		Samples:   samples,
	}
}

// row is one event type: what it is called here, and how its attr is read.
type row struct {
	name   string
	typ    event.Type
	detail func(*reader)
}

// table maps VFS's types, in the order of the page.
func table() []row {
	return []row{
		{"Dropped", event.Dropped, (*reader).dropped},
		{"Failed", event.Failed, nil},
		{"Sent", event.Sent, nil}, // "placed on the SMTP network", so not yet delivered
		{"Deferred", event.Deferred, (*reader).deferred},
		{"HardBounce", event.Bounced, (*reader).hardBounce},
		{"SoftBounce", event.Bounced, (*reader).softBounce},
		{"Delivered", event.Delivered, (*reader).delivered},
		{"Opened", event.Opened, (*reader).engaged},
		{"Clicked", event.Clicked, (*reader).engaged},
		{"Complaint", event.Complained, nil},
		{"Unsubscribe", event.Unsubscribed, nil},
	}
}

func types() []provider.TypeInfo {
	var out []provider.TypeInfo
	for _, r := range table() {
		out = append(out, provider.TypeInfo{ProviderType: r.name, Type: r.typ, Direction: event.Outbound})
	}
	return out
}

// parser holds the table by folded name.
type parser struct{ rows map[string]row }

// newParser makes the parser of any source.
func newParser() provider.Parser {
	rows := make(map[string]row)
	for _, r := range table() {
		rows[jsondoc.Fold(r.name)] = r
	}
	// The page's heading says "Unsubscribe Event", where its neighbours use the
	// past tense: either may be what is sent.
	rows["unsubscribed"] = rows["unsubscribe"]
	p := &parser{rows: rows}
	return provider.Reading{Tolerant: true, Fold: true, Item: p.item}
}
