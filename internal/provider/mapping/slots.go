package mapping

import (
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/mapspec"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// slot is one canonical field: where a declaration says what it is, and what takes
// a value if it fits.
type slot struct {
	key  string // as in the declaration, below fields
	from func(*mapspec.Fields) mapspec.Sources
	set  func(*reader, value) bool
	only event.Type // type that has the field; "" for all
}

// slots are the sources of each field, in the order of fieldSlots.
type slots [][]source

// Fields that are read before the others, by their place in fieldSlots.
const (
	slotSubtype = iota
	slotDirection
	slotEarly // how many they are
)

// fieldSlots lists every field, in the order in which they are read.
func fieldSlots() []slot {
	all := []slot{
		{"provider_subtype", func(f *mapspec.Fields) mapspec.Sources { return f.ProviderSubtype }, (*reader).setSubtype, ""},
		{"direction", func(f *mapspec.Fields) mapspec.Sources { return f.Direction }, (*reader).setDirection, ""},
		{"recipient", func(f *mapspec.Fields) mapspec.Sources { return f.Recipient }, (*reader).setRecipient, ""},
		{"recipients", func(f *mapspec.Fields) mapspec.Sources { return f.Recipients }, (*reader).setRecipients, ""},
		{"sender", func(f *mapspec.Fields) mapspec.Sources { return f.Sender }, (*reader).setSender, ""},
		{"subject", func(f *mapspec.Fields) mapspec.Sources { return f.Subject }, prose(func(r *reader) *string { return &r.event.Subject }), ""},
		{"message_id", func(f *mapspec.Fields) mapspec.Sources { return f.MessageID }, identifier(func(r *reader) *string { return &r.event.MessageID }), ""},
		{"smtp_message_id", func(f *mapspec.Fields) mapspec.Sources { return f.SMTPMessageID }, (*reader).setSMTPMessageID, ""},
		{"batch_id", func(f *mapspec.Fields) mapspec.Sources { return f.BatchID }, identifier(func(r *reader) *string { return &r.event.BatchID }), ""},
		{"customer_ref", func(f *mapspec.Fields) mapspec.Sources { return f.CustomerRef }, identifier(func(r *reader) *string { return &r.event.CustomerRef }), ""},
		{"provider_event_id", func(f *mapspec.Fields) mapspec.Sources { return f.ProviderEventID }, identifier(func(r *reader) *string { return &r.event.ProviderEventID }), ""},
		{"occurred_at", func(f *mapspec.Fields) mapspec.Sources { return f.OccurredAt }, (*reader).setTime, ""},
		{"tags", func(f *mapspec.Fields) mapspec.Sources { return f.Tags }, (*reader).setTags, ""},
		{"reason", func(f *mapspec.Fields) mapspec.Sources { return f.Reason }, prose(func(r *reader) *string { return &r.event.Reason }), ""},
		{"test", func(f *mapspec.Fields) mapspec.Sources { return f.Test }, (*reader).setTest, ""},
	}
	all = append(all, smtpSlots()...)
	all = append(all, outcomeSlots()...)
	return append(all, engagementSlots()...)
}

func smtpSlots() []slot {
	return []slot{
		{"smtp.code", func(f *mapspec.Fields) mapspec.Sources { return f.SMTP.Code }, whole(200, 599, func(r *reader) *int { return &r.smtp.Code }), ""},
		{"smtp.enhanced", func(f *mapspec.Fields) mapspec.Sources { return f.SMTP.Enhanced }, enhanced(func(r *reader) *string { return &r.smtp.Enhanced }), ""},
		{"smtp.response", func(f *mapspec.Fields) mapspec.Sources { return f.SMTP.Response }, prose(func(r *reader) *string { return &r.smtp.Response }), ""},
		{"smtp.mx", func(f *mapspec.Fields) mapspec.Sources { return f.SMTP.MX }, short(func(r *reader) *string { return &r.smtp.MX }), ""},
		{"smtp.remote", func(f *mapspec.Fields) mapspec.Sources { return f.SMTP.Remote }, short(func(r *reader) *string { return &r.smtp.Remote }), ""},
		{"smtp.attempt", func(f *mapspec.Fields) mapspec.Sources { return f.SMTP.Attempt }, whole(1, 1_000_000, func(r *reader) *int { return &r.smtp.Attempt }), ""},
	}
}

func outcomeSlots() []slot {
	return []slot{
		{"bounce.class", func(f *mapspec.Fields) mapspec.Sources { return f.Bounce.Class }, (*reader).setClass, event.Bounced},
		{"bounce.category", func(f *mapspec.Fields) mapspec.Sources { return f.Bounce.Category }, (*reader).setCategory, event.Bounced},
		{"bounce.category_hint", func(f *mapspec.Fields) mapspec.Sources { return f.Bounce.Hint }, (*reader).setHint, event.Bounced},
		{"bounce.code_assumed", func(f *mapspec.Fields) mapspec.Sources { return f.Bounce.CodeAssumed }, enhanced(func(r *reader) *string { return &r.said.assumed }), event.Bounced},
		{"bounce.will_retry", func(f *mapspec.Fields) mapspec.Sources { return f.Bounce.WillRetry }, flag(func(r *reader) **bool { return &r.said.retry }), event.Bounced},
		{"drop.reason", func(f *mapspec.Fields) mapspec.Sources { return f.Drop.Reason }, (*reader).setDropReason, event.Dropped},
		{"drop.detail", func(f *mapspec.Fields) mapspec.Sources { return f.Drop.Detail }, prose(func(r *reader) *string { return &r.detail }), event.Dropped},
		{"complaint.type", func(f *mapspec.Fields) mapspec.Sources { return f.Complaint.Type }, short(func(r *reader) *string { return &r.complaint.Type }), event.Complained},
	}
}

func engagementSlots() []slot {
	return []slot{
		{"engagement.url", func(f *mapspec.Fields) mapspec.Sources { return f.Engagement.URL }, prose(func(r *reader) *string { return &r.engagement.URL }), ""},
		{"engagement.ip", func(f *mapspec.Fields) mapspec.Sources { return f.Engagement.IP }, short(func(r *reader) *string { return &r.engagement.IP }), ""},
		{"engagement.user_agent", func(f *mapspec.Fields) mapspec.Sources { return f.Engagement.UserAgent }, prose(func(r *reader) *string { return &r.engagement.UserAgent }), ""},
		{"engagement.bot", func(f *mapspec.Fields) mapspec.Sources { return f.Engagement.Bot }, flag(func(r *reader) **bool { return &r.engagement.Bot }), ""},
		{"engagement.first", func(f *mapspec.Fields) mapspec.Sources { return f.Engagement.First }, flag(func(r *reader) **bool { return &r.engagement.First }), ""},
		{"engagement.country", func(f *mapspec.Fields) mapspec.Sources { return f.Engagement.Country }, short(func(r *reader) *string { return &r.engagement.Country }), ""},
		{"engagement.client", func(f *mapspec.Fields) mapspec.Sources { return f.Engagement.Client }, short(func(r *reader) *string { return &r.engagement.Client }), ""},
	}
}

// taker takes a value if it fits.
type taker = func(*reader, value) bool

// bounded takes a text of up to limit bytes.
func bounded(limit int, field func(*reader) *string) taker {
	return func(r *reader, v value) bool {
		if v.kind != text || len(v.text) > limit {
			return false
		}
		*field(r) = v.text
		return true
	}
}

func short(field func(*reader) *string) taker { return bounded(jsondoc.MaxShort, field) }

func prose(field func(*reader) *string) taker { return bounded(jsondoc.MaxProse, field) }

// identifier takes a text, and a number by its digits.
func identifier(field func(*reader) *string) taker {
	take := short(field)
	return func(r *reader, v value) bool {
		if v.kind == number && !r.m.spec.Strict {
			v.kind = text
		}
		return take(r, v)
	}
}

// whole takes a whole number, also one written as a text.
func whole(low, high int, field func(*reader) *int) taker {
	return func(r *reader, v value) bool {
		if v.kind != text && v.kind != number {
			return false
		}
		n, err := strconv.Atoi(v.text)
		if err != nil || n < low || n > high {
			return false
		}
		*field(r) = n
		return true
	}
}

// enhanced takes an enhanced status code.
func enhanced(field func(*reader) *string) taker {
	return func(r *reader, v value) bool {
		if v.kind != text || !smtpcode.Enhanced(v.text) {
			return false
		}
		*field(r) = v.text
		return true
	}
}

// flag takes a boolean, also one written as a text.
func flag(field func(*reader) **bool) taker {
	return func(r *reader, v value) bool {
		b, ok := r.truth(v)
		if ok {
			*field(r) = &b
		}
		return ok
	}
}

// truth reads true or false.
func (r *reader) truth(v value) (truth, ok bool) {
	if v.kind == boolean || v.kind == text && !r.m.spec.Strict {
		word := strings.ToLower(v.text)
		return word == "true", word == "true" || word == "false"
	}
	return false, false
}

func (r *reader) setTest(v value) bool {
	truth, ok := r.truth(v)
	r.event.Test = r.event.Test || truth
	return ok && truth // false is what is said by saying nothing, and stays where it was
}

func (r *reader) setSubtype(v value) bool {
	return identifier(func(r *reader) *string { return &r.event.ProviderSubtype })(r, v)
}

// setDirection takes a direction that the word does not contradict.
func (r *reader) setDirection(v value) bool {
	d := event.Direction(v.text)
	if v.kind != text || !d.Valid() || r.outcome.direction != "" && d != r.outcome.direction || !r.event.Type.Allowed(d) {
		return false
	}
	r.event.Direction = d
	return true
}

// setRecipient takes one address; several where the provider does not say which.
func (r *reader) setRecipient(v value) bool {
	switch v.kind {
	case text:
		return short(func(r *reader) *string { return &r.event.Recipient })(r, value{kind: text, text: provider.Address(v.text)})
	case list:
		return !r.m.spec.Strict && r.setRecipients(v)
	case none, number, boolean:
	}
	return false
}

// setRecipients takes a list of addresses.
func (r *reader) setRecipients(v value) bool {
	var addresses []string
	for _, s := range v.list {
		if s = provider.Address(s); len(s) > jsondoc.MaxShort {
			return false
		} else if s != "" {
			addresses = append(addresses, s)
		}
	}
	switch len(addresses) {
	case 0:
		return false
	case 1:
		r.event.Recipient = addresses[0]
	default:
		r.event.Recipients = addresses
	}
	return true
}

func (r *reader) setSender(v value) bool {
	if v.kind == text {
		v.text = provider.Address(v.text)
	}
	return short(func(r *reader) *string { return &r.event.Sender })(r, v)
}

func (r *reader) setSMTPMessageID(v value) bool {
	if v.kind == text {
		v = textValue(provider.SMTPMessageID(v.text))
	}
	return short(func(r *reader) *string { return &r.event.SMTPMessageID })(r, v)
}

func (r *reader) setTime(v value) bool {
	if v.kind != text && v.kind != number {
		return false
	}
	t, ok := provider.ReadTime(v.text, r.m.spec.TimeAs...)
	if ok {
		r.event.OccurredAt = t
	}
	return ok
}

func (r *reader) setTags(v value) bool {
	if v.kind == text {
		v.list = []string{v.text}
	}
	tags := slices.DeleteFunc(slices.Clone(v.list), func(s string) bool { return s == "" })
	if len(tags) == 0 || slices.ContainsFunc(tags, func(s string) bool { return len(s) > jsondoc.MaxShort }) {
		return false
	}
	r.event.Tags = tags
	return true
}

// setClass, setCategory and setDropReason take a word of their table, or a canonical one.
func (r *reader) setClass(v value) bool {
	o, ok := lookup(r.m.classes, v)
	if c := event.BounceClass(v.text); !ok && c.Valid() {
		o.class, ok = c, true
	}
	r.said.adopt(&o)
	return ok
}

func (r *reader) setCategory(v value) bool {
	o, ok := lookup(r.m.categories, v)
	if c := event.BounceCategory(v.text); !ok && c.Valid() {
		o.category, ok = c, true
	}
	r.said.adopt(&o)
	return ok
}

func (r *reader) setHint(v value) bool {
	o, ok := lookup(r.m.categories, v)
	if c := event.BounceCategory(v.text); !ok && c.Valid() {
		o.category, ok = c, true
	}
	if ok {
		r.hint = o.category
	}
	return ok
}

func (r *reader) setDropReason(v value) bool {
	o, ok := lookup(r.m.reasons, v)
	if c := event.DropReason(v.text); !ok && c.Valid() {
		o.reason, ok = c, true
	}
	r.said.adopt(&o)
	return ok
}

// lookup finds what a word means, however it is spelled.
func lookup(table map[string]outcome, v value) (outcome, bool) {
	if v.kind != text && v.kind != number || len(v.text) > jsondoc.MaxShort {
		return outcome{}, false
	}
	o, ok := table[jsondoc.Fold(v.text)]
	return o, ok
}

// adopt takes over what another outcome says of a bounce or a drop.
func (o *outcome) adopt(other *outcome) {
	if other.class != "" {
		o.class = other.class
	}
	if other.category != "" {
		o.category = other.category
	}
	if other.reason != "" {
		o.reason = other.reason
	}
	if other.assumed != "" {
		o.assumed = other.assumed
	}
	if other.retry != nil {
		o.retry = other.retry
	}
	o.test = o.test || other.test
}
