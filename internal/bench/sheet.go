package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// sheet is a report for people: lines, a table whose first row is its head, lines.
type sheet struct {
	heading []string // "name: value"
	table   [][]string
	remarks []string
}

// writeSheet prints a report in one of the three forms; whole is all of it, for JSON.
func writeSheet(w io.Writer, form string, whole any, s sheet) error {
	var err error
	switch form {
	case outputJSON:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		err = e.Encode(whole)
	case outputMarkdown:
		_, err = io.WriteString(w, s.markdown())
	default:
		_, err = io.WriteString(w, s.text())
	}
	if err != nil {
		return fmt.Errorf("bench: write report: %w", err)
	}
	return nil
}

// text is for a terminal.
func (s sheet) text() string {
	var b strings.Builder
	fmt.Fprintln(&b, strings.Join(s.heading, "\n")+"\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, cells := range s.table {
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	_ = t.Flush() // a strings.Builder takes everything
	fmt.Fprintln(&b, "\n"+strings.Join(s.remarks, "\n"))
	return b.String()
}

// markdown is for a document.
func (s sheet) markdown() string {
	var b strings.Builder
	for _, line := range s.heading {
		key, value, _ := strings.Cut(line, ": ")
		fmt.Fprintf(&b, "- %s: `%s`\n", key, value)
	}
	fmt.Fprintln(&b)
	for i, cells := range s.table {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|%s\n", strings.Repeat("---|", len(cells)))
		}
	}
	fmt.Fprintln(&b)
	for _, line := range s.remarks {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	return b.String()
}

// sentence says whether a goal was reached, and by how much.
func (m mark) sentence(got string) string {
	verdict := "missed"
	if m.Reached {
		verdict = "reached"
	}
	return fmt.Sprintf("mark %s: %s: %s", verdict, m.Goal, got)
}
