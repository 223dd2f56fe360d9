package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/replay"
)

// clockMillis is how times of records are printed.
const clockMillis = "2006-01-02T15:04:05.000Z"

// printPlan prints a plan. As JSON it is what --plan reads.
func (c *cli) printPlan(plan *replay.Plan) error {
	if c.json() {
		return json.NewEncoder(c.out).Encode(plan) //nolint:wrapcheck // standard output
	}
	if err := c.planRanges(plan); err != nil {
		return err
	}
	fmt.Fprintln(c.out)
	fmt.Fprintf(c.out, "%s of %s to %s\n", matching(plan), plural(int(plan.Records), "record"), targetText(&plan.Request))
	if !plan.First.IsZero() {
		fmt.Fprintf(c.out, "from %s to %s\n", plan.First.UTC().Format(clockMillis), plan.Last.UTC().Format(clockMillis))
	}
	fmt.Fprintln(c.out, takes(plan.Takes))
	if !plan.Exact {
		fmt.Fprintf(c.out, "estimated from %s; --count counts\n", plural(int(plan.Looked), "record"))
	}
	if err := c.planSamples(plan.Samples); err != nil {
		return err
	}
	if err := c.planDiff(plan.Diff); err != nil {
		return err
	}
	c.printGaps(c.out, plan.Gaps, 0)
	for _, n := range plan.Notes {
		fmt.Fprintf(c.out, "%s %s\n", c.style.warn.apply("note:"), printable(n))
	}
	fmt.Fprintln(c.out, "nothing was written; to do it, add --execute")
	return nil
}

// planRanges prints a row a partition, and their sum.
func (c *cli) planRanges(plan *replay.Plan) error {
	name := column{title: "TOPIC", width: 5}
	for _, r := range plan.Ranges {
		name.width = max(name.width, len(rangeName(&plan.Request, r.Topic)))
	}
	if len(plan.Ranges) == 0 {
		fmt.Fprintln(c.out, "no partition holds records of these times and offsets")
		return nil
	}
	t := newTable(c, name, column{title: "PARTITION"}, column{title: "FROM", width: 8}, column{title: "TO", width: 8},
		column{title: "RECORDS"}, column{title: "MATCHING"})
	for _, r := range plan.Ranges {
		if err := t.row(plain(rangeName(&plan.Request, r.Topic)), number(r.Partition), number(r.From), number(r.To), number(r.To-r.From), plain(about(plan)+strconv.FormatInt(r.Matching, 10))); err != nil {
			return err
		}
	}
	return t.row(plain("all"), plain(""), plain(""), plain(""), number(plan.Records), plain(matching(plan)))
}

// rangeName is what a range is of: a topic, or a file.
func rangeName(req *replay.Request, topic string) string { return cmp.Or(topic, req.FromFile) }

// about is the sign of an estimate.
func about(plan *replay.Plan) string {
	if plan.Exact {
		return ""
	}
	return "~"
}

// matching is how many records a plan has.
func matching(plan *replay.Plan) string { return about(plan) + strconv.FormatInt(plan.Matching, 10) }

// copies is "1 copy", "2 copies".
func copies(n int64) string {
	if n == 1 {
		return "1 copy"
	}
	return strconv.FormatInt(n, 10) + " copies"
}

// planSamples prints the sample.
func (c *cli) planSamples(samples []replay.Sample) error {
	if len(samples) == 0 {
		return nil
	}
	fmt.Fprintln(c.out)
	t := newTable(c, column{title: "SAMPLE", width: 24}, column{title: "TIME", width: len(clockMillis)}, column{title: "SOURCE", width: 8},
		column{title: "TYPE", width: 9}, column{title: "ID", width: 32}, column{title: "KEY"})
	for i := range samples {
		s := &samples[i]
		place := fmt.Sprintf("%s[%d]@%d", s.Topic, s.Partition, s.Offset)
		if err := t.row(plain(place), cell{s.Time.UTC().Format(clockMillis), c.style.dim}, plain(s.Source), plain(shortType(s.Type)), plain(s.ID), plain(s.Key)); err != nil {
			return err
		}
	}
	fmt.Fprintln(c.out)
	return nil
}

// shortType is the word for the type in a ce_type header.
func shortType(ceType string) string {
	return strings.TrimSuffix(strings.TrimPrefix(ceType, "email."), ".v1")
}

// planDiff prints what a renormalization would change.
func (c *cli) planDiff(d *replay.Diff) error {
	if d == nil {
		return nil
	}
	sign := "~"
	if d.Exact {
		sign = ""
	}
	fmt.Fprintf(c.out, "%s%s become %s: %d equal, %d changed, %d new, %d gone; dead letters: %d, rescued: %d\n", sign,
		plural(int(d.Requests), "request"), plural(int(d.Events), "event"), d.Equal, d.Changed, d.New, d.Gone, d.DeadLetters, d.Rescued)
	c.planDiffLacks(d)
	if len(d.Types) == 0 {
		return nil
	}
	t := newTable(c, column{title: "TYPE", width: 12}, column{title: "CHANGED"}, column{title: "NEW"}, column{title: "GONE"},
		column{title: "FIELD", width: 16}, column{title: "EVENTS"}, column{title: "OLD", width: 16}, column{title: "NOW", width: 16}, column{title: "IN"})
	for i := range d.Types {
		if err := diffRows(t, &d.Types[i]); err != nil {
			return err
		}
	}
	return nil
}

// planDiffLacks prints what a report of differences says nothing about.
func (c *cli) planDiffLacks(d *replay.Diff) {
	if d.Failed > 0 {
		fmt.Fprintf(c.out, "%s cannot be taken through the mapping: a run stops there, or counts with --go-on\n", plural(int(d.Failed), "request"))
	}
	if d.NotCompared > 0 {
		fmt.Fprintf(c.out, "%s not compared: too many others waited for what is published of them\n", plural(int(d.NotCompared), "event"))
	}
}

// diffRows prints one type's changes.
func diffRows(t *table, d *replay.TypeDiff) error {
	head := []cell{plain(d.Type), number(d.Changed), number(d.New), number(d.Gone)}
	if len(d.Fields) == 0 {
		return t.row(head...)
	}
	for i := range d.Fields {
		f := &d.Fields[i]
		if err := t.row(append(head, plain(f.Field), number(f.Count), plain(cmp.Or(f.Old, "-")), plain(cmp.Or(f.New, "-")), plain(f.ID))...); err != nil {
			return err
		}
		head = []cell{plain(""), plain(""), plain(""), plain("")}
	}
	return nil
}

// origin is what was asked to be read, as it was asked for: a file, names and
// patterns of topics, or the topics of events, which are read where none is named.
func origin(req *replay.Request, events []string) string {
	switch {
	case req.FromFile != "":
		return req.FromFile
	case slices.Equal(req.Select.Topics, events):
		return "all topics of events"
	}
	return strings.Join(req.Select.Topics, ",")
}

// targetText names where to, for people.
func targetText(req *replay.Request) string {
	to := &req.To
	switch to.Kind {
	case replay.ToTopic:
		if to.Topic == "" {
			return "the original topics"
		}
		return "topic " + to.Topic
	case replay.ToHTTP:
		return cmp.Or(to.Name, to.URL)
	case replay.ToFile:
		return "file " + to.File
	case replay.ToStdout:
		return "standard output"
	case replay.ToRenormalize:
		return "the typed topics, by the mapping of now"
	}
	return to.Kind
}

// takes says how long a plan will take. Below a second an estimate is a guess.
func takes(d time.Duration) string {
	if d < time.Second {
		return "takes less than a second"
	}
	return "takes about " + spell(d)
}

// spell is a duration as people write it, to two digits or so.
func spell(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
