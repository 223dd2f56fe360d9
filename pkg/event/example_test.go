package event_test

import (
	"fmt"

	"github.com/postrider/postrider/pkg/event"
)

func ExampleDecode() {
	value := []byte(`{"schema":"email-event/1","id":"0f3c1d5be0a94f0f8a4dd2a8b7f6a1c2","type":"bounced","family":"delivery",
		"direction":"outbound","provider":"cmcom","source":"cm-prod","provider_type":"bounced","received_at":"2025-11-28T06:29:58.113Z",
		"recipient":"someone@example.com","bounce":{"class":"hard","category":"invalid_recipient"},"a_later_field":true}`)
	e, err := event.Decode(value)
	if err != nil {
		fmt.Println(err)
		return
	}
	if e.Type == event.Bounced && e.Bounce.Category == event.InvalidRecipient {
		fmt.Println("suppress", e.Recipient)
	}
	// Output: suppress someone@example.com
}

func ExampleEvent_Validate() {
	e := event.Event{Schema: event.Schema, ID: "7", Type: event.Bounced, Direction: event.Outbound, Provider: "vfs", Source: "velma", ProviderType: "HardBounce"}
	fmt.Println(e.Validate())
	// Output: event: id must be 32 lower-case hex digits; family must be the family of the type; received_at is required, in a year of four digits; bounce is required on bounced
}
