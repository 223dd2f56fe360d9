package docs_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// fixed is a parser whose payload is always this event.
type fixed struct{ e event.Event }

// Parse implements provider.Parser.
func (f fixed) Parse(webhook.Verified) []provider.Result {
	return []provider.Result{{Event: f.e, NativeID: "1", Item: []byte("{}")}}
}

const address = "someone@example.com"

// everywhere is an event with the recipient's address in every text that a
// provider's payload can fill.
func everywhere() event.Event {
	const a = "for " + address
	return event.Event{
		Type: event.Dropped, Direction: event.Outbound, ProviderType: a, ProviderSubtype: a, ProviderEventID: a,
		MessageID: a, SMTPMessageID: a, BatchID: a, CustomerRef: a, Recipient: address, Sender: a, Subject: a,
		Tags: []string{a}, Metadata: map[string]string{"x": a}, Reason: a,
		SMTP:       &event.SMTP{Response: a, MX: a, Remote: a},
		Drop:       &event.Drop{Reason: event.DropOther, Detail: a},
		Complaint:  &event.Complaint{Type: a},
		Engagement: &event.Engagement{URL: a, IP: a, UserAgent: a, Country: a, Client: a},
	}
}

// texts returns the texts of an event by the names of their fields.
func texts(e *event.Event) map[string]string {
	return map[string]string{
		"provider_type": e.ProviderType, "provider_subtype": e.ProviderSubtype, "provider_event_id": e.ProviderEventID,
		"message_id": e.MessageID, "smtp_message_id": e.SMTPMessageID, "batch_id": e.BatchID, "customer_ref": e.CustomerRef,
		"sender": e.Sender, "subject": e.Subject, "tags": e.Tags[0], "metadata": e.Metadata["x"], "reason": e.Reason,
		"smtp.response": e.SMTP.Response, "smtp.mx": e.SMTP.MX, "smtp.remote": e.SMTP.Remote, "drop.detail": e.Drop.Detail,
		"complaint.type": e.Complaint.Type, "engagement.url": e.Engagement.URL, "engagement.ip": e.Engagement.IP,
		"engagement.user_agent": e.Engagement.UserAgent, "engagement.country": e.Engagement.Country, "engagement.client": e.Engagement.Client,
	}
}

// Hash mode replaces the address in the texts that the page lists and no others.
func TestHashModeDoesWhatIsDocumented(t *testing.T) {
	src := &normalize.Source{
		Name: "s", ID: "s", Provider: "p", Mapper: 1, Parser: fixed{everywhere()},
		Pepper: []byte("a pepper of enough bytes"), HashRecipient: true,
	}
	out, err := normalize.Normalize(t.Context(), src, webhook.AssumeProvenForReplayAndTests(webhook.Request{ReceivedAt: time.Unix(1, 0)}), "raw")
	if err != nil || len(out.Events) != 1 {
		t.Fatalf("dead letters %+v, %v", out.DeadLetters, err)
	}
	e := &out.Events[0].Event
	if e.Recipient != "" || e.RecipientHash != normalize.RecipientHash(src.Pepper, address) {
		t.Errorf("recipient %q, hash %q", e.Recipient, e.RecipientHash)
	}
	var replaced []string
	for name, text := range texts(e) {
		if !strings.Contains(text, address) {
			replaced = append(replaced, name)
		}
	}
	_, list, _ := strings.Cut(section(t, text(t, "events.md"), "## Personal data"), "(`%40`, `\\u0040`), in:")
	list, _, _ = strings.Cut(list, ".\n")
	same(t, "hashed text", codes(list), replaced)
	if got := slices.Sorted(maps.Keys(texts(e))); len(got) <= len(replaced) {
		t.Errorf("nothing was left alone: %v", got)
	}
}
