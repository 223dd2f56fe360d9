package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/postrider/postrider/internal/selection"
)

// Match says which records a route takes. Every condition that is given must hold; of
// several values of one condition any will do. What a record's headers tell is asked
// of them; its value is decoded for nothing else than a Where that needs it, once.
type Match struct {
	// Types are event types as in topics: "bounced", or "inbound.delivered" for mail that
	// came in.
	Types     []string
	Providers []string
	Sources   []string
	// Where is an expression on the event's fields, such as
	//
	//	bounce.class == "hard" and recipient endsWith "@example.com"
	//
	// It is the language of `postrider replay --where`, with the same bounds: it cannot
	// loop, or make much of little. Its topic, partition and offset are those of
	// Message.Origin, so that a record has the same route when it comes back from a retry
	// topic.
	Where string
}

// Router hands each record to the Handler of the first route that takes it. Its
// routes are set up before its Handle is given to New; after that it may be used
// concurrently.
type Router struct {
	routes    []route
	otherwise Handler
}

// route is one Match with its Handler.
type route struct {
	match  *selection.Matcher
	handle Handler
}

// NewRouter makes a Router without routes.
func NewRouter() *Router { return &Router{} }

// On adds a route behind those that are there. The error lists all that is wrong with
// m at once; one about Where points at the character. A Match without any condition
// is an error: see Otherwise.
func (r *Router) On(m Match, h Handler) error {
	compiled, problems := m.compile()
	if h == nil {
		problems = append(problems, "there is no Handler")
	}
	if len(problems) > 0 {
		return fmt.Errorf("consumer: route %d: %s", len(r.routes)+1, strings.Join(problems, "; "))
	}
	r.routes = append(r.routes, route{match: compiled, handle: h})
	return nil
}

// Otherwise sets the Handler of records that no route takes. Without one they are
// done with: nothing becomes of them, and nothing counts them.
func (r *Router) Otherwise(h Handler) { r.otherwise = h }

// Handle is the Router's Handler. A record that claims to be an event and cannot be
// decoded where a route has to know what is in it, or for which an expression cannot
// be evaluated, is a Permanent failure: nobody knows whose it is. Raw requests and
// dead letters are no events, and so taken by no route that asks for an event's fields.
func (r *Router) Handle(ctx context.Context, m *Message) error {
	origin := m.Origin()
	rec := selection.Record{
		Topic: origin.Topic, Partition: origin.Partition, Offset: origin.Offset, Time: m.Time,
		Key: m.Key, Value: m.Value, Headers: m.Headers, Decoded: m.Event,
	}
	for i := range r.routes {
		switch takes, err := r.routes[i].takes(&rec, m); {
		case err != nil:
			return Permanent(fmt.Errorf("consumer: route %d: %w", i+1, err))
		case takes:
			return r.routes[i].handle(ctx, m)
		}
	}
	if r.otherwise != nil {
		return r.otherwise(ctx, m)
	}
	m.passed = true
	return nil
}

// takes reports whether the record is the route's.
func (r *route) takes(rec *selection.Record, m *Message) (bool, error) {
	verdict, err := r.match.Match(rec)
	if err != nil {
		return false, err //nolint:wrapcheck // Handle says whose it is
	}
	if _, event := m.Header(headerID); event && verdict == selection.Undecodable {
		_, err = m.Event()
		if err == nil {
			err = fmt.Errorf("%s[%d]@%d holds no email event", m.Topic, m.Partition, m.Offset)
		}
	}
	return verdict == selection.Yes, err
}

// compile makes the Matcher, or lists what is wrong.
func (m *Match) compile() (*selection.Matcher, []string) {
	if len(m.Types)+len(m.Providers)+len(m.Sources) == 0 && m.Where == "" {
		return nil, []string{"the Match has no condition: Otherwise takes what no route does"}
	}
	compiled, err := selection.Compile(selection.Selection{
		Types: m.Types, Providers: m.Providers, Sources: m.Sources, Where: m.Where, Replayed: true,
	}, selection.Options{})
	if invalid, ok := errors.AsType[*selection.InvalidError](err); ok {
		return nil, invalid.Problems
	}
	return compiled, nil
}
