package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postrider/postrider/internal/trace"
)

// traceOutput tells what a trace found.
type traceOutput struct {
	cli      *cli
	flags    *traceFlags
	res      *trace.Result
	requests map[string]int // numbers in the list of requests, by raw id
	hashed   bool           // a pepper is configured
}

// requestNumbers numbers the requests from 1.
func requestNumbers(res *trace.Result) map[string]int {
	numbers := make(map[string]int, len(res.Requests))
	for i := range res.Requests {
		numbers[res.Requests[i].RawID] = i + 1
	}
	return numbers
}

// traceQueryJSON is what was looked for, as it was typed.
type traceQueryJSON struct {
	MessageID     string `json:"message_id,omitempty"`
	Recipient     string `json:"recipient,omitempty"`
	EventID       string `json:"event_id,omitempty"`
	SMTPMessageID string `json:"smtp_message_id,omitempty"`
	CustomerRef   string `json:"customer_ref,omitempty"`
}

// tell tells the result. The error says that nothing was found.
func (o *traceOutput) tell() error {
	if o.cli.json() {
		f := o.flags
		err := json.NewEncoder(o.cli.out).Encode(struct {
			Query traceQueryJSON `json:"query"`
			*trace.Result
		}{traceQueryJSON{f.message, f.recipient, f.eventID, f.smtpMessageID, f.customer}, o.res})
		if err != nil {
			return err //nolint:wrapcheck // standard output
		}
		return o.verdict()
	}
	for i := range o.res.Stories {
		if err := o.story(&o.res.Stories[i]); err != nil {
			return err
		}
	}
	if err := o.requestTable(); err != nil {
		return err
	}
	if err := o.deadLetterTable(); err != nil {
		return err
	}
	o.notes()
	return o.verdict()
}

// story prints one story: what it is about, the headline, and a row a step.
func (o *traceOutput) story(s *trace.Story) error {
	st := o.cli.style
	say := func(text string) { fmt.Fprintln(o.cli.out, text) }
	about := "message " + s.MessageID
	if s.MessageID == "" {
		about = "no message id"
	}
	if s.Recipient != "" {
		about += " to " + s.Recipient
	} else if s.RecipientHash != "" {
		about += " to " + s.RecipientHash[:min(16, len(s.RecipientHash))] + "…"
	}
	say(st.head.apply(printable(about)) + printable(", "+string(s.Direction)+", "+strings.Join(s.Sources, ", ")))
	if s.Subject != "" {
		say("subject: " + printable(s.Subject))
	}
	say(o.mood(s).apply(printable(s.Headline)) + "; last " + ago(o.cli.now().Sub(s.Last)))
	say("")
	if err := o.steps(s); err != nil {
		return err
	}
	say("")
	return nil
}

// mood is the colour of where a message stands.
func (o *traceOutput) mood(s *trace.Story) paint {
	for i := range s.Steps {
		if s.Steps[i].ID == s.StateEvent {
			return (&tailOutput{cli: o.cli}).mood(&s.Steps[i].Event)
		}
	}
	return o.cli.style.none
}

// steps prints the table of a story's steps.
func (o *traceOutput) steps(s *trace.Story) error {
	titles := []string{"TIME", "AFTER", "LAG", "TYPE", "SOURCE", "RECORD", "REQUEST", "DETAIL"}
	var rows [][]cell
	for i := range s.Steps {
		rows = append(rows, o.step(&s.Steps[i])...)
	}
	if len(s.Sources) == 1 { // the line above names it
		const source = 4
		titles = slices.Delete(titles, source, source+1)
		for i := range rows {
			rows[i] = slices.Delete(rows[i], source, source+1)
		}
	}
	return writeTable(o.cli, titles, rows)
}

// writeTable writes rows that are all there, as wide as they need.
func writeTable(c *cli, titles []string, rows [][]cell) error {
	columns := make([]column, len(titles))
	for i, title := range titles {
		columns[i].title = title
		for _, row := range rows {
			if i < len(row) && i < len(titles)-1 {
				columns[i].width = max(columns[i].width, utf8.RuneCountInString(row[i].text))
			}
		}
	}
	t := newTable(c, columns...)
	for _, row := range rows {
		if err := t.row(row...); err != nil {
			return err
		}
	}
	return nil
}

// step is the row of one step and, with --all, those of its copies.
func (o *traceOutput) step(step *trace.Step) [][]cell {
	e := &step.Event
	dim := o.cli.style.dim
	told := strings.TrimSpace(strings.Join(o.marks(step), " ") + " " + detail(e))
	rows := [][]cell{{
		{stepTime(step), dim},
		plain(millis(step.After)), plain(millis(step.Lag)),
		{string(step.Type), (&tailOutput{cli: o.cli}).mood(e)},
		plain(e.Provider + "/" + e.Source), plain(step.Record.String()), o.request(e.RawID), plain(told),
	}}
	if !o.flags.all {
		return rows
	}
	for i := range step.Copies {
		k := &step.Copies[i]
		rows = append(rows, []cell{
			{"  copy: " + k.Kind, dim},
			plain(""), plain(""), plain(""), plain(""),
			plain(k.Record.String()), o.request(k.RawID), plain(replayText(k.Replay)),
		})
	}
	return rows
}

// stepTime is when a step happened, with the digits its provider sent.
func stepTime(s *trace.Step) string {
	if at := s.Event.OccurredAt; !at.IsZero() {
		return at.String()
	}
	return s.Event.ReceivedAt.String()
}

// request is the number of a request in the list below.
func (o *traceOutput) request(rawID string) cell {
	if n := o.requests[rawID]; n > 0 {
		return plain("#" + strconv.Itoa(n))
	}
	return plain("-")
}

// marks are what is special about a step, before its detail.
func (o *traceOutput) marks(s *trace.Step) []string {
	var marks []string
	mark := func(is bool, text string) {
		if is {
			marks = append(marks, "["+text+"]")
		}
	}
	mark(o.flags.eventID != "" && s.ID == o.flags.eventID, "the one asked for")
	mark(s.Event.OccurredAt.IsZero(), "time received")
	mark(s.Late, "came late")
	mark(s.Conflict, "conflict: its id was known with other content")
	mark(s.Duplicate, "repeat; the first is not there")
	mark(s.Replay != nil, "copy by a replay; the original is not there")
	mark(s.Event.Test, "test")
	mark(s.Event.Engagement != nil && s.Event.Engagement.Bot != nil && *s.Event.Engagement.Bot, "by a machine")
	if n := len(s.Copies); n > 0 && !o.flags.all {
		mark(n == 1, "and 1 copy")
		mark(n > 1, fmt.Sprintf("and %d copies", n))
	}
	return marks
}

// replayText tells of a replay's marks.
func replayText(r *trace.Replay) string {
	if r == nil {
		return ""
	}
	text := "replay " + r.ID + " of " + r.Of
	if r.By != "" {
		text += " by " + r.By
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

// millis is a time between two events: "+1.2s", "+3m2s", "+2d4h".
func millis(ms *int64) string {
	if ms == nil {
		return ""
	}
	d, sign := time.Duration(*ms)*time.Millisecond, "+"
	if d < 0 {
		d, sign = -d, "-"
	}
	const day = 24 * time.Hour
	switch {
	case d >= day:
		return fmt.Sprintf("%s%dd%dh", sign, d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%s%dh%dm", sign, d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%s%dm%ds", sign, d/time.Minute, d%time.Minute/time.Second)
	case d >= time.Second:
		return sign + strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', -1, 64) + "s"
	}
	return sign + strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

// ago is how long ago something was, in words.
func ago(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "in the future, by its provider's clock"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/day)
}
