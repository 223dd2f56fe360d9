package main

import (
	"github.com/spf13/cobra"
)

// tellMisuse gives a command and its subcommands the exit code of a request that
// makes no sense for what is wrong with the command line itself: an unknown flag, a
// value that is no number, two flags that exclude each other, an argument too many.
func tellMisuse(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return misuse(err) })
	for _, each := range append(cmd.Commands(), cmd) {
		if args := each.Args; args != nil {
			each.Args = func(cmd *cobra.Command, given []string) error { return misuse(args(cmd, given)) }
		}
		if before := each.PreRunE; before != nil {
			each.PreRunE = func(cmd *cobra.Command, given []string) error { return misuse(before(cmd, given)) }
		}
	}
}

// misuse is err with its exit code.
func misuse(err error) error {
	if err == nil {
		return nil
	}
	return exitError{err, exitUsage}
}
