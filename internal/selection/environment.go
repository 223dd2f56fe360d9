package selection

import (
	"reflect"
	"time"

	"github.com/postrider/postrider/pkg/event"
)

// environment holds the names that an expression may use. Every name is always
// there: what an event does not have is "", 0, false, an empty list, or the zero
// time. Names are those of the event's JSON form.
type environment struct {
	Topic     string            `expr:"topic"`
	Partition int               `expr:"partition"`
	Offset    int64             `expr:"offset"`
	Time      time.Time         `expr:"time"`
	Key       string            `expr:"key"`
	Headers   map[string]string `expr:"headers"`

	ID        string `expr:"id"`
	Type      string `expr:"type"`
	Direction string `expr:"direction"`
	Provider  string `expr:"provider"`
	Source    string `expr:"source"`

	Schema          string            `expr:"schema"`
	Family          string            `expr:"family"`
	ProviderType    string            `expr:"provider_type"`
	ProviderSubtype string            `expr:"provider_subtype"`
	ProviderEventID string            `expr:"provider_event_id"`
	OccurredAt      time.Time         `expr:"occurred_at"`
	ReceivedAt      time.Time         `expr:"received_at"`
	MessageID       string            `expr:"message_id"`
	SMTPMessageID   string            `expr:"smtp_message_id"`
	BatchID         string            `expr:"batch_id"`
	CustomerRef     string            `expr:"customer_ref"`
	Recipient       string            `expr:"recipient"`
	RecipientHash   string            `expr:"recipient_hash"`
	Recipients      []string          `expr:"recipients"`
	Sender          string            `expr:"sender"`
	Subject         string            `expr:"subject"`
	Tags            []string          `expr:"tags"`
	Metadata        map[string]string `expr:"metadata"`
	SMTP            smtp              `expr:"smtp"`
	Bounce          bounce            `expr:"bounce"`
	Drop            drop              `expr:"drop"`
	Complaint       complaint         `expr:"complaint"`
	Engagement      engagement        `expr:"engagement"`
	Reason          string            `expr:"reason"`
	Test            bool              `expr:"test"`
	RawID           string            `expr:"raw_id"`
	Raw             string            `expr:"raw"`
}

type smtp struct {
	Code     int    `expr:"code"`
	Enhanced string `expr:"enhanced"`
	Response string `expr:"response"`
	MX       string `expr:"mx"`
	Remote   string `expr:"remote"`
	Attempt  int    `expr:"attempt"`
}

type bounce struct {
	Class       string `expr:"class"`
	Category    string `expr:"category"`
	CodeAssumed string `expr:"code_assumed"`
	WillRetry   bool   `expr:"will_retry"`
}

type drop struct {
	Reason string `expr:"reason"`
	Detail string `expr:"detail"`
}

type complaint struct {
	Type string `expr:"type"`
}

type engagement struct {
	URL       string `expr:"url"`
	IP        string `expr:"ip"`
	UserAgent string `expr:"user_agent"`
	Bot       bool   `expr:"bot"`
	First     bool   `expr:"first"`
	Country   string `expr:"country"`
	Client    string `expr:"client"`
}

// asks is what an expression needs to be evaluated.
type asks uint8

const (
	asksHeaders asks = 1 << iota
	asksOrigin       // fields that the headers of events, requests and dead letters tell
	asksType         // fields that the headers of events tell
	asksEvent        // fields that only the value tells
)

// asked is what a name needs.
func asked(name string) asks {
	switch name {
	case "topic", "partition", "offset", "time", "key":
		return 0
	case "headers":
		return asksHeaders
	case "id", "provider", "source":
		return asksOrigin
	case "type", "direction":
		return asksType
	}
	return asksEvent
}

// Field is a name that an expression may use.
type Field struct {
	Name string // with a dot inside of a nested object
	Type string // string, int, bool, time, list, or map
}

// Fields lists the names that Selection.Where may use: the record's (topic,
// partition, offset, time, key and headers, the first of each name) and those of the
// canonical event's JSON form. What an event lacks is "", 0, false, empty, or the
// zero time. Of raw requests and dead letters there are provider, source and id (that
// of the request) beside the record's.
//
// The language is that of github.com/expr-lang/expr with fixed types: == != < > in
// contains startsWith endsWith matches, and or not, any(tags, # == "x"), len, lower.
// It has no clock, no ranges and no side effects, and its result is true or false.
func Fields() []Field { return fieldsOf(reflect.TypeFor[environment](), "") }

func fieldsOf(t reflect.Type, prefix string) []Field {
	var list []Field
	for f := range t.Fields() {
		name := prefix + f.Tag.Get("expr")
		if word := typeText(f.Type); word != "" {
			list = append(list, Field{Name: name, Type: word})
			continue
		}
		list = append(list, fieldsOf(f.Type, name+".")...)
	}
	return list
}

// typeText is a type for people; "" for a nested object.
func typeText(t reflect.Type) string {
	switch t.Kind() { //nolint:exhaustive // the kinds that environment has
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "map"
	case reflect.Int, reflect.Int64:
		return "int"
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return "time"
		}
		return ""
	}
	return t.Kind().String()
}

// record enters what is known of every record.
func (n *environment) record(r *Record, wanted asks) {
	n.Topic, n.Partition, n.Offset, n.Time, n.Key = r.Topic, r.Partition, r.Offset, r.Time, string(r.Key)
	if wanted&asksHeaders == 0 {
		return
	}
	n.Headers = make(map[string]string, len(r.Headers))
	for _, h := range r.Headers {
		if _, there := n.Headers[h.Key]; !there {
			n.Headers[h.Key] = string(h.Value)
		}
	}
}

// told enters what the headers tell of the event, or of the request.
func (n *environment) told(t *told) {
	n.ID, n.Provider, n.Source = string(t.identity()), string(t.provider), string(t.source)
	if t.word != nil {
		n.Type, n.Direction = splitType(string(t.word))
	}
}

// event enters the event.
func (n *environment) event(e *event.Event) {
	n.Schema, n.ID, n.Type, n.Family, n.Direction = e.Schema, e.ID, string(e.Type), string(e.Family), string(e.Direction)
	n.Provider, n.Source = e.Provider, e.Source
	n.ProviderType, n.ProviderSubtype, n.ProviderEventID = e.ProviderType, e.ProviderSubtype, e.ProviderEventID
	n.OccurredAt, n.ReceivedAt = e.OccurredAt.Time(), e.ReceivedAt.Time()
	n.MessageID, n.SMTPMessageID, n.BatchID, n.CustomerRef = e.MessageID, e.SMTPMessageID, e.BatchID, e.CustomerRef
	n.Recipient, n.RecipientHash, n.Recipients = e.Recipient, e.RecipientHash, e.Recipients
	n.Sender, n.Subject, n.Tags, n.Metadata = e.Sender, e.Subject, e.Tags, e.Metadata
	n.Reason, n.Test, n.RawID, n.Raw = e.Reason, e.Test, e.RawID, string(e.Raw)
	n.objects(e)
}

// objects enters the nested objects that the event has.
func (n *environment) objects(e *event.Event) {
	if s := e.SMTP; s != nil {
		n.SMTP = smtp(*s)
	}
	if b := e.Bounce; b != nil {
		n.Bounce = bounce{string(b.Class), string(b.Category), b.CodeAssumed, set(b.WillRetry)}
	}
	if d := e.Drop; d != nil {
		n.Drop = drop{string(d.Reason), d.Detail}
	}
	if c := e.Complaint; c != nil {
		n.Complaint = complaint(*c)
	}
	if g := e.Engagement; g != nil {
		n.Engagement = engagement{g.URL, g.IP, g.UserAgent, set(g.Bot), set(g.First), g.Country, g.Client}
	}
}

func set(b *bool) bool { return b != nil && *b }
