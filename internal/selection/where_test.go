package selection_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/selection"
	"github.com/postrider/postrider/pkg/event"
)

func TestExpressionErrorsPointAtTheCharacter(t *testing.T) {
	t.Parallel()
	for where, want := range map[string]string{
		`bounce.clss == "hard"`: `type bounce has no field clss; did you mean class?
  bounce.clss == "hard"
         ^`,
		`drop.x == ""`: `type drop has no field x; there are reason, detail
  drop.x == ""
       ^`,
		`subject contains 'é' and receivd_at > time`: `unknown name receivd_at; did you mean received_at?
  subject contains 'é' and receivd_at > time
                           ^`,
		`type == 5`: `invalid operation: == (mismatched types string and int)
  type == 5
       ^`,
		`received_at > "2026"`: `invalid operation: > (mismatched types time and string)
  received_at > "2026"
              ^`,
		`type = "bounced"`: `unexpected "=": write == to compare
  type = "bounced"
       ^`,
		`type == "bounced" and`: `the expression ends too early
  type == "bounced" and
                      ^`,
		"type == \"bounced\"\nand smtp.cod == 5": `type smtp has no field cod; did you mean code?
  and smtp.cod == 5
           ^`,
		`recipient matches "["`: "error parsing regexp: missing closing ]: `[`\n  recipient matches \"[\"\n            ^",
		`time < now()`: `unknown name now (the function is not available here)
  time < now()
         ^`,
		`all(1..1000000, # > 0)`: `ranges (..) are not available
  all(1..1000000, # > 0)
       ^`,
		`any(tags, any(recipients, any(tags, true)))`: `predicates are nested deeper than 2
  any(tags, any(recipients, any(tags, true)))
            ^`,
		`$env.type == ""`: `$env is not available: name the field
  $env.type == ""
  ^`,
		`smtp.code`:               `the expression must be true or false; it is of type int`,
		strings.Repeat("x", 4097): `the expression has 4097 bytes; 4096 are allowed`,
	} {
		s := selection.Selection{Where: where}
		var invalid *selection.InvalidError
		if err := s.Validate(); !errors.As(err, &invalid) {
			t.Errorf("%s: %v, want an InvalidError", where, err)
			continue
		}
		if diff := cmp.Diff([]string{"where: " + want}, invalid.Problems); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", where, diff)
		}
		if _, err := selection.Compile(s, selection.Options{}); err == nil {
			t.Errorf("%s: compiled", where)
		}
	}
}

func TestExpressionThatBreaksDownIsAnError(t *testing.T) {
	t.Parallel()
	m, err := selection.Compile(selection.Selection{Where: `tags[0] == "x"`}, selection.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := bounced()
	e.Tags = nil
	_, err = m.Match(typed(e))
	want := `selection: email.bounced[1]@7: index out of range: 0 (array length is 0)
  tags[0] == "x"
      ^`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if v, err := m.Match(typed(bounced())); v != selection.No || err != nil {
		t.Errorf("after it: %s %v", v, err)
	}
}

// TestExpressionsThatMakeMuchOfLittle: texts that double at every step would have the
// process killed, whatever the list budget; and one list of a text's characters in
// another would keep it busy for hours.
func TestExpressionsThatMakeMuchOfLittle(t *testing.T) {
	t.Parallel()
	for _, bomb := range []string{
		`let a = subject + subject; let b = a + a; let c = b + b; len(c) > 0`,
		`len(subject + "x") > 0`,
		`len(map(tags, # + subject)) > 0`,
		`len(map(tags, (# == "x" ? subject : 1) + subject)) > 0`,
		`len(reduce(tags, #acc + #acc, subject)) > 0`,
		`len(sum(map(tags, raw))) > 0`,
		`len(replace(subject, "", subject)) > 0`,
		`len(join(tags, subject)) > 0`,
		`any(split(subject, ""), any(split(subject, ""), # == "zz"))`,
		`len(toJSON(raw)) > 0`,
		`len(concat(tags, tags)) > 0`,
		`received_at.Format(received_at.Format(received_at.Format("2"))) == ""`, // on the 22nd it doubles
		`subject matches raw`,
	} {
		if _, err := selection.Compile(selection.Selection{Where: bomb}, selection.Options{}); err == nil {
			t.Errorf("%s: compiled", bomb)
		}
	}
	for _, fine := range []string{
		`smtp.code + 1 > 5`, `occurred_at + duration("1h") < received_at`, `1.5 + smtp.attempt > 2`, `offset + 1 > partition`,
		`duration("1h") + duration("1m") > duration("61m")`, `lower(subject) contains "x"`, `let n = smtp.code; n > 499 and n < 600`,
		`metadata["format"] == ""`, `subject matches "^a+$"`, `time.Hour() == 1`, `metadata["Format"] == ""`,
	} {
		if _, err := selection.Compile(selection.Selection{Where: fine}, selection.Options{}); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
}

// TestExpressionThatBreaksDownTellsNoValue: what breaks it down may be an address.
func TestExpressionThatBreaksDownTellsNoValue(t *testing.T) {
	t.Parallel()
	for _, where := range []string{
		`int(recipient) > 0`, `float(recipient) > 0`, `date(recipient) < time`, `duration(recipient) > duration("1h")`,
		`int(tags[0]) > 0`,
	} {
		m, err := selection.Compile(selection.Selection{Where: where}, selection.Options{})
		if err != nil {
			t.Fatal(err)
		}
		e := bounced()
		e.Recipient, e.Tags = "canary(@example.com", []string{"canary(@example.com"}
		if _, err = m.Match(typed(e)); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v, want an error that quotes nothing", where, err)
		}
	}
}

func TestExpressionHasABudget(t *testing.T) {
	t.Parallel()
	m, err := selection.Compile(selection.Selection{Where: `any(tags, len(map(tags, #)) == 0)`}, selection.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := bounced()
	e.Tags = slices.Repeat([]string{"x"}, 1000)
	if _, err = m.Match(typed(e)); err == nil || !strings.Contains(err.Error(), "memory budget exceeded") {
		t.Errorf("got %v, want an error about the budget", err)
	}
}

// TestFieldsAreThoseOfTheEvent holds the names to the event's JSON form.
func TestFieldsAreThoseOfTheEvent(t *testing.T) {
	t.Parallel()
	var names []string
	for _, f := range selection.Fields() {
		names = append(names, f.Name)
		if _, err := selection.Compile(selection.Selection{Where: map[string]string{
			"string": f.Name + ` == ""`, "int": f.Name + ` == 0`, "bool": `not ` + f.Name, "time": f.Name + ` < date("2026-01-01")`,
			"list": `len(` + f.Name + `) == 0`, "map": f.Name + `["x"] == ""`,
		}[f.Type]}, selection.Options{}); err != nil {
			t.Errorf("%s (%s): %v", f.Name, f.Type, err)
		}
	}
	for _, want := range eventPaths() {
		if !slices.Contains(names, want) {
			t.Errorf("no field %s", want)
		}
	}
}

// TestFieldsHoldTheirOwnValues asks for each field of an event whose texts are all
// different.
func TestFieldsHoldTheirOwnValues(t *testing.T) {
	t.Parallel()
	yes := true
	e := event.Event{
		SMTP: &event.SMTP{}, Bounce: &event.Bounce{WillRetry: &yes}, Drop: &event.Drop{}, Complaint: &event.Complaint{},
		Engagement: &event.Engagement{Bot: &yes, First: &yes}, Tags: []string{"tags"}, Recipients: []string{"recipients"},
		Metadata: map[string]string{"x": "metadata"}, Raw: []byte(`"raw"`), Test: true,
		ReceivedAt: event.NewTime(at(1), 0), OccurredAt: event.NewTime(at(2), 0),
	}
	fill(reflect.ValueOf(&e).Elem(), "")
	e.Schema = event.Schema
	e.SMTP.Code, e.SMTP.Attempt = 550, 3
	special := map[string]string{
		"schema": `schema == "email-event/1"`, "tags": `tags[0] == "tags"`, "recipients": `recipients[0] == "recipients"`,
		"metadata": `metadata["x"] == "metadata"`, "raw": `raw == '"raw"'`, "smtp.code": `smtp.code == 550`, "smtp.attempt": `smtp.attempt == 3`,
		"received_at": `received_at.Minute() == 1`, "occurred_at": `occurred_at.Minute() == 2`,
		"test": `test`, "bounce.will_retry": `bounce.will_retry`, "engagement.bot": `engagement.bot`, "engagement.first": `engagement.first`,
	}
	r := &selection.Record{Value: e.AppendJSON(nil)}
	for _, path := range eventPaths() {
		where := special[path]
		if where == "" {
			where = path + ` == "` + path + `"`
		}
		if got := match(t, selection.Selection{Where: where}, r); got != selection.Yes {
			t.Errorf("%s: %s, want yes", where, got)
		}
	}
}

// fill gives each text its own path.
func fill(v reflect.Value, prefix string) {
	for f, field := range v.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case field.Kind() == reflect.String:
			field.SetString(prefix + name)
		case field.Kind() == reflect.Pointer && field.Elem().Kind() == reflect.Struct:
			fill(field.Elem(), name+".")
		}
	}
}

func TestNothingIsLeftOfTheLastEvent(t *testing.T) {
	t.Parallel()
	m, err := selection.Compile(selection.Selection{Where: `bounce.class == "hard"`}, selection.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sent := bounced()
	sent.Type, sent.Bounce = event.Sent, nil
	for range 10 { // whichever of its environments it takes
		if v, _ := m.Match(typed(bounced())); v != selection.Yes {
			t.Errorf("bounced: %s", v)
		}
		if v, _ := m.Match(typed(sent)); v != selection.No {
			t.Errorf("sent: %s", v)
		}
	}
}

func TestMatcherIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	m, err := selection.Compile(selection.Selection{Where: `"news" in tags and any(tags, # == "weekly")`}, selection.Options{})
	if err != nil {
		t.Fatal(err)
	}
	with, without := typed(bounced()), typed(event.Event{Schema: event.Schema, Type: event.Sent})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				if v, err := m.Match(with); v != selection.Yes || err != nil {
					t.Errorf("with: %s %v", v, err)
				}
				if v, err := m.Match(without); v != selection.No || err != nil {
					t.Errorf("without: %s %v", v, err)
				}
			}
		})
	}
	wg.Wait()
}
