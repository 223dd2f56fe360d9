package provider_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"testing"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/webhook"
)

const snsTopic = "arn:aws:sns:us-west-2:123456789012:MyTopic"

// awsHost is a host rule as a provider gives it.
func awsHost(partition, region string) string {
	if partition != "aws" {
		return ""
	}
	return "sns." + region + ".amazonaws.com"
}

// confirmation is a SubscriptionConfirmation with some members changed; nil takes one away.
func confirmation(t *testing.T, changed map[string]any) webhook.Verified {
	t.Helper()
	members := map[string]any{
		"Type": "SubscriptionConfirmation", "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "Token": "2336412f37",
		"TopicArn": snsTopic, "Message": "You have chosen to subscribe to the topic " + snsTopic + ".",
		"SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + snsTopic + "&Token=2336412f37",
		"Timestamp":    "2012-04-26T20:45:04.751Z", "SignatureVersion": "1",
	}
	maps.Copy(members, changed)
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return webhook.AssumeProvenForReplayAndTests(webhook.Request{Method: "POST", Body: body})
}

func TestSNSHandshakeConfirms(t *testing.T) {
	h, ok := provider.SNSHandshake(confirmation(t, nil), awsHost)
	want := "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + snsTopic + "&Token=2336412f37"
	if !ok || h.Kind != "subscription_confirmation" || h.Confirm != want || h.Reply != nil {
		t.Errorf("%+v, %v", h, ok)
	}
	h, _ = provider.SNSHandshake(confirmation(t, map[string]any{
		"SubscribeURL": "https://sns.us-west-2.amazonaws.com/?" + url.Values{
			"Action": {"ConfirmSubscription"}, "TopicArn": {snsTopic}, "Token": {"2336412f37"},
		}.Encode(),
	}), awsHost)
	if h.Confirm == "" {
		t.Error("an escaped topic is not the same topic")
	}
}

func TestSNSHandshakeCallsNobodyElse(t *testing.T) {
	const query = "?Action=ConfirmSubscription&TopicArn=" + snsTopic + "&Token=2336412f37"
	for name, changed := range map[string]map[string]any{
		"http":              {"SubscribeURL": "http://sns.us-west-2.amazonaws.com/" + query},
		"another host":      {"SubscribeURL": "https://example.com/" + query},
		"a host behind":     {"SubscribeURL": "https://sns.us-west-2.amazonaws.com.example.com/" + query},
		"a user before":     {"SubscribeURL": "https://sns.us-west-2.amazonaws.com@example.com/" + query},
		"a user":            {"SubscribeURL": "https://u:p@sns.us-west-2.amazonaws.com/" + query},
		"a port":            {"SubscribeURL": "https://sns.us-west-2.amazonaws.com:8443/" + query},
		"another region":    {"SubscribeURL": "https://sns.eu-west-1.amazonaws.com/" + query},
		"an inner address":  {"SubscribeURL": "https://169.254.169.254/" + query},
		"a path":            {"SubscribeURL": "https://sns.us-west-2.amazonaws.com/x" + query},
		"another action":    {"SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=DeleteTopic&TopicArn=" + snsTopic + "&Token=2336412f37"},
		"two actions":       {"SubscribeURL": "https://sns.us-west-2.amazonaws.com/" + query + "&Action=Unsubscribe"},
		"another topic":     {"TopicArn": "arn:aws:sns:us-west-2:123456789012:Other"},
		"another partition": {"TopicArn": "arn:scw:sns:us-west-2:123456789012:MyTopic"},
		"another token":     {"Token": "x"},
		"no token":          {"Token": nil, "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + snsTopic},
		"no address":        {"SubscribeURL": nil},
		"no topic's name":   {"TopicArn": "MyTopic"},
		"a region that is none": {
			"TopicArn":     "arn:aws:sns:a.b/:1:MyTopic",
			"SubscribeURL": "https://sns.a.b/.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:a.b/:1:MyTopic&Token=2336412f37",
		},
	} {
		h, ok := provider.SNSHandshake(confirmation(t, changed), awsHost)
		if !ok || h.Confirm != "" || h.Kind != "subscription_confirmation_refused" {
			t.Errorf("%s: %+v, %v; want to be told and nobody called", name, h, ok)
		}
	}
	for _, kind := range []any{"Notification", "UnsubscribeConfirmation", "subscriptionconfirmation", 7, nil} {
		h, ok := provider.SNSHandshake(confirmation(t, map[string]any{"Type": kind, "Subject": "SubscriptionConfirmation"}), awsHost)
		if ok {
			t.Errorf("type %v: %+v, want no handshake", kind, h)
		}
	}
}
