package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/postrider/postrider/internal/audit"
)

// mostListed is how many findings of a kind a person is shown.
const mostListed = 20

// auditOutcome is what an audit found, and what the local spool holds.
type auditOutcome struct {
	*audit.Report

	Spool *auditSpooled `json:"spool,omitempty"`
}

// printAudit prints what was found. The error says what is missing.
func (c *cli) printAudit(o *auditOutcome) error {
	r := o.Report
	if c.json() {
		if err := json.NewEncoder(c.out).Encode(o); err != nil {
			return err //nolint:wrapcheck // standard output
		}
		return auditVerdict(r)
	}
	if err := c.auditTable(r); err != nil {
		return err
	}
	if err := c.auditFindings(r); err != nil {
		return err
	}
	c.auditNotes(o)
	return auditVerdict(r)
}

// auditVerdict is the command's error: nil if nothing is missing.
func auditVerdict(r *audit.Report) error {
	if r.Missing() == 0 {
		return nil
	}
	return fmt.Errorf("audit: %s incomplete, %s whose raw record is missing", are(r.Total.Incomplete, "request"), plural(r.Total.Orphaned, "request"))
}

// are is "1 request is", "2 requests are".
func are(n int, noun string) string {
	if n == 1 {
		return plural(n, noun) + " is"
	}
	return plural(n, noun) + " are"
}

// auditTable prints a row for each source, and their sum where there are several.
func (c *cli) auditTable(r *audit.Report) error {
	rows := r.Sources
	if len(rows) != 1 {
		rows = append(slices.Clip(rows), r.Total)
	}
	name := column{title: "SOURCE"}
	for i := range rows {
		name.width = max(name.width, len(rows[i].Name))
	}
	columns := []column{name}
	for _, title := range []string{"REQUESTS", "EVENTS", "DEAD LETTERS", "REPEATS", "DUPLICATES", "CONFLICTS", "INCOMPLETE", "ORPHANED"} {
		columns = append(columns, column{title: title})
	}
	t := newTable(c, columns...)
	for i := range rows {
		if err := t.row(auditCells(&rows[i], c.style)...); err != nil {
			return err
		}
	}
	return nil
}

// auditCells are the fields of one source.
func auditCells(s *audit.Source, st style) []cell {
	bad := func(n int) cell {
		if n == 0 {
			return number(n)
		}
		return cell{strconv.Itoa(n), st.bad}
	}
	duplicates := number(s.Duplicates)
	if s.Duplicates > 0 {
		duplicates.paint = st.warn
	}
	return []cell{
		plain(s.Name), number(s.Requests), number(s.Events), number(s.DeadLetters), number(s.Repeats),
		duplicates, number(s.Conflicts), bad(s.Incomplete), bad(s.Orphaned),
	}
}

// auditFindings lists the findings.
func (c *cli) auditFindings(r *audit.Report) error {
	if len(r.Findings) == 0 {
		return nil
	}
	fmt.Fprintln(c.out)
	t := newTable(c, column{title: "FINDING", width: len(audit.Incomplete)}, column{title: "SOURCE", width: 8},
		column{title: "REQUEST", width: 36}, column{title: "RECORD", width: 20}, column{title: "DETAIL"})
	listed := map[string]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		if listed[f.Kind]++; listed[f.Kind] > mostListed {
			continue
		}
		if err := t.row(cell{f.Kind, c.findingPaint(f)}, plain(f.Source), plain(f.RawID), plain(f.Place), plain(f.Detail)); err != nil {
			return err
		}
	}
	for kind, n := range listed {
		if more := max(n-mostListed, 0) + r.Omitted[kind]; more > 0 {
			fmt.Fprintf(c.out, "and %d more: %s (--output json lists up to 1000)\n", more, kind)
		}
	}
	return nil
}

// findingPaint is red for what is missing.
func (c *cli) findingPaint(f *audit.Finding) paint {
	if f.Kind == audit.Incomplete || f.Kind == audit.Orphaned {
		return c.style.bad
	}
	return c.style.warn
}

// auditNotes says what the table does not.
func (c *cli) auditNotes(o *auditOutcome) {
	r := o.Report
	fmt.Fprintln(c.out)
	if spooled := o.Spool.note(); spooled != "" {
		fmt.Fprintln(c.out, spooled)
	}
	say := func(n int, noun, what string) {
		if n > 0 {
			fmt.Fprintf(c.out, "%s %s\n", plural(n, noun), what)
		}
	}
	t := &r.Total
	say(t.Explained, "request", "explained: cut short, and whole in the provider's retry")
	say(t.Spooled, "request", "with records in the spool: not missing, and published when Kafka takes them")
	say(t.InProgress, "request", "in progress when the audit began: not judged")
	say(t.Uncheckable, "request", "not checkable: of a version that did not count, or old enough for retention")
	say(t.WithoutRaw, "event", "of requests too large for a raw copy: nothing to check them against")
	say(r.Unreadable, "record", "unreadable")
	window := "received before " + r.To.UTC().Format(time.RFC3339)
	if !r.From.IsZero() {
		window = fmt.Sprintf("received from %s to %s", r.From.UTC().Format(time.RFC3339), r.To.UTC().Format(time.RFC3339))
	}
	if r.Missing() == 0 {
		fmt.Fprintf(c.out, "%s %s: nothing is missing\n", plural(t.Requests, "request"), window)
		return
	}
	fmt.Fprintf(c.out, "%s %s: %s. What a crash cut short before it was answered looks like that until its provider sends it again; "+
		"what lies in another instance's spool does, too (`postrider spool ls` there)\n",
		plural(t.Requests, "request"), window, c.style.bad.apply(fmt.Sprintf("%d lack something", r.Missing())))
}
