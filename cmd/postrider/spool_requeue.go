package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/spool"
)

// newSpoolRequeue is `postrider spool requeue`.
func newSpoolRequeue(c *cli, dir *string) *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use:   "requeue [SEQ...]",
		Short: "Put records that Kafka refused back in line",
		Long: `Put records that Kafka refused for what they are, such as ones over its topic's
limit, back in line after the cause is gone: those with the given numbers, as
` + "`postrider spool ls`" + ` shows them, or --all. A running receiver takes them within
seconds, else the next one at its start. They go behind everything that waits.`,
		Example: `  postrider spool requeue --all
  postrider spool requeue 1841 1842`,
		RunE: func(_ *cobra.Command, args []string) error { return c.spoolRequeue(*dir, args, all) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return c.deadSeqs(*dir), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every record that was set aside")
	return cmd
}

// spoolRequeue moves records.
func (c *cli) spoolRequeue(flag string, args []string, all bool) error {
	if all == (len(args) > 0) {
		return errors.New("spool: requeue: name records by their numbers (`postrider spool ls` shows them), or give --all")
	}
	dir, err := c.spoolDir(flag)
	if err != nil {
		return err
	}
	there, damaged, err := dead(dir)
	if err != nil {
		return err
	}
	seqs := there
	if !all {
		if seqs, err = chosenSeqs(args, there); err != nil {
			return err
		}
	}
	moved, err := spool.Requeue(dir, seqs...)
	return errors.Join(c.printRequeued(dir, moved, damaged), err)
}

// dead lists the numbers of the records that were set aside, and counts those
// that cannot be read.
func dead(dir string) (seqs []uint64, damaged int, err error) {
	for item, err := range spool.Dead(dir) {
		switch {
		case err == nil:
			seqs = append(seqs, item.Seq)
		case errors.Is(err, spool.ErrDamaged):
			damaged++
		default:
			return nil, damaged, err
		}
	}
	return seqs, damaged, nil
}

// chosenSeqs reads numbers, which have to be there.
func chosenSeqs(args []string, there []uint64) ([]uint64, error) {
	var seqs []uint64
	for _, arg := range args {
		seq, err := strconv.ParseUint(arg, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("spool: requeue: %q is no number of a record", arg)
		}
		if !slices.Contains(there, seq) {
			return nil, fmt.Errorf("spool: requeue: no record %d was set aside: `postrider spool ls` shows which there are", seq)
		}
		if !slices.Contains(seqs, seq) {
			seqs = append(seqs, seq)
		}
	}
	return seqs, nil
}

// deadSeqs are the numbers for completion.
func (c *cli) deadSeqs(flag string) []string {
	dir, err := c.spoolDir(flag)
	if err != nil {
		return nil
	}
	seqs, _, _ := dead(dir) // without them there is nothing to complete
	words := make([]string, len(seqs))
	for i, seq := range seqs {
		words[i] = strconv.FormatUint(seq, 10)
	}
	return words
}

// printRequeued says what happens next.
func (c *cli) printRequeued(dir string, moved, damaged int) error {
	pid := spool.Owner(dir)
	if c.json() {
		return json.NewEncoder(c.out).Encode(map[string]any{ //nolint:wrapcheck // standard output
			"dir": dir, "requeued": moved, "damaged": damaged, "process": pid,
		})
	}
	if damaged > 0 {
		c.note("%s set aside cannot be read; see `postrider spool ls`", plural(damaged, "record"))
	}
	switch {
	case moved == 0:
		fmt.Fprintln(c.out, "nothing was put back in line")
	case pid != 0:
		fmt.Fprintf(c.out, "%s put back in line: the receiver takes them within seconds (%s)\n", plural(moved, "record"), owner(dir))
	default:
		fmt.Fprintf(c.out, "%s put back in line: the next `postrider serve`, or `postrider spool adopt %s`, takes them\n", plural(moved, "record"), nearby(dir))
	}
	return nil
}
