package ses

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// record is a record without its wrapping.
type record struct {
	object jsondoc.Object
	id     string // of the message that carried it; "" if there is none
	name   string // EventBridge's detail-type; "" if it did not come that way
}

// unwrap finds the record in what came: an SNS envelope, an EventBridge event, or the
// record itself, whose SNS message id then is in a header.
func (p *parser) unwrap(o jsondoc.Object, at provider.Place) []provider.Result {
	if envelope, ok := provider.ReadSNS(o); ok {
		return p.notification(o, envelope)
	}
	return p.bare(record{object: o, id: at.HeaderID("X-Amz-Sns-Message-Id")})
}

// notification reads an SNS envelope. The two other types are about the subscription.
func (p *parser) notification(o jsondoc.Object, envelope provider.SNS) []provider.Result {
	if !envelope.Carries() {
		return nil
	}
	doc, ok := o.Embedded("Message")
	if !ok {
		return sentence(o)
	}
	defer doc.Release()
	inner, ok := doc.Root().Object(false)
	if !ok {
		return malformed(provider.ReasonNotAnObject, "the field Message holds no object")
	}
	return p.bare(record{object: inner, id: envelope.MessageID})
}

// sentence is a message in plain words. SES posts one to a topic that was set up for
// its events; others have no business there.
func sentence(o jsondoc.Object) []provider.Result {
	if strings.HasPrefix(strings.TrimSpace(o.Peek("Message")), "Successfully validated SNS topic for Amazon SES") {
		return nil
	}
	return malformed(provider.ReasonInvalidJSON, "the field Message holds no JSON")
}

func malformed(reason provider.Reason, detail string) []provider.Result {
	return []provider.Result{{Malformed: &provider.Malformed{Reason: reason, Detail: detail}}}
}

// bare reads what is in no SNS envelope any more.
func (p *parser) bare(r record) []provider.Result {
	name := r.object.Peek("detail-type")
	detail, ok := r.object.Member("detail")
	inner, isObject := detailObject(detail, ok)
	if name == "" || !isObject {
		return p.results(r)
	}
	if id := r.object.Peek("id"); id != "" {
		r.id = id
	}
	if inner.Peek("eventType") == "" && p.names[name] == "" {
		r.name = name
		return p.account(r)
	}
	r.object, r.name = inner, name
	return p.results(r)
}

// detailObject is the object that a member is, to look at.
func detailObject(v jsondoc.Value, ok bool) (jsondoc.Object, bool) {
	if !ok {
		return jsondoc.Object{}, false
	}
	return v.Object(false)
}

// account reads an EventBridge event that is about the account or an identity. It is
// the item itself.
func (p *parser) account(r record) []provider.Result {
	o := r.object
	e := event.Event{
		Type: event.Unknown, Family: event.Unknown.Family(), Direction: event.Outbound,
		ProviderType: o.String("detail-type"), ProviderEventID: o.String("id"),
		OccurredAt: provider.TakeTime(o, "time"), Raw: o.Compact(),
	}
	e.Metadata = o.Rest(nil)
	return []provider.Result{{Event: e, NativeID: r.id}}
}
