// Command mutants proves that the tests guard what the software promises. Each
// mutant in testdata is one promise broken on purpose: a line of the source
// replaced, and the tests that must notice. It applies them one by one to a copy
// of the tree and fails if one survives.
//
//	go run ./internal/mutants              all of them
//	go run ./internal/mutants -only spool  those whose name contains a word
//
// A mutant that does not compile, or whose line is gone from the source, is an
// error too: it would prove nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	only := flag.String("only", "", "run the mutants whose name contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run tries every mutant and reports each in a line.
func run(ctx context.Context, w io.Writer, only string) error {
	root, err := moduleRoot(".")
	if err != nil {
		return err
	}
	all, err := read(root)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "postrider-mutants-")
	if err != nil {
		return fmt.Errorf("mutants: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a copy in the temporary folder
	if err := copyTree(ctx, root, dir); err != nil {
		return err
	}
	var failed []error
	for _, m := range all {
		if !strings.Contains(m.name, only) {
			continue
		}
		began := time.Now()
		err := m.try(ctx, dir)
		fmt.Fprintf(w, "%-44s %s (%.1f s)\n", m.name, verdict(err), time.Since(began).Seconds())
		if err != nil {
			failed = append(failed, fmt.Errorf("mutant %s: %s: %w", m.name, m.what, err))
		}
	}
	return errors.Join(failed...)
}

func verdict(err error) string {
	switch {
	case err == nil:
		return "caught"
	case errors.Is(err, errSurvived):
		return "SURVIVED"
	}
	return "ERROR"
}
