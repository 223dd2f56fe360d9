package consumer_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/event"
)

// named is a Handler that notes its name.
func named(name string, into *[]string) consumer.Handler {
	return func(context.Context, *consumer.Message) error {
		*into = append(*into, name)
		return nil
	}
}

// on adds a route that must be valid.
func on(t *testing.T, r *consumer.Router, m consumer.Match, h consumer.Handler) {
	t.Helper()
	if err := r.On(m, h); err != nil {
		t.Fatal(err)
	}
}

func TestRouterTakesTheFirstRoute(t *testing.T) {
	var got []string
	r := consumer.NewRouter()
	on(t, r, consumer.Match{Types: []string{"bounced"}, Where: `bounce.class == "hard"`}, named("hard", &got))
	on(t, r, consumer.Match{Types: []string{"bounced", "complained"}}, named("feedback", &got))
	on(t, r, consumer.Match{Types: []string{"inbound.delivered"}}, named("inbound", &got))
	on(t, r, consumer.Match{Providers: []string{"vfs"}, Sources: []string{"eu", "us"}}, named("vfs", &got))
	r.Otherwise(named("otherwise", &got))
	errs := consumertest.Feed(t.Context(), r.Handle,
		consumertest.Message(event.Event{Type: event.Bounced, Bounce: &event.Bounce{Class: event.Hard}}),
		consumertest.Message(event.Event{Type: event.Bounced, Bounce: &event.Bounce{Class: event.Soft}}),
		consumertest.Message(event.Event{Type: event.Complained}),
		consumertest.Message(event.Event{Type: event.Delivered, Direction: event.Inbound}),
		consumertest.Message(event.Event{Type: event.Delivered}),
		consumertest.Message(event.Event{Type: event.Delivered, Provider: "vfs", Source: "us"}),
		consumertest.Message(event.Event{Type: event.Delivered, Provider: "vfs", Source: "asia"}),
		consumertest.Message(event.Event{Type: event.Delivered, Provider: "vfs", Source: "us"}, consumertest.Replayed(consumer.Replay{ID: "r"})),
	)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	want := []string{"hard", "feedback", "feedback", "inbound", "otherwise", "vfs", "otherwise", "vfs"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRouterPassesOverWhatNobodyWants(t *testing.T) {
	r := consumer.NewRouter()
	on(t, r, consumer.Match{Types: []string{"opened"}}, func(context.Context, *consumer.Message) error { return errors.New("called") })
	if err := r.Handle(t.Context(), consumertest.Message(event.Event{Type: event.Clicked})); err != nil {
		t.Error(err)
	}
}

func TestRouterReturnsTheHandlersError(t *testing.T) {
	want := errors.New("no")
	r := consumer.NewRouter()
	on(t, r, consumer.Match{Types: []string{"opened"}}, func(context.Context, *consumer.Message) error { return want })
	if err := r.Handle(t.Context(), consumertest.Message(event.Event{Type: event.Opened})); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

// A record has the same route when it comes back from a retry topic.
func TestRouterKnowsRetriedRecords(t *testing.T) {
	var got []string
	r := consumer.NewRouter()
	on(t, r, consumer.Match{Where: `topic == "email.opened" and partition == 1 and offset == 2`}, named("first", &got))
	first := consumer.Place{Topic: "email.opened", Partition: 1, Offset: 2}
	retried := consumertest.Message(event.Event{Type: event.Opened}, consumertest.At(consumer.Place{Topic: "g.retry.1m"}), consumertest.Retried(first, 3))
	if err := r.Handle(t.Context(), retried); err != nil || !slices.Equal(got, []string{"first"}) {
		t.Errorf("got %v, %v", got, err)
	}
}

// What Types tell from headers needs no value; a Where on the type does not, either.
func TestRouterDecodesOnlyWhereNeeded(t *testing.T) {
	var got []string
	r := consumer.NewRouter()
	on(t, r, consumer.Match{Types: []string{"clicked"}}, named("clicked", &got))
	on(t, r, consumer.Match{Where: `type == "opened" and headers["x"] == "y"`}, named("opened", &got))
	m := consumertest.Message(event.Event{Type: event.Opened}, consumertest.Header("x", "y"))
	m.Value = []byte("no event")
	if err := r.Handle(t.Context(), m); err != nil || !slices.Equal(got, []string{"opened"}) {
		t.Errorf("got %v, %v", got, err)
	}
}

// An event that cannot be read could be any route's: it is not passed over.
func TestRouterFailsForABrokenEvent(t *testing.T) {
	for name, value := range map[string]string{"no JSON": "{", "another schema": `{"schema":"other/1"}`} {
		r := consumer.NewRouter()
		on(t, r, consumer.Match{Where: `bounce.class == "hard"`}, named("", new([]string)))
		r.Otherwise(named("", new([]string)))
		m := consumertest.Message(event.Event{Type: event.Bounced})
		m.Value = []byte(value)
		if err := r.Handle(t.Context(), m); !consumer.IsPermanent(err) || !strings.Contains(err.Error(), "email.bounced[0]@0") {
			t.Errorf("%s: got %v, want a permanent failure that names the record", name, err)
		}
	}
}

// Raw requests and dead letters are no events, and no failures.
func TestRouterPassesOverRequests(t *testing.T) {
	var got []string
	r := consumer.NewRouter()
	on(t, r, consumer.Match{Where: `bounce.class != "hard"`}, named("event", &got))
	r.Otherwise(named("otherwise", &got))
	raw := &consumer.Message{Topic: "email.raw", Value: []byte("{}"), Headers: []event.Header{
		{Key: "provider", Value: []byte("vfs")}, {Key: "source", Value: []byte("eu")}, {Key: "id", Value: []byte("019a")},
	}}
	if err := r.Handle(t.Context(), raw); err != nil || !slices.Equal(got, []string{"otherwise"}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRouterFailsWhereAnExpressionBreaksDown(t *testing.T) {
	r := consumer.NewRouter()
	on(t, r, consumer.Match{Where: `tags[3] == "x"`}, named("", new([]string)))
	err := r.Handle(t.Context(), consumertest.Message(event.Event{Type: event.Opened, Tags: []string{"secret@example.com"}}))
	if !consumer.IsPermanent(err) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want a permanent failure without values", err)
	}
}

func TestMatchIsCheckedAtOnce(t *testing.T) {
	h := named("", new([]string))
	tests := map[string]struct {
		m    consumer.Match
		h    consumer.Handler
		want []string
	}{
		"nothing":          {consumer.Match{}, h, []string{"no condition", "Otherwise"}},
		"no handler":       {consumer.Match{Types: []string{"opened"}}, nil, []string{"no Handler"}},
		"a type":           {consumer.Match{Types: []string{"bounce"}}, h, []string{`no type "bounce"`, "did you mean bounced?"}},
		"a place":          {consumer.Match{Where: "bounce.klass == 1"}, h, []string{"bounce.klass == 1\n", "^", "klass"}},
		"an empty text":    {consumer.Match{Sources: []string{""}}, h, []string{"source: the text is empty"}},
		"everything":       {consumer.Match{Types: []string{"x"}, Providers: []string{""}, Where: "("}, nil, []string{`no type "x"`, "provider: ", "where: ", "no Handler"}},
		"the second":       {consumer.Match{}, h, []string{"route 2"}},
		"no true or false": {consumer.Match{Where: "recipient"}, h, []string{"true or false"}},
	}
	for name, tt := range tests {
		r := consumer.NewRouter()
		on(t, r, consumer.Match{Types: []string{"opened"}}, h)
		err := r.On(tt.m, tt.h)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q in it", name, err, want)
			}
		}
	}
}
