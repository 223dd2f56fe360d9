package renormalize

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// compared are the fields that differ, each with its values.
func compared(t *testing.T, old, now string) (list []string) {
	t.Helper()
	a, err := readFields([]byte(old))
	if err != nil {
		t.Fatal(err)
	}
	b, err := readFields([]byte(now))
	if err != nil {
		t.Fatal(err)
	}
	a.compare(b, func(path, old, now string) { list = append(list, path+" "+old+" "+now) })
	slices.Sort(list)
	return list
}

func TestFieldsAreComparedByPath(t *testing.T) {
	got := compared(t,
		`{"id":"1","smtp":{"code":250,"mx":"a"},"tags":["a"],"drop":{"reason":"spam"},"metadata":{"b":"1","a":"2"},"raw":{"x":1},"same":1}`,
		`{"id":"1","smtp":{"code":550},"tags":["a","b"],"bounce":{"class":"hard"},"metadata":{"a":"2","b":"1","c":"3"},"raw":{"x":2},"same":1}`)
	want := []string{
		`bounce.class  "hard"`, `drop.reason "spam" `, `metadata.c  "3"`, `raw {"x":1} {"x":2}`, `smtp.code 250 550`, `smtp.mx "a" `, `tags ["a"] ["a","b"]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNoEventIsAnError(t *testing.T) {
	if _, err := readFields([]byte(`[]`)); err == nil {
		t.Error("a list is no event")
	}
}

// Of a field that is not listed as harmless no value is shown, whatever is added to
// events.
func TestOnlyHarmlessValuesAreShown(t *testing.T) {
	for _, field := range []string{
		"recipient", "recipients", "recipient_hash", "sender", "subject", "tags", "metadata.a", "reason", "raw", "message_id", "smtp_message_id",
		"customer_ref", "batch_id", "provider_event_id", "provider_subtype", "smtp.response", "smtp.remote", "drop.detail", "complaint.type",
		"engagement.ip", "engagement.url", "engagement.user_agent", "(key)", "added_later",
	} {
		if got := example(field, `"x"`); got != "" {
			t.Errorf("%s: shown is %s", field, got)
		}
	}
	if got := example("bounce.class", `"hard"`); got != `"hard"` {
		t.Errorf("got %s", got)
	}
	if got := example("source", strings.Repeat("ü", 300)); len(got) > maxShown+3 || !strings.HasSuffix(got, "ü…") {
		t.Errorf("got %s", got)
	}
}

func TestFieldsOfATypeAreBounded(t *testing.T) {
	var all tally
	for i := range 300 {
		all.of("sent").field("metadata."+strings.Repeat("x", 1+i%60)+string(rune('a'+i%26)), "id", "1", "2")
	}
	all.of("sent").field("metadata."+strings.Repeat("x", 65), "id", "", "")
	list := all.list()
	if n := len(list[0].Fields); n != maxFields+1 {
		t.Errorf("%d fields", n)
	}
	var sum int64
	for _, f := range list[0].Fields {
		sum += f.Count
	}
	if sum != 301 || list[0].Fields[0].Field != otherFields {
		t.Errorf("%d changes in all, first %+v", sum, list[0].Fields[0])
	}
}

func TestTypesArePeoplesNames(t *testing.T) {
	for want, value := range map[string]string{
		"delivered": `{"type":"delivered","direction":"outbound"}`, "inbound.received": `{"type":"received","direction":"inbound"}`, "?": `x`,
	} {
		if got := routeOf([]byte(value)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
