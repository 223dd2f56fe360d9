package provider

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/pkg/event"
)

// TakeRecipients takes whom an event is about: an address, or an array of them,
// without display names. Of several the provider does not say which it was, so they
// are e's Recipients; one is its Recipient. An array with anything else in it, or
// with what is too long for an address, stays for the metadata.
func TakeRecipients(o jsondoc.Object, name string, e *event.Event) {
	if one := o.String(name); one != "" {
		e.Recipient = Address(one)
		return
	}
	list, ok := o.Member(name)
	if !ok || list.Kind() != '[' {
		return
	}
	for _, item := range list.Items() {
		if len(item.Bytes()) > jsondoc.MaxShort {
			return
		}
	}
	var who []string
	for _, address := range o.Strings(name) {
		if address = Address(address); address != "" {
			who = append(who, address)
		}
	}
	if len(who) == 1 {
		e.Recipient = who[0]
		return
	}
	e.Recipients = who
}

// Metadata is what nobody took of some objects, outer ones before those in them.
func Metadata(objects ...jsondoc.Object) (rest map[string]string) {
	for _, o := range objects {
		rest = o.Rest(rest)
	}
	return rest
}
