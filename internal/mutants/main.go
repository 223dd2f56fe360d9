// Command mutants proves that the tests guard what the software promises. Each
// mutant in testdata is one promise broken on purpose: a line of the source
// replaced, and the tests that must notice. It applies them one by one to a copy
// of the tree and fails if one survives.
//
//	go run ./internal/mutants              all of them
//	go run ./internal/mutants -core        the few that stand for the main promises
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
	core := flag.Bool("core", false, "run only the few that stand for the main promises")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, func(m *mutant) bool { return strings.Contains(m.name, *only) && (m.core || !*core) })
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run tries the mutants that are wanted and reports each in a line.
func run(ctx context.Context, w io.Writer, wanted func(*mutant) bool) error {
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
	tried := 0
	for i := range all {
		m := &all[i]
		if !wanted(m) {
			continue
		}
		tried++
		began := time.Now()
		err := m.try(ctx, dir)
		fmt.Fprintf(w, "%-44s %s (%.1f s)\n", m.name, verdict(err), time.Since(began).Seconds())
		if err != nil {
			failed = append(failed, fmt.Errorf("mutant %s: %s: %w", m.name, m.what, err))
		}
	}
	if tried == 0 {
		return errors.New("mutants: none has such a name")
	}
	fmt.Fprintf(w, "%d mutants, %d caught\n", tried, tried-len(failed))
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
