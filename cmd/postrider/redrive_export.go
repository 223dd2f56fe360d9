package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/deadletter"
	"github.com/postrider/postrider/internal/replay/archive"
)

// newRedriveExport is `postrider redrive export`.
func newRedriveExport(c *cli) *cobra.Command {
	var f letterFlags
	var file string
	var resolved bool
	cmd := &cobra.Command{
		Use:   "export [PLACE...]",
		Short: "Write dead letters as JSON lines, with all that their records hold",
		Long: `Write dead letters to standard output, or to a new file that only its owner may read:
each as one line of JSON with topic, partition, offset, timestamp, key, headers and
value, in the order in which their requests came. Nothing is lost: the file is one
that ` + "`postrider replay --from-file`" + ` turns back into the records.

The lines hold personal data: requests as they came.`,
		Example: `  postrider redrive export --file dead.jsonl
  postrider redrive export --reason invalid_json | jq -r '.value.body | @base64d'
  postrider redrive export email.deadletter/3/1841`,
		RunE: func(cmd *cobra.Command, places []string) error {
			filter, err := f.filter(c, places)
			if err != nil {
				return err
			}
			return c.withLetters(cmd.Context(), func(l *letters) error { return l.export(cmd.Context(), filter, file, resolved) })
		},
	}
	f.register(c, cmd)
	cmd.Flags().StringVar(&file, "file", "", "write to this file, which must not exist, instead of standard output")
	cmd.Flags().BoolVar(&resolved, "resolved", false, "also those that are resolved")
	return cmd
}

// export writes letters.
func (l *letters) export(ctx context.Context, f deadletter.Filter, file string, resolved bool) error {
	if file == "" {
		_, err := l.write(ctx, f, archive.NewWriter(l.cli.out, false), resolved)
		if errors.Is(err, syscall.EPIPE) {
			return nil
		}
		return err
	}
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the file that the operator names
	if err != nil {
		return err
	}
	n, err := l.write(ctx, f, archive.NewWriter(out, false), resolved)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	fmt.Fprintf(l.cli.errOut, "%s written to %s\n", plural(n, "dead letter"), file)
	return nil
}

// write writes letters to an archive and counts them.
func (l *letters) write(ctx context.Context, f deadletter.Filter, w *archive.Writer, resolved bool) (n int, err error) {
	bar := &letterBar{cli: l.cli}
	defer func() { bar.bar.end() }()
	err = l.scan(f, bar).Each(ctx, func(letter *deadletter.Letter) error {
		if l.journal.How(letter) != "" && !resolved && len(f.Places) == 0 {
			return nil
		}
		n++
		return w.Write(archived(&letter.Message))
	})
	return n, errors.Join(err, w.Flush())
}

// archived is a record as an archive holds it.
func archived(m *broker.Message) *archive.Record {
	return &archive.Record{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time, Key: m.Key, Value: m.Value, Headers: m.Headers,
	}
}
