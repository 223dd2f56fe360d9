package provider

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Memory is what the results of one request are made of, kept to be used again for
// those of another: the list of them, and the maps and lists in their events. The
// zero Memory is ready to use, by one goroutine at a time.
type Memory struct {
	request webhook.Request
	items   []found
	results []Result
	smtp    []event.SMTP
	room    jsondoc.Room
}

// SMTP returns s for an event to point to; nil if nothing is known.
func (p Place) SMTP(s event.SMTP) *event.SMTP {
	if s == (event.SMTP{}) {
		return nil
	}
	m := p.memory
	if m == nil {
		return new(s)
	}
	if len(m.smtp) == cap(m.smtp) { // those handed out keep the old array
		m.smtp = make([]event.SMTP, 0, min(max(2*cap(m.smtp), p.Count-p.Index), keepResults))
	}
	m.smtp = append(m.smtp, s)
	return &m.smtp[len(m.smtp)-1]
}

// Recycling is a Parser that can take the memory of its results from somewhere.
type Recycling interface {
	// ParseIn is Parse with results that are valid until m's Reset.
	ParseIn(m *Memory, v webhook.Verified) []Result
}

// keepResults is how many results a Memory holds on to, about 1 MiB.
const keepResults = 2048

// Reset takes back the results that were made in m: nobody may look any more at them
// or at the maps and lists in their events. Their texts are parts of the request's
// body and stay what they are; m holds on to none of them.
func (m *Memory) Reset() {
	m.request = webhook.Request{}
	m.room.Reset()
	if cap(m.results) > keepResults || cap(m.items) > keepResults {
		m.results, m.items = nil, nil
	}
	clear(m.items)
	clear(m.results)
	clear(m.smtp)
	m.items, m.results, m.smtp = m.items[:0], m.results[:0], m.smtp[:0]
}
