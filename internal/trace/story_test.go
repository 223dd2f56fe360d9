package trace

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/pkg/event"
)

// noon is the time of the tests' first event.
func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// maker makes events of one message.
type maker func(*event.Event)

// seen makes an observation: an event of a type, so many seconds after noon, that was
// received a second later.
func seen(t event.Type, second int, changes ...maker) Observation {
	at := noon().Add(time.Duration(second) * time.Second)
	e := event.Event{
		Schema: event.Schema, Type: t, Family: t.Family(), Direction: event.Outbound, Provider: "jetemail", Source: "shop",
		OccurredAt: event.NewTime(at, 0), ReceivedAt: event.NewTime(at.Add(time.Second), 3), MessageID: "m1", Recipient: "a@example.com",
	}
	e.ID = fmt.Sprintf("%s-%d", t, second)
	if t == event.Bounced {
		e.Bounce = &event.Bounce{Class: event.Hard, Category: event.InvalidRecipient}
	}
	for _, change := range changes {
		change(&e)
	}
	return Observation{Place: Place{"email." + string(t), 0, int64(second)}, Time: e.ReceivedAt.Time(), Event: e, key: e.Key()}
}

func soft(retry ...bool) maker {
	return func(e *event.Event) {
		e.Bounce = &event.Bounce{Class: event.Soft, Category: event.MailboxFull}
		if len(retry) > 0 {
			e.Bounce.WillRetry = &retry[0]
		}
	}
}

func dropped(e *event.Event) { e.Drop = &event.Drop{Reason: event.DropSuppressed} }
func timeless(e *event.Event) {
	e.OccurredAt = event.Time{}
}

func byMachine(e *event.Event) {
	yes := true
	e.Engagement = &event.Engagement{Bot: &yes}
}

// receivedAt says when an event was received, in seconds after noon.
func receivedAt(second int) maker {
	return func(e *event.Event) {
		e.ReceivedAt = event.NewTime(noon().Add(time.Duration(second)*time.Second), 3)
	}
}

func TestStateAndHeadline(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		found    []Observation
		state    event.Type
		final    bool
		headline string
	}{
		"the way": {
			[]Observation{seen(event.Queued, 0), seen(event.Sent, 1), seen(event.Delivered, 2), seen(event.Opened, 3), seen(event.Opened, 9), seen(event.Clicked, 10)},
			event.Clicked, false, "delivered, then opened twice and clicked once",
		},
		"one moment": {[]Observation{seen(event.Delivered, 0), seen(event.Sent, 0), seen(event.Queued, 0)}, event.Delivered, false, "delivered"},
		"opened before delivered": {
			[]Observation{seen(event.Delivered, 5), seen(event.Opened, 3)}, event.Delivered, false, "delivered, then opened once",
		},
		"soft bounce, then delivered": {
			[]Observation{seen(event.Deferred, 0), seen(event.Deferred, 1), seen(event.Bounced, 2, soft()), seen(event.Delivered, 9)},
			event.Delivered, false, "delivered after 2 deferrals and 1 soft bounce",
		},
		"soft bounce": {
			[]Observation{seen(event.Sent, 0), seen(event.Bounced, 2, soft())},
			event.Bounced, false, "bounced (soft, mailbox_full), open whether it is tried again",
		},
		"soft bounce that is tried again": {
			[]Observation{seen(event.Bounced, 2, soft(true)), seen(event.Bounced, 3, soft(true))},
			event.Bounced, false, "bounced twice (soft, mailbox_full), the provider tries again",
		},
		"soft bounce that is not tried again": {
			[]Observation{seen(event.Bounced, 2, soft(false)), seen(event.Sent, 9)}, event.Bounced, true, "bounced (soft, mailbox_full)",
		},
		"deferred":         {[]Observation{seen(event.Sent, 0), seen(event.Deferred, 1), seen(event.Deferred, 2)}, event.Deferred, false, "deferred twice, not delivered yet"},
		"failed after all": {[]Observation{seen(event.Deferred, 1), seen(event.Bounced, 7)}, event.Bounced, true, "bounced (hard, invalid_recipient) after 1 deferral"},
		"bounced later":    {[]Observation{seen(event.Delivered, 1), seen(event.Bounced, 2)}, event.Bounced, true, "delivered, then bounced (hard, invalid_recipient)"},
		"delivered later":  {[]Observation{seen(event.Bounced, 1), seen(event.Delivered, 2)}, event.Delivered, false, "delivered"},
		"bounced at once":  {[]Observation{seen(event.Bounced, 1), seen(event.Delivered, 1)}, event.Delivered, false, "delivered"},
		"sent after final": {[]Observation{seen(event.Bounced, 1), seen(event.Sent, 2)}, event.Bounced, true, "bounced (hard, invalid_recipient)"},
		"opened all the same": {
			[]Observation{seen(event.Bounced, 1), seen(event.Opened, 2, byMachine)},
			event.Bounced, true,
			"bounced (hard, invalid_recipient), then opened once (once by a machine)",
		},
		"time unknown":          {[]Observation{seen(event.Delivered, 1), seen(event.Bounced, 2, timeless)}, event.Delivered, false, "delivered"},
		"no time of sent":       {[]Observation{seen(event.Delivered, 1), seen(event.Sent, 2, timeless)}, event.Delivered, false, "delivered"},
		"dropped":               {[]Observation{seen(event.Dropped, 1, dropped)}, event.Dropped, true, "dropped (suppressed)"},
		"complained":            {[]Observation{seen(event.Complained, 2), seen(event.Delivered, 1), seen(event.Opened, 3)}, event.Complained, true, "delivered, then opened once, complained"},
		"complained first":      {[]Observation{seen(event.Complained, 2), seen(event.Unsubscribed, 3)}, event.Complained, true, "complained, unsubscribed"},
		"only about an address": {[]Observation{seen(event.Suppressed, 2)}, "", false, "suppressed"},
		"inbound":               {[]Observation{seen(event.Received, 1), seen(event.Delivered, 1)}, event.Delivered, false, "delivered"},
		"only opened":           {[]Observation{seen(event.Opened, 1), seen(event.Complained, 2)}, event.Complained, true, "opened once, complained"},
		"only received":         {[]Observation{seen(event.Received, 1)}, event.Received, false, "received"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stories := Stories(c.found, Grouping{})
			if len(stories) != 1 {
				t.Fatalf("%d stories", len(stories))
			}
			s := stories[0]
			if s.State != c.state || s.Final != c.final || s.Headline != c.headline {
				t.Errorf("got %q, final %v: %q\nwant %q, final %v: %q", s.State, s.Final, s.Headline, c.state, c.final, c.headline)
			}
		})
	}
}

// steps writes a story's steps in short.
func steps(s *Story) []string {
	var list []string
	for i := range s.Steps {
		st := &s.Steps[i]
		text := st.ID
		if st.After != nil {
			text += fmt.Sprintf(" +%dms", *st.After)
		}
		if st.Late {
			text += " late"
		}
		words := []string{text}
		for _, c := range st.Copies {
			words = append(words, c.Kind+"@"+c.Record.String())
		}
		list = append(list, strings.Join(words, " "))
	}
	return list
}

func TestTimesAndLateEvents(t *testing.T) {
	t.Parallel()
	s := Stories([]Observation{
		seen(event.Delivered, 2, receivedAt(100)), seen(event.Opened, 3, receivedAt(4)), seen(event.Sent, 0), seen(event.Clicked, 90, timeless, receivedAt(90)),
	}, Grouping{})[0]
	want := []string{"sent-0", "delivered-2 +2000ms late", "opened-3 +1000ms", "clicked-90 +87000ms"}
	if diff := cmp.Diff(want, steps(&s)); diff != "" {
		t.Error(diff)
	}
	if lag := s.Steps[1].Lag; lag == nil || *lag != 98_000 {
		t.Errorf("lag %v", lag)
	}
	if s.Steps[3].Lag != nil {
		t.Error("a lag without a time")
	}
	if !s.First.Equal(noon()) || !s.Last.Equal(noon().Add(90*time.Second)) {
		t.Errorf("from %v to %v", s.First, s.Last)
	}
}

// TestCopies: records of one id are one step, and the first that came from a webhook
// is what the others are copies of. Conflicts have ids of their own.
func TestCopies(t *testing.T) {
	t.Parallel()
	original, again, duplicate, copied := seen(event.Opened, 5), seen(event.Opened, 5), seen(event.Opened, 5), seen(event.Opened, 5)
	again.Offset, again.Time = 8, again.Time.Add(time.Minute)
	duplicate.Offset, duplicate.Duplicate, duplicate.Time = 6, true, duplicate.Time.Add(-time.Minute)
	copied.Topic, copied.Replay, copied.Time = "copies", &Replay{ID: "r"}, copied.Time.Add(-time.Hour)
	conflict := seen(event.Opened, 5, func(e *event.Event) { e.ID = "other" })
	conflict.Conflict, conflict.Offset = true, 7
	s := Stories([]Observation{copied, duplicate, again, original, conflict, original}, Grouping{})[0]
	want := []string{"opened-5 again@email.opened[0]@8 duplicate@email.opened[0]@6 replay@copies[0]@5", "other +0ms"}
	if diff := cmp.Diff(want, steps(&s)); diff != "" {
		t.Error(diff)
	}
	if s.Steps[0].Record.Offset != 5 || s.Steps[0].Replay != nil || !s.Steps[1].Conflict {
		t.Errorf("%+v", s.Steps)
	}
	only := Stories([]Observation{copied}, Grouping{})[0].Steps[0]
	if only.Replay == nil || len(only.Copies) != 0 {
		t.Errorf("a copy without its original: %+v", only)
	}
}

func to(recipient, hash string) maker {
	return func(e *event.Event) {
		e.Recipient, e.RecipientHash = recipient, hash
		e.ID += recipient + hash
	}
}

func TestStoriesAreParted(t *testing.T) {
	t.Parallel()
	other := func(e *event.Event) { e.Provider, e.ID, e.SMTPMessageID = "cmcom", "x", "q@example.com" }
	in := func(e *event.Event) { e.Direction, e.ID = event.Inbound, "in" }
	anyone, b, hashed := to("", ""), to("b@example.com", ""), to("", "H")
	hash := func(address string) string {
		if event.NormalizeAddress(address) == "a@example.com" {
			return "H"
		}
		return "?"
	}
	for name, c := range map[string]struct {
		found []Observation
		g     Grouping
		want  []string // steps of each story
	}{
		"by recipient":            {[]Observation{seen(event.Sent, 0), seen(event.Sent, 1, b)}, Grouping{}, []string{"sent-0", "sent-1b@example.com"}},
		"nobody's is the only":    {[]Observation{seen(event.Sent, 0), seen(event.Opened, 1, anyone)}, Grouping{}, []string{"sent-0 opened-1"}},
		"nobody's among several":  {[]Observation{seen(event.Sent, 0), seen(event.Sent, 1, b), seen(event.Opened, 2, anyone)}, Grouping{}, []string{"sent-0", "sent-1b@example.com", "opened-2"}},
		"the hash of the address": {[]Observation{seen(event.Sent, 0, to("a@EXAMPLE.com", "")), seen(event.Opened, 1, hashed)}, Grouping{Hash: hash}, []string{"sent-0a@EXAMPLE.com opened-1H"}},
		"a hash without a pepper": {[]Observation{seen(event.Sent, 0), seen(event.Opened, 1, hashed)}, Grouping{}, []string{"sent-0", "opened-1H"}},
		"by provider":             {[]Observation{seen(event.Sent, 0), seen(event.Delivered, 1, other)}, Grouping{}, []string{"sent-0", "x"}},
		"joined":                  {[]Observation{seen(event.Sent, 0), seen(event.Delivered, 1, other)}, Grouping{Joined: true}, []string{"sent-0 x"}},
		"by direction":            {[]Observation{seen(event.Delivered, 0), seen(event.Delivered, 1, in)}, Grouping{}, []string{"delivered-0", "in"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, s := range Stories(c.found, c.g) {
				var ids []string
				for i := range s.Steps {
					ids = append(ids, s.Steps[i].ID)
				}
				got = append(got, strings.Join(ids, " "))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// drawn draws observations of one message, copies among them.
func drawn(rt *rapid.T) []Observation {
	var found []Observation
	for i := range rapid.IntRange(1, 12).Draw(rt, "n") {
		o := seen(rapid.SampledFrom(event.Types()).Draw(rt, "type"), rapid.IntRange(0, 4).Draw(rt, "at"), receivedAt(rapid.IntRange(0, 9).Draw(rt, "received")))
		if o.Event.Type == event.Bounced && rapid.Bool().Draw(rt, "soft") {
			soft()(&o.Event)
		}
		if rapid.IntRange(0, 4).Draw(rt, "timeless") == 0 {
			timeless(&o.Event)
		}
		if rapid.Bool().Draw(rt, "one id") {
			o.Event.ID = strconv.Itoa(i)
		}
		o.Offset, o.Time = int64(i), o.Event.ReceivedAt.Time()
		found = append(found, o)
	}
	return found
}

// TestArrivalDoesNotMatter: in whatever order records are found, the story is the
// same; nothing is lost, nothing is told twice, and times do not go back.
func TestArrivalDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		found := drawn(rt)
		want := Stories(found, Grouping{})
		shuffled := slices.Clone(found)
		rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		plain := cmp.AllowUnexported(event.Time{})
		if diff := cmp.Diff(want, Stories(append(shuffled, found...), Grouping{}), plain); diff != "" {
			rt.Fatal(diff)
		}
		told := 0
		for _, s := range want {
			for i := range s.Steps {
				told += 1 + len(s.Steps[i].Copies)
				if i > 0 && (s.Steps[i].At.Before(s.Steps[i-1].At) || *s.Steps[i].After < 0) {
					rt.Fatalf("step %d goes back", i)
				}
			}
		}
		if told != len(found) {
			rt.Fatalf("%d of %d records told", told, len(found))
		}
	})
}

// TestStateHolds: what the order of states promises of every story.
func TestStateHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		found := drawn(rt)
		for _, s := range Stories(found, Grouping{}) {
			more := append(slices.Clone(found), seen(event.Unsubscribed, 9, func(e *event.Event) { e.ID = "last" }))
			after := Stories(more, Grouping{})[0].State
			if feedback := s.State == event.Complained || s.State == event.Unsubscribed; feedback && after != s.State || !feedback && after != event.Unsubscribed {
				rt.Fatalf("%s became %s by an unsubscription", s.State, after)
			}
			more = append(slices.Clone(found), seen(event.Sent, 9, func(e *event.Event) { e.ID = "last" }))
			if after := Stories(more, Grouping{})[0]; s.Final && (after.State != s.State || !after.Final) {
				rt.Fatalf("final %s became %s by being sent", s.State, after.State)
			}
		}
	})
}

// TestMarksAreThoseOfReplays holds the names of the headers against those that
// replays write.
func TestMarksAreThoseOfReplays(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		headerReplayID: replay.HeaderID, headerReplayOf: replay.HeaderOf, headerReplayAt: replay.HeaderAt,
		headerReplayBy: replay.HeaderBy, headerReplayReason: replay.HeaderReason,
	} {
		if got != want {
			t.Errorf("%s is %s", got, want)
		}
	}
}
