package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/deadletter"
)

// newRedriveList is `postrider redrive ls`.
func newRedriveList(c *cli) *cobra.Command {
	var f letterFlags
	var each, resolved bool
	cmd := &cobra.Command{
		Use:   "ls [PLACE...]",
		Short: "List the dead letters by reason, stage, provider, source and mapping",
		Long: `Count the dead letters by reason, stage, provider, source and version of the mapping
that gave up. With --each they are listed one by one, in the order in which their
requests came, each with its place, which the other subcommands take.

Letters that were redriven or dismissed are left out unless --resolved. A letter is
redriven when all its events are in their topics; see ` + "`postrider redrive resolve`" + ` for
dismissing one.`,
		Example: `  postrider redrive ls
  postrider redrive ls --each --reason missing_type --from -24h
  postrider redrive ls --resolved --output json`,
		RunE: func(cmd *cobra.Command, places []string) error {
			return c.redriveList(cmd.Context(), f, places, each, resolved)
		},
	}
	f.register(c, cmd)
	registerList(cmd, &each, &resolved)
	return cmd
}

// registerList declares the flags of a list.
func registerList(cmd *cobra.Command, each, resolved *bool) {
	cmd.Flags().BoolVar(each, "each", false, "list letters one by one instead of counting them")
	cmd.Flags().BoolVar(resolved, "resolved", false, "also those that are resolved")
}

// redriveList lists dead letters.
func (c *cli) redriveList(ctx context.Context, f letterFlags, places []string, each, resolved bool) error {
	filter, err := f.filter(c, places)
	if err != nil {
		return err
	}
	return c.withLetters(ctx, func(l *letters) error {
		if each {
			return l.listEach(ctx, filter, resolved)
		}
		return l.listGroups(ctx, filter, resolved)
	})
}

// listGroups prints letters by kind.
func (l *letters) listGroups(ctx context.Context, f deadletter.Filter, resolved bool) error {
	var groups deadletter.Groups
	hidden := 0
	bar := &letterBar{cli: l.cli}
	err := l.scan(f, bar).Each(ctx, func(letter *deadletter.Letter) error {
		if how := l.journal.How(letter); how == "" || resolved {
			groups.Add(letter, how)
		} else {
			hidden++
		}
		return nil
	})
	bar.bar.end()
	if err != nil {
		return err //nolint:wrapcheck // it says who it is
	}
	return l.printGroups(groups.List(), hidden, resolved)
}

// printGroups prints groups, and what they come to.
func (l *letters) printGroups(groups []*deadletter.Group, hidden int, resolved bool) error {
	if l.cli.json() {
		enc := json.NewEncoder(l.cli.out)
		for _, g := range groups {
			if err := enc.Encode(g); err != nil {
				return err //nolint:wrapcheck // standard output
			}
		}
		return nil
	}
	columns := append(kindColumns(), column{title: "OPEN"})
	if resolved {
		columns = append(columns, column{title: "REDRIVEN"}, column{title: "DISMISSED"})
	}
	t := newTable(l.cli, append(columns, column{title: "FIRST", width: 20}, column{title: "LAST", width: 20})...)
	open := 0
	for _, g := range groups {
		open += g.Open
		cells := append(kindCells(&g.Kind), number(g.Open))
		if resolved {
			cells = append(cells, number(g.Redriven), number(g.Dismissed))
		}
		if err := t.row(append(cells, moments(g.First), moments(g.Last))...); err != nil {
			return err
		}
	}
	text := plural(open, "open dead letter")
	if hidden > 0 {
		text += fmt.Sprintf("; %d more %s resolved (--resolved shows them)", hidden, isAre(hidden))
	}
	_, err := fmt.Fprintln(l.cli.out, text)
	return err //nolint:wrapcheck // standard output
}

// kindColumns are the columns of a kind.
func kindColumns() []column {
	return []column{{title: "REASON", width: 17}, {title: "STAGE", width: 9}, {title: "PROVIDER"}, {title: "SOURCE"}, {title: "MAPPER"}}
}

// kindCells are the fields of a kind.
func kindCells(k *deadletter.Kind) []cell {
	return []cell{
		plain(orDash(k.Reason)), plain(orDash(k.Stage)), plain(orDash(k.Provider)), plain(orDash(k.Source)), plain(orDash(mapperText(k.Mapper))),
	}
}

// mapperText is the version of a mapping; "" where it is not known.
func mapperText(version int) string {
	if version == 0 {
		return ""
	}
	return strconv.Itoa(version)
}

// orDash shows what is not known.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// moments is a time to the second.
func moments(t time.Time) cell { return plain(t.UTC().Format(time.RFC3339)) }

// isAre is the verb of a number.
func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// letterLine is one letter of a list as JSON.
type letterLine struct {
	Place string    `json:"place"`
	Time  time.Time `json:"time"`
	deadletter.Kind

	RawID string `json:"raw_id,omitempty"`
	State string `json:"state"` // open, redriven or dismissed
}

// listEach prints letters one by one.
func (l *letters) listEach(ctx context.Context, f deadletter.Filter, resolved bool) error {
	ctx, stop := l.cli.untilUnread(ctx)
	defer stop()
	columns := append([]column{{title: "PLACE", width: 24}, {title: "RECEIVED", width: 20}}, kindColumns()...)
	t := newTable(l.cli, append(columns, column{title: "STATE"})...)
	enc := json.NewEncoder(l.cli.out)
	return l.scan(f, &letterBar{cli: &cli{errOut: l.cli.out}}).Each(ctx, func(letter *deadletter.Letter) error {
		how := l.journal.How(letter)
		if how != "" && !resolved && len(f.Places) == 0 {
			return nil
		}
		kind := deadletter.KindOf(letter)
		var err error
		if l.cli.json() {
			err = enc.Encode(letterLine{Place: letter.Place(), Time: letter.Time.UTC(), Kind: kind, RawID: letter.RawID, State: stateOf(how)})
		} else {
			cells := append([]cell{plain(letter.Place()), moments(letter.Time)}, kindCells(&kind)...)
			err = t.row(append(cells, plain(stateOf(how)))...)
		}
		if errors.Is(err, syscall.EPIPE) {
			return broker.ErrStop
		}
		return err
	})
}
