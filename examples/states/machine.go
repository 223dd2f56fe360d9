package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/postrider/postrider/pkg/event"
)

// machine has the state of every message. It is safe for concurrent use. In earnest a
// state is a row of a database, read and written in one transaction; see
// examples/postgres.
type machine struct {
	out io.Writer // is told of each change

	mu     sync.Mutex
	states map[string]state
}

// handle brings a message's state up to date. A repeat changes nothing, and so this
// Handler needs nothing to recognise one.
//
// A message is known by the key of its events. Where a provider gives several
// recipients one message id, add the recipient, if it is named in all events.
func (m *machine) handle(_ context.Context, e *event.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.states[e.Key()]
	is := was.next(e)
	m.states[e.Key()] = is
	if is.now() == was.now() {
		return nil
	}
	_, err := fmt.Fprintf(m.out, "%s: %s\n", e.Key(), is.now().typ)
	return err
}

// write writes all states, by message.
func (m *machine) write(w io.Writer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(m.states)) {
		now := m.states[key].now()
		if _, err := fmt.Fprintf(w, "%s is %s since %s\n", key, now.typ, now.at.Format(time.DateTime)); err != nil {
			return err
		}
	}
	return nil
}
