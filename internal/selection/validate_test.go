package selection_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/selection"
	"github.com/postrider/postrider/pkg/event"
)

// eventPaths lists the names in the JSON form of an event, with those of nested objects.
func eventPaths() []string {
	var paths []string
	var walk func(t reflect.Type, prefix string)
	walk = func(t reflect.Type, prefix string) {
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct {
				walk(f.Type.Elem(), name+".")
				continue
			}
			paths = append(paths, prefix+name)
		}
	}
	walk(reflect.TypeFor[event.Event](), "")
	return paths
}

func TestValidateFindsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	s := selection.Selection{
		Topics: []string{"email.[", ""}, All: true, From: at(31), To: at(31), Late: -time.Second, Limit: -1,
		Partitions: []int{-1}, Offsets: []selection.Span{{Partition: -2}, {Partition: 1, From: 5, To: 5}, {Topic: "t", From: -1}},
		Types: []string{"bonced", "zzzzzzzz"}, Providers: []string{""}, Headers: []selection.Header{{Value: "x"}}, Where: "y",
	}
	want := []string{
		"all excludes every other selector: leave it out, or the others",
		`topic "email.[" is neither a name nor a pattern: * is any text, ? one character, [a-z] one of these`,
		`topic "" is neither a name nor a pattern: * is any text, ? one character, [a-z] one of these`,
		"from (2026-11-21T09:31:00Z) must be before to (2026-11-21T09:31:00Z)",
		"late (-1s) must not be negative",
		"limit (-1) must not be negative",
		"partition -1: partitions are numbered from 0",
		"offsets of partition -2: partitions are numbered from 0",
		"offsets of partition 1: the first (5) must be below the end (5)",
		"offsets of t/0: offsets are numbered from 0",
		"provider: the text is empty",
		"header: the name is empty",
		`there is no type "bonced"; did you mean bounced?`,
		`there is no type "zzzzzzzz"; there are ` + strings.Join(selection.TypeNames(), ", "),
		"where: unknown name y\n" + "  y\n  ^",
	}
	var invalid *selection.InvalidError
	if err := s.Validate(); !errors.As(err, &invalid) {
		t.Fatalf("got %v, want an InvalidError", err)
	}
	if diff := cmp.Diff(want, invalid.Problems); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}

func TestAnEmptySelectionIsRefused(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]selection.Selection{
		"nothing":  {},
		"topics":   {Topics: []string{"email.*"}},
		"limit":    {Topics: []string{"email.*"}, Limit: 5},
		"replayed": {Topics: []string{"email.*"}, Replayed: true},
	} {
		err := s.Validate()
		if err == nil || err.Error() != "selection: give at least one selector beside the topics (a time, an offset, a field); everything is spelled --all" {
			t.Errorf("%s: %v", name, err)
		}
		s.All = true
		if err := s.Validate(); err != nil {
			t.Errorf("%s with all: %v", name, err)
		}
	}
	late := selection.Selection{From: at(1), Late: time.Hour}
	if err := late.Validate(); err == nil || err.Error() != "selection: late bounds how long after to is read on: give to as well" {
		t.Errorf("late without to: %v", err)
	}
}

func TestExpandTopics(t *testing.T) {
	t.Parallel()
	existing := []string{"email.sent", "email.bounced", "email.raw", "email.inbound.bounced", "other"}
	for _, c := range []struct{ patterns, want []string }{
		{[]string{"email.sent"}, []string{"email.sent"}},
		{[]string{"*.bounced"}, []string{"email.bounced", "email.inbound.bounced"}},
		{[]string{"email.sent", "email.[rs]*", "email.sent"}, []string{"email.sent", "email.raw"}},
		{nil, nil},
	} {
		got, err := selection.ExpandTopics(c.patterns, existing)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got)\n%s", c.patterns, err, diff)
		}
	}
	_, err := selection.ExpandTopics([]string{"email.bouncd", "email.sent", "zz*"}, existing)
	if want := `selection: "email.bouncd", "zz*" match no topic; the nearest: email.bounced`; err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if _, err = selection.ExpandTopics([]string{"zz*"}, existing); err == nil || err.Error() != `selection: "zz*" matches no topic` {
		t.Errorf("got %v", err)
	}
}
