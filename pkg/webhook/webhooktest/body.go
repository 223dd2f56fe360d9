package webhooktest

import (
	"bytes"
	"encoding/json"
	"net/url"
	"reflect"
	"regexp"

	"github.com/postrider/postrider/pkg/webhook"
)

// members are the names of the strings in a JSON body that a proof consists of.
func (s suite) members() []string {
	return map[string][]string{
		"mailgun":   {"timestamp", "token", "signature"},
		"unisender": {"auth"},
		"sns":       {"Signature", "SignatureVersion", "Message", "MessageId", "Timestamp", "TopicArn", "Type"},
	}[s.cfg.Type]
}

// bodyPieces finds the members of the good request's body.
func (s suite) bodyPieces() []piece {
	var all []piece
	for _, name := range s.members() {
		at := regexp.MustCompile(`"` + name + `"\s*:\s*"([^"]+)"`).FindSubmatchIndex(s.good.Body)
		if at == nil {
			continue
		}
		all = append(all, piece{
			name: "member " + name, value: string(s.good.Body[at[2]:at[3]]), inBody: true,
			with: func(value string) webhook.Request {
				r := s.good
				r.Body = bytes.Join([][]byte{s.good.Body[:at[2]], []byte(value), s.good.Body[at[3]:]}, nil)
				return r
			},
		})
	}
	return all
}

// means reports whether a changed body means what the good one does, to a scheme
// that signs what a body says and not its bytes: Mandrill the fields of a form,
// SNS the members of a message.
func (s suite) means(body []byte) bool {
	switch s.cfg.Type {
	case "mandrill":
		was, _ := url.ParseQuery(string(s.good.Body))
		is, err := url.ParseQuery(string(body))
		return err == nil && reflect.DeepEqual(was, is)
	case "sns":
		return reflect.DeepEqual(snsMessage(s.good.Body), snsMessage(body))
	}
	return false
}

// snsMessage decodes what SNS signs of a message.
func snsMessage(body []byte) map[string]string {
	var all map[string]any
	if json.Unmarshal(body, &all) != nil {
		return nil
	}
	signed := map[string]string{}
	for _, name := range []string{"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type", "Signature", "SignatureVersion"} {
		if text, ok := all[name].(string); ok {
			signed[name] = text
		}
	}
	return signed
}
