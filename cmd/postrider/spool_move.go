package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/spool"
)

// spoolMove puts the records of another instance's spool into this machine's.
func (c *cli) spoolMove(cfg *config.Config, dir string, log *zap.Logger) error {
	into := cfg.Spool.Dir
	if same(dir, into) {
		return fmt.Errorf("spool: adopt: %s is this machine's own spool: `postrider serve` publishes it", nearby(dir))
	}
	moved, err := spool.Adopt(spool.Options{
		Dir: dir, MaxBytes: cfg.Spool.MaxBytes, MinFree: cfg.Spool.MinFree, SegmentBytes: cfg.Spool.SegmentBytes, Now: c.now, Log: log,
	}, into)
	if moved == 0 && err != nil {
		return err
	}
	return errors.Join(c.printMoved(dir, into, moved), err)
}

// same reports whether two paths lead to one folder.
func same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// printMoved says what happens next.
func (c *cli) printMoved(dir, into string, moved int) error {
	pid := spool.Owner(into)
	if c.json() {
		return json.NewEncoder(c.out).Encode(map[string]any{ //nolint:wrapcheck // standard output
			"dir": dir, "into": into, "moved": moved, "process": pid,
		})
	}
	next := "the next `postrider serve` publishes them"
	if pid != 0 {
		next = "the receiver publishes them (" + owner(into) + ")"
	}
	fmt.Fprintf(c.out, "%s moved from %s into %s: %s\n", plural(moved, "record"), nearby(dir), nearby(into), next)
	return nil
}
