package ses_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/ses"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

func parser(t *testing.T) provider.Parser {
	t.Helper()
	p, err := ses.Definition().New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Every bounce type and sub-type of the page, without a delivery report that would
// say more.
func TestBounceTypes(t *testing.T) {
	text, err := os.ReadFile("testdata/bounce_types.tsv")
	if err != nil {
		t.Fatal(err)
	}
	p := parser(t)
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")[1:] {
		c := strings.Split(line, "\t")
		body := `{"eventType":"Bounce","bounce":{"bounceType":"` + c[0] + `","bounceSubType":"` + c[1] +
			`","bouncedRecipients":[{"emailAddress":"a@example.com"}]}}`
		e := providertest.Parse(t, ses.Definition(), p, []byte(body))[0].Event
		b, d := event.Bounce{}, event.Drop{}
		if e.Bounce != nil {
			b = *e.Bounce
		}
		if e.Drop != nil {
			d = *e.Drop
		}
		got := strings.Join([]string{c[0], c[1], string(e.Type), string(b.Class), string(b.Category), string(d.Reason)}, "\t")
		if got != line || e.ProviderSubtype != c[0]+"/"+c[1] {
			t.Errorf("%q, sub-type %s; want %q", got, e.ProviderSubtype, line)
		}
		if e.Bounce != nil && (b.WillRetry == nil || *b.WillRetry) {
			t.Errorf("%s: SES has given up, but will retry is %v", line, b.WillRetry)
		}
	}
}

// Every delay type and every complaint feedback type is kept as sent.
func TestWordsAreKept(t *testing.T) {
	p := parser(t)
	for _, word := range []string{
		"InternalFailure", "General", "MailboxFull", "SpamDetected", "RecipientServerError", "IPFailure",
		"TransientCommunicationFailure", "BYOIPHostNameLookupUnavailable", "Undetermined", "SendingDeferral",
	} {
		body := `{"eventType":"DeliveryDelay","deliveryDelay":{"delayType":"` + word + `","delayedRecipients":[{"emailAddress":"a@example.com"}]}}`
		e := providertest.Parse(t, ses.Definition(), p, []byte(body))[0].Event
		if e.Type != event.Deferred || e.ProviderSubtype != word || e.Recipient != "a@example.com" {
			t.Errorf("%s: %s %s of %s", word, e.Type, e.ProviderSubtype, e.Recipient)
		}
	}
	for _, word := range []string{"abuse", "auth-failure", "fraud", "not-spam", "other", "virus"} {
		body := `{"eventType":"Complaint","complaint":{"complaintFeedbackType":"` + word + `","complainedRecipients":[{"emailAddress":"a@example.com"}]}}`
		e := providertest.Parse(t, ses.Definition(), p, []byte(body))[0].Event
		if e.Type != event.Complained || e.Complaint.Type != word {
			t.Errorf("%s: %s %+v", word, e.Type, e.Complaint)
		}
	}
}

// The item of every event of a message is the message with its envelope: alone it gives
// the same events, under the same ids.
func TestAnItemAloneIsTheSameEvents(t *testing.T) {
	def := ses.Definition()
	p := parser(t)
	for _, name := range []string{"bounce_two_recipients", "eventbridge_through_sns"} {
		results := parse(t, name)
		for i, r := range results {
			alone := providertest.Parse(t, def, p, r.Item)
			if len(alone) != len(results) || alone[i].NativeID != r.NativeID || alone[i].Event.Recipient != r.Event.Recipient {
				t.Errorf("%s, item %d alone: %d events, want %d", name, i, len(alone), len(results))
			}
		}
	}
}

// parse reads a case of testdata.
func parse(t *testing.T, name string) []provider.Result {
	t.Helper()
	return parser(t).Parse(request(t, name))
}

func request(t *testing.T, name string) webhook.Verified {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".http"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\n\n")
	return webhook.AssumeProvenForReplayAndTests(webhook.Request{Method: "POST", Body: []byte(body)})
}

// A confirmation is followed, an unsubscription never, and an event is no handshake.
func TestHandshake(t *testing.T) {
	h, ok := parser(t).(provider.Handshaker)
	if !ok {
		t.Fatal("no handshake")
	}
	got, _ := h.Handshake(request(t, "subscription_confirmation"))
	if !strings.HasPrefix(got.Confirm, "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&") {
		t.Errorf("confirm %q", got.Confirm)
	}
	for _, name := range []string{"unsubscribe_confirmation", "sns_bounce", "validated_sentence"} {
		if got, ok := h.Handshake(request(t, name)); ok {
			t.Errorf("%s: %+v, want none", name, got)
		}
	}
}

// China has its own domain; what is compatible with SNS elsewhere is not Amazon.
func TestConfirmationHosts(t *testing.T) {
	h, ok := parser(t).(provider.Handshaker)
	if !ok {
		t.Fatal("no handshake")
	}
	for topic, host := range map[string]string{
		"arn:aws-cn:sns:cn-north-1:1:t":        "sns.cn-north-1.amazonaws.com.cn",
		"arn:aws-us-gov:sns:us-gov-west-1:1:t": "sns.us-gov-west-1.amazonaws.com",
		"arn:scw:sns:fr-par:1:t":               "",
	} {
		address := "https://" + host + "/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=x"
		body := `{"Type":"SubscriptionConfirmation","MessageId":"1","Token":"x","TopicArn":"` + topic + `","SubscribeURL":"` + address + `"}`
		got, _ := h.Handshake(webhook.AssumeProvenForReplayAndTests(webhook.Request{Body: []byte(body)}))
		if (got.Confirm != "") != (host != "") {
			t.Errorf("%s: %+v", topic, got)
		}
	}
}

// Names of tags that are taken get longer ones, the same every time.
func TestTagsOfOneNameAreToldApart(t *testing.T) {
	p := parser(t)
	body := []byte(`{"eventType":"Send","mail":{"timestamp":"x","tags":{"timestamp":["1"],"mail.tags.timestamp":["2"]}},"send":{}}`)
	for range 50 {
		m := providertest.Parse(t, ses.Definition(), p, body)[0].Event.Metadata
		if m["timestamp"] != "x" || m["mail.tags.timestamp"] != "2" || m["mail.tags.mail.tags.timestamp"] != "1" {
			t.Fatalf("%v", m)
		}
	}
}
