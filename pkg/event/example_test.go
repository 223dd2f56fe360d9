package event_test

import (
	"fmt"

	"github.com/postrider/postrider/pkg/event"
)

// What a consumer does with a record's value: the types it knows, and a default
// for what a later version may bring.
func Example() {
	for _, value := range []string{
		`{"schema":"email-event/1","id":"0f3c1d5be0a94f0f8a4dd2a8b7f6a1c2","type":"clicked","family":"engagement","direction":"outbound",
			"provider":"jetemail","source":"shop","provider_type":"outbound.clicked","received_at":"2026-11-21T12:00:00.000Z"}`,
		`{"schema":"email-event/1","id":"1f3c1d5be0a94f0f8a4dd2a8b7f6a1c2","type":"recalled","family":"delivery","direction":"outbound",
			"provider":"jetemail","source":"shop","provider_type":"outbound.recalled","received_at":"2026-11-21T12:00:01.000Z"}`,
		`no event at all`,
	} {
		e, err := event.Decode([]byte(value))
		if err != nil {
			fmt.Println("set aside:", err)
			continue
		}
		if e.Type == event.Clicked {
			fmt.Println("clicked:", e.ID, "valid:", e.Validate() == nil)
		} else {
			fmt.Println("not for us:", e.Type, "-", e.Validate())
		}
	}
	// Output:
	// clicked: 0f3c1d5be0a94f0f8a4dd2a8b7f6a1c2 valid: true
	// not for us: recalled - event: type must be a canonical type; family must be the family of the type
	// set aside: event: decode 15 bytes of JSON: invalid character 'o' in literal null (expecting 'u')
}

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
