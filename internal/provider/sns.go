package provider

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/pkg/webhook"
)

// The types of an SNS envelope
// (https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html).
const (
	snsNotification   = "Notification"
	snsConfirmation   = "SubscriptionConfirmation"
	snsUnsubscription = "UnsubscribeConfirmation"
)

// SNS is the envelope that Amazon SNS, and what is compatible with it, puts around
// a message. Only its body is looked at: no header of such a request is signed.
type SNS struct {
	Type      string // Notification, SubscriptionConfirmation or UnsubscribeConfirmation
	MessageID string // the same on every attempt
	TopicARN  string
}

// ReadSNS returns the envelope that an object is; false if it is none.
func ReadSNS(o jsondoc.Object) (e SNS, ok bool) {
	e = SNS{Type: o.Peek("Type"), MessageID: o.Peek("MessageId"), TopicARN: o.Peek("TopicArn")}
	switch e.Type {
	case snsNotification, snsConfirmation, snsUnsubscription:
		return e, e.MessageID != "" && e.TopicARN != ""
	}
	return SNS{}, false
}

// Carries reports whether the envelope holds a message of its topic. The other two
// types are about the subscription: no events.
func (e SNS) Carries() bool { return e.Type == snsNotification }

// SNSHandshake is the Handshake of a request that may be an SNS confirmation. Its
// SubscribeURL is called only where it is nothing but that: https, the host that belongs
// to the topic's partition and region, the action ConfirmSubscription, and the topic and
// the token of the message itself. Host returns that host; "" for a partition that is not
// the provider's. The address in an UnsubscribeConfirmation, which would subscribe
// again, is never called.
func SNSHandshake(v webhook.Verified, host func(partition, region string) string) (Handshake, bool) {
	body := v.Request().Body
	if !bytes.Contains(body, []byte(snsConfirmation)) {
		return Handshake{}, false
	}
	doc, err := jsondoc.Parse(body)
	if err != nil {
		return Handshake{}, false
	}
	defer doc.Release()
	o, _ := doc.Root().Object(false)
	envelope, ok := ReadSNS(o)
	if !ok || envelope.Type != snsConfirmation {
		return Handshake{}, false
	}
	address := o.Peek("SubscribeURL")
	if !confirms(address, envelope.TopicARN, o.Peek("Token"), host) {
		return Handshake{Kind: "subscription_confirmation_refused"}, true
	}
	return Handshake{Kind: "subscription_confirmation", Confirm: address}, true
}

// confirms reports whether an address confirms the subscription to a topic, at the
// topic's own host, and does nothing else.
func confirms(address, topic, token string, host func(partition, region string) string) bool {
	own := topicHost(topic, host)
	u, err := url.Parse(address)
	if err != nil || own == "" || u.Scheme != "https" || u.User != nil || u.Host != own {
		return false
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Path != "/" && u.Path != "" || u.Fragment != "" {
		return false
	}
	return only(query, "Action", "ConfirmSubscription") && only(query, "TopicArn", topic) && only(query, "Token", token)
}

// topicHost is the host that belongs to a topic, arn:partition:sns:region:account:name;
// "" for none.
func topicHost(topic string, host func(partition, region string) string) string {
	arn := strings.Split(topic, ":")
	if len(arn) != 6 || arn[0] != "arn" || arn[2] != "sns" || !regionName(arn[3]) {
		return ""
	}
	return host(arn[1], arn[3])
}

// only reports whether a query has a name once, with this value.
func only(query url.Values, name, value string) bool {
	values := query[name]
	return len(values) == 1 && values[0] == value && value != ""
}

// regionName reports whether s can be the name of a region, which becomes part of a
// host name.
func regionName(s string) bool {
	return len(s) >= 3 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
