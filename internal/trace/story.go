package trace

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/pkg/event"
)

// Story is what became of one message on its way to one recipient.
type Story struct {
	MessageID     string `json:"message_id,omitempty"`
	SMTPMessageID string `json:"smtp_message_id,omitempty"`
	// Sources are where its events came from, as provider/source; more than one only
	// where stories were joined by the Message-ID.
	Sources       []string        `json:"sources"`
	Direction     event.Direction `json:"direction"`
	Recipient     string          `json:"recipient,omitempty"`
	RecipientHash string          `json:"recipient_hash,omitempty"`
	Sender        string          `json:"sender,omitempty"`
	Subject       string          `json:"subject,omitempty"`

	// State is the type of the event that decides where the message stands; "" if
	// none does. StateEvent is its id. Final says that only feedback, or evidence of
	// the contrary, can change it.
	State      event.Type `json:"state,omitempty"`
	StateEvent string     `json:"state_event,omitempty"`
	StateSince event.Time `json:"state_since,omitzero"`
	Final      bool       `json:"final,omitempty"`
	Headline   string     `json:"headline"`
	First      time.Time  `json:"first"` // of the first step
	Last       time.Time  `json:"last"`

	Steps []Step `json:"steps"`
}

// Step is one event of a story: one id, in however many records.
type Step struct {
	ID   string     `json:"id"`
	Type event.Type `json:"type"`
	// At is when it happened by the provider's clock, or, if the provider does not
	// say, when it was received.
	At time.Time `json:"at"`
	// Lag is the milliseconds from occurred_at to received_at; absent without the
	// former, negative if the provider's clock is ahead.
	Lag *int64 `json:"lag_ms,omitempty"`
	// After is the milliseconds since the step before; absent on the first.
	After *int64 `json:"after_ms,omitempty"`
	// Late says that a later step was received before this one.
	Late      bool      `json:"late,omitempty"`
	Record    Place     `json:"record"`
	Time      time.Time `json:"record_time"`
	Mapper    int       `json:"mapper,omitempty"`
	Conflict  bool      `json:"conflict,omitempty"`  // its id was known with other content
	Duplicate bool      `json:"duplicate,omitempty"` // the record is a marked repeat; the first is not there
	Replay    *Replay   `json:"replay,omitempty"`    // the record is a copy; the original is not there
	// Copies are other records of the same id.
	Copies []Copy      `json:"copies,omitempty"`
	Event  event.Event `json:"event"`
}

// Copy is another record of an event that is told already.
type Copy struct {
	Record Place     `json:"record"`
	Time   time.Time `json:"record_time"`
	// Kind is CopyReplay, CopyDuplicate or CopyAgain.
	Kind   string  `json:"kind"`
	RawID  string  `json:"raw_id,omitempty"`
	Replay *Replay `json:"replay,omitempty"`
}

// The kinds of copies.
const (
	CopyReplay    = "replay"    // a replay put it there
	CopyDuplicate = "duplicate" // a repeat, published because the source asks for it
	CopyAgain     = "again"     // published twice: at least once is what is promised
)

// Grouping says which events are one story.
type Grouping struct {
	// Hash makes the recipient_hash of an address, so that events that name the
	// address and events that name its hash come together; nil: they do not.
	Hash func(address string) string
	// Joined makes one story of all messages: they share a Message-ID, whatever
	// their providers.
	Joined bool
}

// Stories makes stories of observations, in whatever order they come: one a message
// and recipient, by the time of their first step. An event without a recipient is
// counted to the message's only one, if there is one only.
func Stories(found []Observation, g Grouping) []Story {
	messages := map[string][]*Observation{}
	var order []string
	for _, o := range unique(found) {
		k := g.message(&o.Event)
		if messages[k] == nil {
			order = append(order, k)
		}
		messages[k] = append(messages[k], o)
	}
	stories := []Story{}
	for _, k := range order {
		for _, of := range g.recipients(messages[k]) {
			stories = append(stories, newStory(of))
		}
	}
	slices.SortFunc(stories, func(a, b Story) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Steps[0].ID, b.Steps[0].ID))
	})
	return stories
}

// unique are the observations by their place, each once: a search may meet a record
// twice.
func unique(found []Observation) []*Observation {
	seen := make(map[Place]bool, len(found))
	var list []*Observation
	for i := range found {
		if o := &found[i]; !seen[o.Place] {
			seen[o.Place] = true
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *Observation) int { return comparePlaces(a.Place, b.Place) })
	return list
}

// message tells messages apart.
func (g *Grouping) message(e *event.Event) string {
	if g.Joined {
		return string(e.Direction)
	}
	return string(e.Direction) + " " + e.Key()
}

// recipient tells a message's recipients apart; "" is unknown.
func (g *Grouping) recipient(e *event.Event) string {
	switch {
	case e.RecipientHash != "":
		return e.RecipientHash
	case e.Recipient == "":
		return ""
	case g.Hash != nil:
		return g.Hash(e.Recipient)
	}
	return event.NormalizeAddress(e.Recipient)
}

// recipients parts a message's observations by recipient.
func (g *Grouping) recipients(all []*Observation) [][]*Observation {
	by := map[string][]*Observation{}
	var order []string
	for _, o := range all {
		k := g.recipient(&o.Event)
		if by[k] == nil {
			order = append(order, k)
		}
		by[k] = append(by[k], o)
	}
	if len(order) == 2 && by[""] != nil {
		return [][]*Observation{all}
	}
	var parts [][]*Observation
	for _, k := range order {
		parts = append(parts, by[k])
	}
	return parts
}

// newStory makes the story of observations, at least one.
func newStory(of []*Observation) Story {
	var s Story
	byID := map[string]int{}
	for _, o := range primaryFirst(of) {
		if i, there := byID[o.Event.ID]; there {
			s.Steps[i].Copies = append(s.Steps[i].Copies, copyOf(o))
			continue
		}
		byID[o.Event.ID] = len(s.Steps)
		s.Steps = append(s.Steps, stepOf(o))
	}
	slices.SortFunc(s.Steps, compareSteps)
	s.measure()
	s.name()
	if e := decide(s.Steps); e != nil {
		s.State, s.StateEvent, s.StateSince = e.Type, e.ID, e.OccurredAt
		s.Final = standingOf(e) >= failed
	}
	s.Headline = headline(s.Steps)
	return s
}

// primaryFirst orders the records of an event: the first that is no copy is what
// the others are copies of.
func primaryFirst(of []*Observation) []*Observation {
	copied := func(o *Observation) int {
		switch {
		case o.Replay != nil:
			return 2
		case o.Duplicate:
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(of), func(a, b *Observation) int {
		return cmp.Or(cmp.Compare(copied(a), copied(b)), a.Time.Compare(b.Time))
	})
}

func copyOf(o *Observation) Copy {
	c := Copy{Record: o.Place, Time: o.Time, Kind: CopyAgain, RawID: o.Event.RawID, Replay: o.Replay}
	switch {
	case o.Replay != nil:
		c.Kind = CopyReplay
	case o.Duplicate:
		c.Kind = CopyDuplicate
	}
	return c
}

func stepOf(o *Observation) Step {
	e := &o.Event
	s := Step{
		ID: e.ID, Type: e.Type, At: e.ReceivedAt.Time(), Record: o.Place, Time: o.Time, Mapper: o.Mapper,
		Conflict: o.Conflict, Duplicate: o.Duplicate, Replay: o.Replay, Event: *e,
	}
	if !e.OccurredAt.IsZero() {
		s.At = e.OccurredAt.Time()
		lag := e.ReceivedAt.Time().Sub(s.At).Milliseconds()
		s.Lag = &lag
	}
	return s
}

// compareSteps orders steps by when they happened, and those of one moment by the
// order of a message's life.
func compareSteps(a, b Step) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(life(a.Type), life(b.Type)),
		a.Event.ReceivedAt.Time().Compare(b.Event.ReceivedAt.Time()), strings.Compare(a.ID, b.ID))
}

// life is where a type stands in a message's life. Inbound mail begins with being
// received.
func life(t event.Type) int {
	if t == event.Received {
		return -1
	}
	if i := slices.Index(event.Types(), t); i >= 0 {
		return i
	}
	return len(event.Types())
}

// measure fills in the times between the steps, which are in order.
func (s *Story) measure() {
	s.First, s.Last = s.Steps[0].At, s.Steps[len(s.Steps)-1].At
	for i := 1; i < len(s.Steps); i++ {
		after := s.Steps[i].At.Sub(s.Steps[i-1].At).Milliseconds()
		s.Steps[i].After = &after
	}
	var earliest time.Time
	for i := len(s.Steps) - 1; i >= 0; i-- {
		received := s.Steps[i].Event.ReceivedAt.Time()
		s.Steps[i].Late = !earliest.IsZero() && received.After(earliest) && s.Steps[i].At.Before(s.Steps[i+1].At)
		if earliest.IsZero() || received.Before(earliest) {
			earliest = received
		}
	}
}

// name fills in what the events say of the message, the first that says so.
func (s *Story) name() {
	first := func(into *string, value string) {
		if *into == "" {
			*into = value
		}
	}
	for i := range s.Steps {
		e := &s.Steps[i].Event
		s.Direction = e.Direction
		first(&s.MessageID, e.MessageID)
		first(&s.SMTPMessageID, e.SMTPMessageID)
		first(&s.Recipient, e.Recipient)
		first(&s.RecipientHash, e.RecipientHash)
		first(&s.Sender, e.Sender)
		first(&s.Subject, e.Subject)
		if from := e.Provider + "/" + e.Source; !slices.Contains(s.Sources, from) {
			s.Sources = append(s.Sources, from)
		}
	}
}
