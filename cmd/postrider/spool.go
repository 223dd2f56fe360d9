package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/spool"
)

// newSpool is `postrider spool` with its subcommands.
func newSpool(c *cli) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "spool",
		Short: "Show what waits on this machine's disk for Kafka, take it elsewhere, try it again",
		Long: `The spool is the folder (spool.dir) in which accepted events wait while Kafka does
not take them. The receiver publishes them by itself, in order, as soon as it does;
these commands are for looking, and for when the receiver is gone or Kafka refuses
records for what they are.`,
		Example: `  postrider spool ls
  postrider spool export > spool.jsonl
  postrider spool requeue --all
  postrider spool adopt /mnt/other-instance/spool`,
	}
	group(cmd)
	subs := []*cobra.Command{newSpoolList(c, &dir), newSpoolExport(c, &dir), newSpoolRequeue(c, &dir)}
	for _, sub := range subs {
		sub.Flags().StringVar(&dir, "dir", "", "folder of the spool (default: spool.dir)")
		_ = sub.MarkFlagDirname("dir")
	}
	cmd.AddCommand(subs...)
	cmd.AddCommand(newSpoolAdopt(c))
	return cmd
}

// spoolDir is the folder that is meant, which has to be there.
func (c *cli) spoolDir(flag string) (string, error) {
	if flag == "" {
		cfg, err := c.load()
		if err != nil {
			return "", err
		}
		flag = cfg.Spool.Dir
	}
	info, err := os.Stat(flag)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("spool: there is no folder %s: nothing was ever spooled there (spool.dir, or --dir, names another one)", flag)
	case err != nil:
		return "", fmt.Errorf("spool: %w", err)
	case !info.IsDir():
		return "", fmt.Errorf("spool: %s is no folder", flag)
	}
	return flag, nil
}

// owner says who uses a spool.
func owner(dir string) string {
	switch pid := spool.Owner(dir); {
	case pid > 0:
		return fmt.Sprintf("process %d uses it", pid)
	case pid < 0:
		return "a process uses it"
	}
	return "no process uses it"
}
