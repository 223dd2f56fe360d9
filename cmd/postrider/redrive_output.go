package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// print tells what there is and what was, or would be, done.
func (r *redrive) print(executed bool) error {
	if r.damaged > 0 {
		r.cli.note("%s of the quarantine cannot be read and %s left out", plural(r.damaged, "line"), wasWere(r.damaged))
	}
	if r.cli.json() {
		return r.printJSON()
	}
	if len(r.rows) == 0 {
		_, err := fmt.Fprintln(r.cli.out, "the quarantine holds nothing of that selection")
		return err //nolint:wrapcheck // standard output
	}
	t := newTable(r.cli, column{title: "SOURCE"}, column{title: "REQUESTS"}, column{title: "REDRIVEN"}, column{title: "HOLD NOW"},
		column{title: "STILL REFUSED"}, column{title: "FROM", width: 20}, column{title: "TO", width: 20})
	for _, row := range r.rows {
		if err := t.row(row.cells(r.cli.style)...); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(r.cli.out, r.summary(executed))
	return err //nolint:wrapcheck // standard output
}

// wasWere is the verb of a number.
func wasWere(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// printJSON writes one object a source.
func (r *redrive) printJSON() error {
	enc := json.NewEncoder(r.cli.out)
	for _, row := range r.rows {
		if err := enc.Encode(row); err != nil {
			return err //nolint:wrapcheck // standard output
		}
	}
	return nil
}

// cells are the row's fields.
func (row *redriveRow) cells(st style) []cell {
	var refused []string
	for _, reason := range slices.Sorted(maps.Keys(row.Failing)) {
		refused = append(refused, strconv.Itoa(row.Failing[reason])+" "+reason)
	}
	if refused == nil {
		refused = []string{"0"}
	}
	holding := number(row.Provable)
	if row.Provable > 0 {
		holding.paint = st.good
	}
	return []cell{
		plain(row.Source), number(row.Requests), number(row.Redriven), holding, plain(strings.Join(refused, ", ")),
		plain(row.From.UTC().Format(time.RFC3339)), plain(row.To.UTC().Format(time.RFC3339)),
	}
}

// summary is the last line.
func (r *redrive) summary(executed bool) string {
	switch {
	case executed:
		text := fmt.Sprintf("%d of %s published", r.total.Published, plural(r.total.Provable, "request"))
		if r.total.Known > 0 {
			text += fmt.Sprintf(", %d left out: sent again by the provider since, and published", r.total.Known)
		}
		return text
	case r.total.Provable == 0:
		return "nothing to redrive"
	}
	return plural(r.total.Provable, "request") + " would be published; to do it, add --execute"
}
