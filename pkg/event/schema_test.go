package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/event/internal/eventtest"
	"github.com/postrider/postrider/schemas"
)

// This file proves Validate equal to the JSON Schema: for every event that the
// code can hold, the schema accepts its JSON form exactly when Validate accepts
// the event; every keyword of the schema and every rule of Validate is broken
// at least once.

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemas.Event()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemas.EventID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schemas.EventID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// judge returns the schema's verdict on a document.
func judge(t interface{ Fatalf(string, ...any) }, s *jsonschema.Schema, doc []byte) error {
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatalf("not JSON: %v: %.300s", err, doc)
	}
	return s.Validate(instance)
}

// agree fails the test if schema and Validate differ, and returns their verdicts.
func agree(t interface{ Fatalf(string, ...any) }, s *jsonschema.Schema, e *event.Event) (bySchema, byCode error) {
	doc := e.AppendJSON(nil)
	bySchema, byCode = judge(t, s, doc), e.Validate()
	if (bySchema == nil) != (byCode == nil) {
		t.Fatalf("verdicts differ:\nschema: %v\ncode: %v\nevent: %.2000s", bySchema, byCode, doc)
	}
	return bySchema, byCode
}

func TestValidateAndSchemaAcceptValidEvents(t *testing.T) {
	s := compiled(t)
	full := eventtest.Full()
	for i := range 3000 {
		e := eventtest.Valid().Example(i)
		if i == 0 {
			e = full
		}
		if bySchema, byCode := agree(t, s, &e); bySchema != nil || byCode != nil {
			t.Fatalf("a valid event is refused: %v: %s", byCode, e.AppendJSON(nil))
		}
	}
}

func TestValidateAndSchemaAgreeOnArbitraryEvents(t *testing.T) {
	s, refused := compiled(t), 0
	for i := range 3000 {
		e := eventtest.Any().Example(i)
		if bySchema, _ := agree(t, s, &e); bySchema != nil {
			refused++
		}
	}
	if refused < 500 || refused > 2500 {
		t.Errorf("%d of 3000 events are refused: the generator is lopsided", refused)
	}
}

// long is a text of n characters that are more than one byte.
func long(n int) string { return strings.Repeat("é", n) }

func many(n int) []string { return strings.Split(strings.Repeat("x,", n-1)+"x", ",") }

func year(y int) event.Time {
	return event.NewTime(time.Date(y, 6, 30, 12, 0, 0, 0, time.UTC), 3)
}

// as makes the event one of this type, so that its other rules are kept.
func as(e *event.Event, typ event.Type) {
	e.Type, e.Family, e.Direction, e.Raw = typ, typ.Family(), event.Outbound, nil
	if typ == event.Received {
		e.Direction = event.Inbound
	}
	e.Bounce, e.Drop = &event.Bounce{Class: event.Soft}, &event.Drop{Reason: event.DropOther}
}

// texts are the bounded strings with their limits, by the path Validate names.
func textFields(e *event.Event) map[string]struct {
	field *string
	limit int
} {
	if e.SMTP == nil {
		e.SMTP = &event.SMTP{Code: 250}
	}
	if e.Drop == nil {
		e.Drop = &event.Drop{Reason: event.DropOther}
	}
	e.Complaint, e.Engagement = &event.Complaint{Type: "abuse"}, &event.Engagement{Country: "AU"}
	return map[string]struct {
		field *string
		limit int
	}{
		"provider": {&e.Provider, 256}, "source": {&e.Source, 256}, "raw_id": {&e.RawID, 256},
		"provider_type": {&e.ProviderType, 4096}, "provider_subtype": {&e.ProviderSubtype, 4096}, "provider_event_id": {&e.ProviderEventID, 4096},
		"message_id": {&e.MessageID, 4096}, "smtp_message_id": {&e.SMTPMessageID, 4096}, "batch_id": {&e.BatchID, 4096},
		"customer_ref": {&e.CustomerRef, 4096}, "recipient": {&e.Recipient, 4096}, "sender": {&e.Sender, 4096},
		"subject": {&e.Subject, 65536}, "reason": {&e.Reason, 65536},
		"smtp.response": {&e.SMTP.Response, 65536}, "smtp.mx": {&e.SMTP.MX, 4096}, "smtp.remote": {&e.SMTP.Remote, 4096},
		"drop.detail": {&e.Drop.Detail, 65536}, "complaint.type": {&e.Complaint.Type, 4096},
		"engagement.url": {&e.Engagement.URL, 65536}, "engagement.ip": {&e.Engagement.IP, 4096}, "engagement.user_agent": {&e.Engagement.UserAgent, 65536},
		"engagement.country": {&e.Engagement.Country, 4096}, "engagement.client": {&e.Engagement.Client, 4096},
	}
}

func TestValidateAndSchemaAgreeOnLengths(t *testing.T) {
	s := compiled(t)
	full := eventtest.Full()
	for path, f := range textFields(&full) {
		was := *f.field
		*f.field = long(f.limit)
		if _, byCode := agree(t, s, &full); byCode != nil {
			t.Errorf("%s: %d characters are refused: %v", path, f.limit, byCode)
		}
		*f.field = long(f.limit + 1)
		if _, byCode := agree(t, s, &full); byCode == nil || byCode.Error() != "event: "+path+" is too long" {
			t.Errorf("%s: %d characters: got %v", path, f.limit+1, byCode)
		}
		*f.field = was
	}
}

// breakage breaks one rule of an event that is otherwise valid.
type breakage struct {
	field string // as Validate names it
	do    func(e *event.Event)
}

func breakages() []breakage {
	no := false
	list := []breakage{
		{"schema", func(e *event.Event) { e.Schema = "" }},
		{"schema", func(e *event.Event) { e.Schema = "email-event/2" }},
		{"received_at", func(e *event.Event) { e.ReceivedAt = event.Time{} }},
		{"received_at", func(e *event.Event) { e.ReceivedAt = year(10000) }},
		{"received_at", func(e *event.Event) { e.ReceivedAt = year(-1) }},
		{"occurred_at", func(e *event.Event) { e.OccurredAt = year(1999) }},
		{"occurred_at", func(e *event.Event) { e.OccurredAt = year(2101) }},
		{"occurred_at", func(e *event.Event) { e.OccurredAt = year(12000) }},
		{"provider", func(e *event.Event) { e.Provider = "" }},
		{"source", func(e *event.Event) { e.Source = "" }},
		{"provider_type", func(e *event.Event) { e.ProviderType = "" }},
		{"family", func(e *event.Event) { e.Family = "" }},
		{"family", func(e *event.Event) { e.Family = "deliveries" }},
		{"direction", func(e *event.Event) { e.Direction = "" }},
		{"direction", func(e *event.Event) { e.Direction = "sideways" }},
		{"direction", func(e *event.Event) { as(e, event.Received); e.Direction = event.Outbound }},
		{"bounce", func(e *event.Event) { as(e, event.Bounced); e.Bounce = nil }},
		{"bounce.class", func(e *event.Event) { as(e, event.Bounced); e.Bounce = &event.Bounce{} }},
		{"bounce.class", func(e *event.Event) { e.Bounce = &event.Bounce{Class: "firm", WillRetry: &no} }},
		{"bounce.category", func(e *event.Event) { e.Bounce = &event.Bounce{Class: event.Hard, Category: "other"} }},
		{"drop", func(e *event.Event) { as(e, event.Dropped); e.Drop = nil }},
		{"drop.reason", func(e *event.Event) { as(e, event.Dropped); e.Drop = &event.Drop{Detail: "x"} }},
		{"drop.reason", func(e *event.Event) { e.Drop = &event.Drop{Reason: "bad"} }},
		{"complaint", func(e *event.Event) { e.Complaint = &event.Complaint{} }},
		{"engagement", func(e *event.Event) { e.Engagement = &event.Engagement{} }},
		{"smtp", func(e *event.Event) { e.SMTP = &event.SMTP{} }},
		{"tags", func(e *event.Event) { e.Tags = []string{"a", ""} }},
		{"tags", func(e *event.Event) { e.Tags = []string{long(4097)} }},
		{"tags", func(e *event.Event) { e.Tags = many(10001) }},
		{"recipients", func(e *event.Event) { e.Recipients = []string{""} }},
		{"recipients", func(e *event.Event) { e.Recipients = []string{"a", long(4097)} }},
		{"recipients", func(e *event.Event) { e.Recipients = many(10001) }},
		{"metadata", func(e *event.Event) { e.Metadata = map[string]string{"a": ""} }},
		{"metadata", func(e *event.Event) { e.Metadata = map[string]string{long(4097): "x"} }},
		{"metadata", func(e *event.Event) { e.Metadata = map[string]string{"a": long(1048577)} }},
		{"metadata", func(e *event.Event) { e.Metadata = entries(10001) }},
		{"raw", func(e *event.Event) { as(e, event.Sent); e.Raw = json.RawMessage(`{}`) }},
	}
	for _, raw := range []string{"[]", "null", " 17", "true"} {
		list = append(list, breakage{"raw", func(e *event.Event) { as(e, event.Unknown); e.Raw = json.RawMessage(raw) }})
	}
	for _, code := range []int{-1, 1, 199, 600, 5501} {
		list = append(list, breakage{"smtp.code", func(e *event.Event) { e.SMTP = &event.SMTP{Code: code} }})
	}
	list = append(list, breakage{"smtp.attempt", func(e *event.Event) { e.SMTP = &event.SMTP{Code: 250, Attempt: -1} }})
	for _, code := range []string{"5", "5.1", "5.1.", "5..1", "3.1.1", "5.1.1.1", "5.1000.1", "5.1.1000", "5.a.1", "5.1.1\n", " 5.1.1", "٥.1.1", "55.1.1"} {
		list = append(list,
			breakage{"smtp.enhanced", func(e *event.Event) { e.SMTP = &event.SMTP{Enhanced: code} }},
			breakage{"bounce.code_assumed", func(e *event.Event) { e.Bounce = &event.Bounce{Class: event.Soft, CodeAssumed: code} }})
	}
	digits := strings.Repeat("0123456789abcdef", 4)
	for _, bad := range []string{"A", "g", "é", "\n", " "} {
		list = append(list,
			breakage{"id", func(e *event.Event) { e.ID = digits[:31] + bad }},
			breakage{"recipient_hash", func(e *event.Event) { e.RecipientHash = bad + digits[:63] }})
	}
	return append(list,
		breakage{"id", func(e *event.Event) { e.ID = "" }}, breakage{"id", func(e *event.Event) { e.ID = digits[:33] }},
		breakage{"recipient_hash", func(e *event.Event) { e.RecipientHash = digits + "0" }})
}

func entries(n int) map[string]string {
	m := make(map[string]string, n)
	for i := range n {
		m[strconv.Itoa(i)] = "x"
	}
	return m
}

func TestValidateAndSchemaAgreeOnEveryBrokenRule(t *testing.T) {
	s := compiled(t)
	broken, keywords := map[event.Problem]int{}, map[string]bool{}
	for i, b := range breakages() {
		for n := range 20 {
			e := eventtest.Valid().Example(i*20 + n)
			b.do(&e)
			bySchema, byCode := agree(t, s, &e)
			note(t, broken, keywords, bySchema, byCode, b.field)
		}
	}
	full := eventtest.Full()
	for path, f := range textFields(&full) {
		was := *f.field
		*f.field = long(f.limit + 1)
		bySchema, byCode := agree(t, s, &full)
		note(t, broken, keywords, bySchema, byCode, path)
		*f.field = was
	}
	wrongTypes(t, s, broken, keywords)
	for _, rule := range rulesOf(t, "validate.go") {
		if broken[rule] == 0 {
			t.Errorf("no case breaks Validate's rule %q %q", rule.Field, rule.Text)
		}
	}
	for _, keyword := range constraintsOf(t) {
		if !keywords[keyword] {
			t.Errorf("no case breaks the schema's %s", keyword)
		}
	}
}

// wrongTypes pairs every type, known or not, with every family and direction.
func wrongTypes(t *testing.T, s *jsonschema.Schema, broken map[event.Problem]int, keywords map[string]bool) {
	t.Helper()
	types := append(event.Types(), "", "bounce", "Bounced")
	families := []event.Family{event.FamilyDelivery, event.FamilyEngagement, event.FamilyFeedback, event.FamilyOther, "", "x"}
	for _, typ := range types {
		for _, family := range families {
			for _, direction := range []event.Direction{event.Outbound, event.Inbound, "", "x"} {
				e := eventtest.Full()
				as(&e, typ)
				e.Family, e.Direction = family, direction
				bySchema, byCode := agree(t, s, &e)
				note(t, broken, keywords, bySchema, byCode, "")
				if want := typ.Allowed(direction) && typ.Family() == family; (byCode == nil) != want {
					t.Errorf("%q %q %q: got %v, want valid: %v", typ, family, direction, byCode, want)
				}
			}
		}
	}
}

// note counts the rules and keywords that were broken. With a field, that
// field must be the only one.
func note(t *testing.T, broken map[event.Problem]int, keywords map[string]bool, bySchema, byCode error, field string) {
	t.Helper()
	if found, ok := errors.AsType[*jsonschema.ValidationError](bySchema); ok {
		leaves(found, keywords)
	}
	invalid, ok := errors.AsType[*event.InvalidError](byCode)
	if !ok {
		if field != "" {
			t.Errorf("%s: broken, but valid", field)
		}
		return
	}
	for _, p := range invalid.Problems {
		broken[p]++
		if field != "" && p.Field != field {
			t.Errorf("got problem %q %q, want only those of %s", p.Field, p.Text, field)
		}
	}
}

func TestValidateNamesEveryProblemAndNoValue(t *testing.T) {
	e := event.Event{Provider: "canary@example.com", Type: "canary", SMTP: &event.SMTP{Code: 99, Enhanced: "canary"}, Tags: []string{""}}
	err := e.Validate()
	invalid, ok := errors.AsType[*event.InvalidError](err)
	if !ok || len(invalid.Problems) < 9 {
		t.Fatalf("got %v, want all problems at once", err)
	}
	if strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "; smtp.code must be 200 to 599; ") {
		t.Errorf("got %v", err)
	}
}
