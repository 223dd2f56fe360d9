package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/trace"
)

// requestTable lists the requests that the events came with.
func (o *traceOutput) requestTable() error {
	if len(o.res.Requests) == 0 {
		return nil
	}
	var rows [][]cell
	for i := range o.res.Requests {
		r := &o.res.Requests[i]
		row := []cell{plain("#" + strconv.Itoa(i+1)), plain(r.RawID), {r.ReceivedAt.String(), o.cli.style.dim}}
		if r.Record == nil {
			row = append(row, cell{missingRequest(r.State), o.cli.style.warn})
		} else {
			row = append(row, plain(r.Record.String()), number(r.Events), number(r.DeadLetters), number(r.Repeats), plain(r.Auth))
		}
		rows = append(rows, row)
	}
	err := writeTable(o.cli, []string{"REQUEST", "ID", "RECEIVED", "RECORD", "EVENTS", "DEAD LETTERS", "REPEATS", "PROVEN BY"}, rows)
	fmt.Fprintln(o.cli.out)
	return err
}

// missingRequest says why a request has no record.
func missingRequest(state string) string {
	switch state {
	case trace.RequestExpired:
		return "deleted by retention"
	case trace.RequestNotLooked:
		return "not looked for"
	}
	return "not near its time (--scan looks further)"
}

// deadLetterTable lists the dead letters.
func (o *traceOutput) deadLetterTable() error {
	if len(o.res.DeadLetters) == 0 {
		return nil
	}
	var rows [][]cell
	for i := range o.res.DeadLetters {
		d := &o.res.DeadLetters[i]
		why := "of the same request"
		if d.Why == trace.DeadNames {
			why = "its body names it"
		}
		rows = append(rows, []cell{
			plain(d.Record.String()),
			{d.Time.UTC().Format(time.RFC3339), o.cli.style.dim},
			plain(d.Source), o.request(d.RawID),
			{d.Reason, o.cli.style.bad},
			plain(why + "; at " + d.Stage + ": " + d.Detail),
		})
	}
	err := writeTable(o.cli, []string{"DEAD LETTER", "TIME", "SOURCE", "REQUEST", "REASON", "DETAIL"}, rows)
	fmt.Fprintln(o.cli.out)
	return err
}

// notes says what the tables do not.
func (o *traceOutput) notes() {
	s := &o.res.Searched
	for _, topic := range s.Missing {
		o.cli.note("topic %s does not exist", topic)
	}
	for _, g := range gapsByTopic(s.Gaps) {
		o.cli.note("%s", g)
	}
	if s.Omitted > 0 {
		o.cli.note("%s more matched, the earliest, and are not told; narrow the window with --from and --to", plural(s.Omitted, "record"))
	}
	if s.RequestsOmitted > 0 {
		o.cli.note("the records of the %s before the latest were not looked for", plural(s.RequestsOmitted, "request"))
	}
	for _, u := range o.res.Unreadable {
		o.cli.note("%s: %s", u.Record, u.Problem)
	}
}

// gapsByTopic tells of gaps, one line a topic. Gaps are in the order of topics.
func gapsByTopic(gaps []trace.Gap) []string {
	var lines []string
	for len(gaps) > 0 {
		topic, until, n := gaps[0].Topic, time.Time{}, int64(0)
		var places []string
		for len(gaps) > 0 && gaps[0].Topic == topic {
			g := gaps[0]
			gaps = gaps[1:]
			n += g.To - g.From
			places = append(places, fmt.Sprintf("[%d]@%d-%d", g.Partition, g.From, g.To-1))
			if g.Until.After(until) {
				until = g.Until
			}
		}
		line := fmt.Sprintf("%s: %s deleted by retention may have been of the window: %s", topic, plural(int(n), "record"), strings.Join(places, " "))
		if !until.IsZero() {
			line += "; what is left begins at " + until.UTC().Format(time.RFC3339)
		}
		lines = append(lines, line)
	}
	return lines
}

// verdict is the error of a trace that found nothing.
func (o *traceOutput) verdict() error {
	if !o.res.Empty() {
		return nil
	}
	s := &o.res.Searched
	window := "up to now"
	if !s.From.IsZero() {
		window = "since " + s.From.UTC().Format(time.RFC3339)
	}
	if o.flags.to != "now" {
		window = strings.TrimSuffix(window, "up to now") + " and before " + s.To.UTC().Format(time.RFC3339)
	}
	text := fmt.Sprintf("trace: nothing found of %s %s: read %s in %s of %s", o.flags.wanted(), window,
		plural(int(s.Records), "record"), plural(s.Partitions, "partition"), plural(s.Topics, "topic"))
	if o.flags.recipient == "" && len(s.Keys) > 0 {
		text += " for the keys " + strings.Join(s.Keys, ", ")
	}
	return errors.New(text + ". Try " + strings.Join(o.hints(), ", or "))
}

// wanted names what was looked for; not the recipient, since errors are kept.
func (f *traceFlags) wanted() string {
	switch {
	case f.message != "" && f.recipient != "":
		return "the message " + strconv.Quote(f.message) + " to that recipient"
	case f.message != "":
		return "the message " + strconv.Quote(f.message)
	case f.eventID != "":
		return "the event " + strconv.Quote(f.eventID)
	case f.smtpMessageID != "":
		return "the Message-ID " + strconv.Quote(f.smtpMessageID)
	case f.customer != "":
		return "the reference " + strconv.Quote(f.customer)
	}
	return "that recipient"
}

// hints are what to try where nothing was found.
func (o *traceOutput) hints() []string {
	var hints []string
	if !o.res.Searched.Scan {
		hints = append(hints, "--scan (every partition, and the dead letters)")
	}
	if !o.res.Searched.From.IsZero() {
		hints = append(hints, "--from beginning")
	}
	switch {
	case o.flags.message != "" && o.flags.recipient != "":
		hints = append(hints, "it without --recipient")
	case o.flags.recipient != "" && o.hashed:
		hints = append(hints, "the address in the letter case in which it was sent, which its hash depends on")
	case o.flags.message != "":
		hints = append(hints, "--event-id if it is an event's id")
	}
	return append(hints, "`postrider tail --dead --no-follow` for what could not become an event")
}
