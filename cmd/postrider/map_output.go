package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// mapReport is everything `postrider map test` has to say.
type mapReport struct {
	Mapping  string       `json:"mapping"`
	Version  int          `json:"version"`
	Requests []mapRequest `json:"requests"`

	Events      int            `json:"events"`
	Unknown     int            `json:"unknown"`
	DeadLetters int            `json:"dead_letters"`
	Skipped     int            `json:"skipped"`
	Unmapped    map[string]int `json:"unmapped"` // members and how many items have them
	Envelope    []string       `json:"envelope"` // members around items, at which nothing looks
}

// mapRequest is what became of one request.
type mapRequest struct {
	Request  string    `json:"request"`
	Items    []mapItem `json:"items"`
	Skipped  int       `json:"skipped,omitempty"`
	Envelope []string  `json:"envelope,omitempty"`
}

// mapItem is an event or a dead letter.
type mapItem struct {
	Index    int             `json:"index"`
	Event    json.RawMessage `json:"event,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Detail   string          `json:"detail,omitempty"`
	Unmapped []string        `json:"unmapped,omitempty"`

	word, typ string
}

// The ways in which a mapping fails.
var (
	errDeadLetters = errors.New("map test: there are dead letters")
	errUnmapped    = errors.New("map test: something is left unmapped, or unknown")
)

// mapTest runs a mapping over requests.
func (c *cli) mapTest(ctx context.Context, f mapFlags, args []string) error {
	t, err := c.trial(f)
	if err != nil {
		return err
	}
	requests, err := c.savedRequests(args, f.kind)
	if err != nil {
		return err
	}
	report := mapReport{
		Mapping: t.name, Version: t.source.Mapper, Unmapped: make(map[string]int),
		Requests: make([]mapRequest, 0, len(requests)), Envelope: []string{},
	}
	for i := range requests {
		if err := report.add(ctx, c, t, &requests[i]); err != nil {
			return fmt.Errorf("map test: %s: %w", requests[i].name, err)
		}
	}
	if err := c.printMapReport(&report); err != nil {
		return err
	}
	switch {
	case report.DeadLetters > 0:
		return errDeadLetters
	case f.strict && len(report.Unmapped)+len(report.Envelope)+report.Unknown > 0:
		return errUnmapped
	}
	return nil
}

// add runs the mapping over one request.
func (m *mapReport) add(ctx context.Context, c *cli, t *trial, r *namedRequest) error {
	if r.request.ReceivedAt.IsZero() {
		r.request.ReceivedAt = c.now()
	}
	open, err := webhook.New(webhook.Config{Type: "none"})
	if err != nil {
		return err //nolint:wrapcheck // the caller names the request
	}
	proven, err := webhook.Verify(open, r.request)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	out, err := normalize.Normalize(ctx, &t.source, proven, r.rawID)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	explained := t.mapping.Explain(proven)
	left := make(map[int][]string)
	for _, e := range explained.Results {
		left[e.Index] = e.Unmapped
	}
	m.count(r.name, out, left, explained.Envelope, explained.Skipped)
	return nil
}

// count adds what became of one request.
func (m *mapReport) count(name string, out normalize.Output, left map[int][]string, envelope []string, skipped int) {
	r := mapRequest{Request: name, Items: []mapItem{}, Skipped: skipped, Envelope: envelope}
	for i := range out.Events {
		e := &out.Events[i].Event
		item := mapItem{Index: out.Events[i].Index, Event: e.AppendJSON(nil), Unmapped: left[out.Events[i].Index], word: e.ProviderType, typ: string(e.Type)}
		r.Items = append(r.Items, item)
		for _, member := range item.Unmapped {
			m.Unmapped[member]++
		}
		if e.Type == event.Unknown {
			m.Unknown++
		}
	}
	for _, d := range out.DeadLetters {
		r.Items = append(r.Items, mapItem{Index: d.Index, Reason: d.Reason, Detail: d.Detail})
	}
	slices.SortStableFunc(r.Items, func(a, b mapItem) int { return a.Index - b.Index })
	m.Requests = append(m.Requests, r)
	m.Events += len(out.Events)
	m.DeadLetters += len(out.DeadLetters)
	m.Skipped += skipped
	for _, member := range envelope {
		if !slices.Contains(m.Envelope, member) {
			m.Envelope = append(m.Envelope, member)
		}
	}
}

// printMapReport prints the requests one by one, and then the sums.
func (c *cli) printMapReport(m *mapReport) error {
	if c.json() {
		return json.NewEncoder(c.out).Encode(m) //nolint:wrapcheck // standard output
	}
	for i := range m.Requests {
		c.printMapRequest(&m.Requests[i])
	}
	fmt.Fprintf(c.out, "%s: %s, %s (%d unknown), %s, %d skipped\n", printable(m.Mapping), plural(len(m.Requests), "request"),
		plural(m.Events, "event"), m.Unknown, plural(m.DeadLetters, "dead letter"), m.Skipped)
	if len(m.Unmapped) > 0 {
		var list []string
		for _, member := range slices.Sorted(maps.Keys(m.Unmapped)) {
			list = append(list, fmt.Sprintf("%s (%d)", printable(member), m.Unmapped[member]))
		}
		fmt.Fprintf(c.out, "%s\n", c.style.warn.apply("unmapped, in the metadata: "+strings.Join(list, ", ")))
	}
	if len(m.Envelope) > 0 {
		fmt.Fprintf(c.out, "%s\n", c.style.warn.apply("around the items, in no event: "+printable(strings.Join(m.Envelope, ", "))))
	}
	return nil
}

// printMapRequest prints what became of one request.
func (c *cli) printMapRequest(r *mapRequest) {
	fmt.Fprintf(c.out, "%s\n", c.style.head.apply(printable(r.Request)))
	if len(r.Items) == 0 {
		fmt.Fprintf(c.out, "nothing to publish\n")
	}
	for _, item := range r.Items {
		if item.Event == nil {
			fmt.Fprintf(c.out, "%s  %s  %s: %s\n", c.style.bad.apply("dead letter"), item.place(), item.Reason, printable(item.Detail))
			continue
		}
		fmt.Fprintf(c.out, "%s is %s\n%s\n", printable(item.word), c.style.good.apply(item.typ), indented(item.Event))
		if len(item.Unmapped) > 0 {
			fmt.Fprintf(c.out, "%s\n", c.style.warn.apply("unmapped: "+printable(strings.Join(item.Unmapped, ", "))))
		}
	}
	fmt.Fprintln(c.out)
}

// place says where a dead letter is from.
func (i *mapItem) place() string {
	if i.Index < 0 {
		return "the whole body"
	}
	return "item " + strconv.Itoa(i.Index)
}
