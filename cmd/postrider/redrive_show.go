package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/deadletter"
	"github.com/postrider/postrider/internal/replay/stored"
)

// newRedriveShow is `postrider redrive show`.
func newRedriveShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "show PLACE",
		Short: "Show one dead letter: the request, why it failed, and what today's mapping makes of it",
		Long: `Show one dead letter whole: why it is one, where its request's raw record is, the
headers and parameters it came with (credentials are never stored), its body, and
what the mapping makes of it now: the events, or why there still is none. Nothing is
published.

A place is written as email.deadletter/3/1841 or email.deadletter[3]@1841;
` + "`postrider redrive ls --each`" + ` lists them. It shows personal data.`,
		Example: `  postrider redrive show email.deadletter/3/1841
  postrider redrive show email.deadletter/3/1841 --output json | jq .attempt`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, places []string) error {
			filter, err := (&letterFlags{from: "beginning", to: "now"}).filter(c, places)
			if err != nil {
				return err
			}
			return c.withLetters(cmd.Context(), func(l *letters) error { return l.show(cmd.Context(), filter) })
		},
	}
}

// letterDoc is all there is to say of one letter.
type letterDoc struct {
	letterLine

	Resolved *deadletter.Mark    `json:"resolved,omitempty"`
	Detail   string              `json:"detail,omitempty"`
	Index    *int                `json:"index,omitempty"`
	Raw      string              `json:"raw_record,omitempty"` // its place; absent: it is not there
	Method   string              `json:"method,omitempty"`
	Query    map[string][]string `json:"query,omitempty"`
	Headers  map[string][]string `json:"headers,omitempty"`
	Body     string              `json:"body"`                  // as text
	Base64   []byte              `json:"body_base64,omitempty"` // if it is none
	Attempt  attemptDoc          `json:"attempt"`
}

// attemptDoc is what today's mapping makes of a letter.
type attemptDoc struct {
	Mapper int               `json:"mapper,omitempty"`
	Events []json.RawMessage `json:"events,omitempty"`
	Dead   []attemptFailure  `json:"dead_letters,omitempty"`
	Error  string            `json:"error,omitempty"` // why it cannot be tried
}

// attemptFailure is an item that still is no event.
type attemptFailure struct {
	Reason string `json:"reason"`
	Stage  string `json:"stage"`
	Detail string `json:"detail"`
	Index  *int   `json:"index,omitempty"`
}

// show shows the only letter of a filter.
func (l *letters) show(ctx context.Context, f deadletter.Filter) error {
	r, err := l.redriver()
	if err != nil {
		return err
	}
	return l.scan(f, &letterBar{cli: l.cli}).Each(ctx, func(letter *deadletter.Letter) error {
		doc, err := l.describe(ctx, r.Letters(l.client, nil), letter)
		if err != nil {
			return err
		}
		if l.cli.json() {
			return json.NewEncoder(l.cli.out).Encode(doc) //nolint:wrapcheck // standard output
		}
		return l.cli.printLetter(doc)
	})
}

// describe gathers what is known of a letter.
func (l *letters) describe(ctx context.Context, ls *app.Letters, letter *deadletter.Letter) (*letterDoc, error) {
	doc := &letterDoc{letterLine: letterLine{
		Place: letter.Place(), Time: letter.Time.UTC(), Kind: deadletter.KindOf(letter), RawID: letter.RawID, State: stateOf(l.journal.How(letter)),
	}}
	var err error
	if doc.Resolved, err = l.journal.Mark(ctx, letter); err != nil {
		return nil, err //nolint:wrapcheck // it says who it is
	}
	opened, err := letter.Open()
	if err != nil {
		doc.Attempt.Error = plainly(err.Error())
		doc.body(letter.Value)
		return doc, nil
	}
	doc.opened(&opened)
	if opened.RawID != "" {
		place, there, err := ls.RawPlace(ctx, letter)
		switch {
		case isUnknownTopic(err):
		case err != nil:
			return nil, err //nolint:wrapcheck // it says who it is
		case there:
			doc.Raw = fmt.Sprintf("%s/%d/%d", place.Topic, place.Partition, place.Offset)
		}
	}
	return doc, doc.attempt(ctx, ls, letter)
}

// isUnknownTopic reports that a topic is not there.
func isUnknownTopic(err error) bool {
	_, ok := errors.AsType[*broker.UnknownTopicError](err)
	return ok
}

// opened takes over what the letter itself says.
func (d *letterDoc) opened(o *stored.Letter) {
	d.Detail, d.Index = o.Detail, itemPlace(o.Index)
	if !o.Event() {
		r := o.Verified.Request()
		d.Query, d.Headers = r.Query, r.Header
	}
	d.body(o.Body)
}

// itemPlace is an item's place; nil for the whole body.
func itemPlace(index int) *int {
	if index < 0 {
		return nil
	}
	return &index
}

// body takes over a body.
func (d *letterDoc) body(b []byte) { d.Body, d.Base64 = textOrBytes(b) }

// attempt takes the letter through today's mapping.
func (d *letterDoc) attempt(ctx context.Context, ls *app.Letters, letter *deadletter.Letter) error {
	a, err := ls.Attempt(ctx, letter)
	if cannot, ok := errors.AsType[*app.UnusableError](err); ok {
		d.Attempt.Error = plainly(cannot.Error())
		return nil
	}
	if err != nil {
		return err //nolint:wrapcheck // it says who it is
	}
	if r := a.Request(); len(r.Body) > 0 { // also what only the raw record has
		d.Method, d.Query, d.Headers = r.Method, r.Query, r.Header
		d.body(r.Body)
	}
	d.Attempt.Mapper = a.Mapper()
	for i := range a.Events {
		d.Attempt.Events = append(d.Attempt.Events, a.Events[i].Event.AppendJSON(nil))
	}
	for i := range a.Dead {
		dead := &a.Dead[i]
		d.Attempt.Dead = append(d.Attempt.Dead, attemptFailure{Reason: dead.Reason, Stage: dead.Stage, Detail: dead.Detail, Index: itemPlace(dead.Index)})
	}
	return nil
}

// printLetter prints a letter for people.
func (c *cli) printLetter(d *letterDoc) error {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-12s %s\n", name, printable(value))
		}
	}
	line("place", d.Place)
	line("received", d.Time.Format("2006-01-02T15:04:05.000Z07:00"))
	line("reason", d.Reason+" ("+d.Stage+")")
	line("detail", d.Detail)
	line("source", d.Source+" ("+d.Provider+", mapping "+orDash(mapperText(d.Mapper))+")")
	if d.Index != nil {
		line("item", fmt.Sprintf("%d of its request", *d.Index))
	}
	line("raw id", d.RawID)
	line("raw record", d.rawText())
	line("state", d.stateText())
	section(&b, "request", pairs(d.Query, "?")+pairs(http.Header(d.Headers), ""))
	section(&b, "body", d.bodyText())
	section(&b, d.attemptTitle(), d.attemptText())
	_, err := fmt.Fprint(c.out, b.String())
	return err //nolint:wrapcheck // standard output
}

// rawText says where the raw record is.
func (d *letterDoc) rawText() string {
	switch {
	case d.Raw == "" && d.RawID != "":
		return "not in the raw topic any more"
	case d.Raw == "":
		return "none: the request was too large to be kept"
	}
	return d.Raw
}

// stateText says whether the letter is resolved, and by whom.
func (d *letterDoc) stateText() string {
	if d.Resolved == nil {
		return d.State
	}
	text := fmt.Sprintf("%s by %s at %s", d.State, d.Resolved.By, d.Resolved.At.UTC().Format("2006-01-02T15:04:05Z07:00"))
	if n := len(d.Resolved.IDs); n > 0 {
		text += ", " + plural(n, "event") + ": " + strings.Join(d.Resolved.IDs[:min(n, 3)], ", ")
	}
	return text
}

// section prints a title and indented lines, if there are any.
func section(b *strings.Builder, title, text string) {
	if text == "" {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintf(b, "  %s\n", printable(strings.ReplaceAll(line, "\t", "    ")))
	}
}

// pairs are names and values, one a line.
func pairs[M ~map[string][]string](m M, before string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		for _, value := range m[name] {
			if before != "" {
				fmt.Fprintf(&b, "%s%s=%s\n", before, url.QueryEscape(name), url.QueryEscape(value))
				continue
			}
			fmt.Fprintf(&b, "%s: %s\n", name, strings.ReplaceAll(value, "\n", " "))
		}
	}
	return b.String()
}

// bodyText is the body for people.
func (d *letterDoc) bodyText() string {
	if d.Base64 != nil {
		return hex.Dump(d.Base64)
	}
	return pretty(d.Body)
}

// pretty indents JSON, and leaves everything else as it is.
func pretty(body string) string {
	if body == "" {
		return "(none)"
	}
	var out bytes.Buffer
	if json.Indent(&out, []byte(body), "", "  ") != nil {
		return body
	}
	return out.String()
}

// attemptTitle names the last section.
func (d *letterDoc) attemptTitle() string {
	if d.Attempt.Mapper == 0 {
		return "now"
	}
	return fmt.Sprintf("now, by mapping %d", d.Attempt.Mapper)
}

// attemptText says what becomes of the letter today.
func (d *letterDoc) attemptText() string {
	var b strings.Builder
	if d.Attempt.Error != "" {
		fmt.Fprintf(&b, "it cannot be tried: %s\n", d.Attempt.Error)
	}
	for _, e := range d.Attempt.Events {
		b.WriteString(pretty(string(e)) + "\n")
	}
	for _, dead := range d.Attempt.Dead {
		fmt.Fprintf(&b, "still no event: %s (%s): %s\n", dead.Reason, dead.Stage, dead.Detail)
	}
	return b.String()
}
