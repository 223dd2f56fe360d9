package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"text/tabwriter"

	"github.com/postrider/postrider/pkg/event"
)

// counts is how often something was opened and clicked, by people and by machines:
// mail clients that fetch pictures ahead, and scanners that follow every link.
type counts struct{ opens, clicks, botOpens, botClicks int }

// add counts an event. Where the provider does not say who it was, it was a person.
func (c *counts) add(e *event.Event) {
	bot := e.Engagement != nil && e.Engagement.Bot != nil && *e.Engagement.Bot
	switch {
	case e.Type == event.Opened && bot:
		c.botOpens++
	case e.Type == event.Opened:
		c.opens++
	case e.Type == event.Clicked && bot:
		c.botClicks++
	case e.Type == event.Clicked:
		c.clicks++
	}
}

// board counts by message, and by tag: the campaign, if that is what tags are used
// for. It is safe for concurrent use.
//
// It adds up, so that a repeat would be wrong: its Handler belongs behind
// consumer.Once. In earnest the numbers are rows of a database, and the ids that Once
// asks for are, too; see examples/postgres.
type board struct {
	mu       sync.Mutex
	messages map[string]*counts
	tags     map[string]*counts
}

func newBoard() *board { return &board{messages: map[string]*counts{}, tags: map[string]*counts{}} }

// handle counts an event, once for its message and once for each of its tags.
func (b *board) handle(_ context.Context, e *event.Event) error {
	if e.Test {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	of(b.messages, e.Key()).add(e)
	for i, tag := range e.Tags {
		if !slices.Contains(e.Tags[:i], tag) { // some providers name a tag twice
			of(b.tags, tag).add(e)
		}
	}
	return nil
}

// of returns the counts of a name, from zero if need be.
func of(all map[string]*counts, name string) *counts {
	if all[name] == nil {
		all[name] = &counts{}
	}
	return all[name]
}

// write writes two tables.
func (b *board) write(w io.Writer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows(t, "TAG", b.tags)
	rows(t, "MESSAGE", b.messages)
	return t.Flush()
}

// rows writes one table; w keeps its errors until it is flushed.
func rows(w *tabwriter.Writer, title string, all map[string]*counts) {
	fmt.Fprintf(w, "%s\topens\tclicks\tbot opens\tbot clicks\n", title)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := all[name]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", name, c.opens, c.clicks, c.botOpens, c.botClicks)
	}
}
