package vocabulary

import (
	"slices"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// first takes the first of several members that is a text or a number; what others
// there are stays.
func first(o jsondoc.Object, names ...string) string {
	for _, name := range names {
		if s := o.Text(name); s != "" {
			return s
		}
	}
	return ""
}

// prose is first for long texts.
func prose(o jsondoc.Object, names ...string) string {
	for _, name := range names {
		if s := o.Prose(name); s != "" {
			return s
		}
	}
	return ""
}

// flag takes the first of several members that is a boolean.
func flag(o jsondoc.Object, names ...string) *bool {
	for _, name := range names {
		if b := o.Bool(name); b != nil {
			return b
		}
	}
	return nil
}

// list takes an array of texts, none of them longer than an address or a label may
// be, and leaves out empty ones.
func list(o jsondoc.Object, name string) []string {
	v, ok := o.Member(name)
	if !ok || v.Kind() != '[' {
		return nil
	}
	for _, item := range v.Items() {
		if len(item.Bytes()) > jsondoc.MaxShort {
			return nil
		}
	}
	return slices.DeleteFunc(o.Strings(name), func(s string) bool { return s == "" })
}

// when takes the time of the event where the envelope has none.
func (r *reading) when() {
	for _, name := range []string{"occurred_at", "timestamp", "time", "event_time", "created_at", "date", "ts"} {
		if !r.event.OccurredAt.IsZero() {
			return
		}
		if r.event.OccurredAt = provider.TakeTime(r.data, name); r.event.OccurredAt.IsZero() {
			r.event.OccurredAt = provider.TakeMillis(r.data, name)
		}
	}
}

// message takes what names the message and its people.
func (r *reading) message() {
	e, d := &r.event, r.data
	e.MessageID = first(d, "message_id", "email_id", "msg_id", "mail_id")
	e.SMTPMessageID = provider.SMTPMessageID(first(d, "smtp_message_id", "smtp_id", "internet_message_id", "rfc_message_id"))
	e.BatchID = first(d, "batch_id", "job_id", "bulk_id")
	e.CustomerRef = first(d, "customer_ref", "customer_reference", "custom_id", "client_reference", "client_ref", "reference", "external_id")
	e.Subject = d.Prose("subject")
	e.Sender = provider.Address(first(d, "sender", "from", "from_email", "sender_email", "from_address", "mail_from"))
	r.recipient()
	for _, name := range []string{"tags", "tag", "categories", "category", "labels"} {
		if e.Tags = list(d, name); len(e.Tags) > 0 {
			break
		}
		if s := d.String(name); s != "" {
			e.Tags = []string{s}
			break
		}
	}
}

// recipient takes whom the event is about: one, or several where the sender does not
// say which.
func (r *reading) recipient() {
	for _, name := range []string{
		"recipient", "to", "email", "recipient_email", "to_email", "email_address", "recipient_address", "to_address",
		"rcpt_to", "rcpt", "recipients",
	} {
		several := list(r.data, name)
		if s := r.data.String(name); s != "" {
			several = []string{s}
		}
		for i, s := range several {
			several[i] = provider.Address(s)
		}
		switch len(several) {
		case 0:
			continue
		case 1:
			r.event.Recipient = several[0]
		default:
			r.event.Recipients = several
		}
		return
	}
}

// texts takes the words that people read and what is known of the transport.
func (r *reading) texts() {
	e, d := &r.event, r.data
	if smtp := r.part("smtp"); !smtp.IsZero() {
		e.SMTP = new(readSMTP(smtp))
	} else {
		e.SMTP = new(event.SMTP)
	}
	s := e.SMTP
	if s.Response == "" {
		s.Response = prose(d, "smtp_response", "response", "diagnostic_code", "diagnostic", "smtp_reply")
	}
	if s.Enhanced == "" {
		s.Enhanced = enhanced(d, "enhanced_code", "enhanced_status_code", "dsn", "status")
	}
	if s.Code == 0 {
		s.Code = number(d, 200, 599, "smtp_code", "smtp_status", "response_code", "status_code")
	}
	if s.Attempt == 0 {
		s.Attempt = number(d, 1, 1<<20, "attempt", "attempts", "attempt_number", "num_retries")
	}
	if s.MX == "" {
		s.MX = first(d, "mx", "mx_host", "mx_server", "mx_record")
	}
	if s.Remote == "" {
		s.Remote = first(d, "remote_mta", "remote_host", "remote")
	}
	e.Reason = prose(d, "reason", "error", "error_message", "bounce_reason", "bounce_message", "description", "message", "detail")
	if b := flag(d, "test", "is_test", "test_mode", "sandbox"); b != nil {
		e.Test = *b
	}
}

// custom takes the object that holds what the sender's customer added.
func (r *reading) custom() jsondoc.Object {
	for _, name := range []string{"metadata", "custom_data", "custom_args", "user_variables", "variables"} {
		if o := r.data.Object(name); !o.IsZero() {
			return o
		}
	}
	return jsondoc.Object{}
}

// subject keeps what the envelope says that the event is about: it is the message,
// unless the data names that or it looks like an address.
func (r *reading) subject(s string, metadata map[string]string) map[string]string {
	switch {
	case s == r.event.MessageID:
		return metadata
	case r.event.MessageID == "" && !hasAt(s):
		r.event.MessageID = s
		return metadata
	}
	if metadata == nil {
		metadata = make(map[string]string)
	}
	metadata["subject"] = s
	return metadata
}

func hasAt(s string) bool { return slices.Contains([]byte(s), '@') }
