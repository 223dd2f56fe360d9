package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool"
)

// newSpoolExport is `postrider spool export`.
func newSpoolExport(c *cli, dir *string) *cobra.Command {
	var dead, all bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the spool's records as JSON lines",
		Long: `Write the records that wait in the spool to standard output, in order, each as one
line of JSON with its topic, key, headers, time and value (base64): all that is
needed to publish it by other means. --dead writes those that Kafka refused for what
they are instead, with the cause, and --all both. It changes nothing and works while
the receiver runs. Damaged parts are passed over and named on standard error; the
exit code is 1 then.

The lines hold personal data: the records as they are.`,
		Example: `  postrider spool export > spool.jsonl
  postrider spool export --dead | jq -r '.topic, .cause, (.value | @base64d)'
  postrider spool export --all --dir /mnt/other-instance/spool > spool.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.spoolExport(*dir, dead, all) },
	}
	cmd.Flags().BoolVar(&dead, "dead", false, "only the records that Kafka refused for what they are")
	cmd.Flags().BoolVar(&all, "all", false, "these and those that wait")
	exclusive(cmd, "dead", "all")
	return cmd
}

// spoolLine is one record of an export.
type spoolLine struct {
	Seq       uint64        `json:"seq"`
	Cause     string        `json:"cause,omitempty"`    // why Kafka refused it; absent: it waits
	Requeued  string        `json:"requeued,omitempty"` // the file it is still to be taken in from
	StoredAt  time.Time     `json:"stored_at"`
	Topic     string        `json:"topic"`
	Key       string        `json:"key,omitempty"`
	KeyBase64 []byte        `json:"key_base64,omitempty"` // if it is not UTF-8
	Headers   []spoolHeader `json:"headers"`
	Time      time.Time     `json:"time"`
	Value     []byte        `json:"value"` // base64 (RFC 4648 section 4); null for none
}

// spoolHeader is one header of a record.
type spoolHeader struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Base64 []byte `json:"value_base64,omitempty"` // if it is not UTF-8
}

// spoolExport writes records.
func (c *cli) spoolExport(flag string, dead, all bool) error {
	dir, err := c.spoolDir(flag)
	if err != nil {
		return err
	}
	var from []iter.Seq2[spool.Item, error]
	if !dead {
		from = append(from, spool.Read(dir), spool.Requeued(dir))
	}
	if dead || all {
		from = append(from, spool.Dead(dir))
	}
	damaged := 0
	out := json.NewEncoder(c.out)
	for _, items := range from {
		n, err := c.exportItems(items, out)
		if damaged += n; errors.Is(err, syscall.EPIPE) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	if damaged > 0 {
		return fmt.Errorf("spool: %s could not be read", plural(damaged, "part"))
	}
	return nil
}

// exportItems writes records one by one and counts what is damaged.
func (c *cli) exportItems(items iter.Seq2[spool.Item, error], out *json.Encoder) (damaged int, err error) {
	for item, err := range items {
		switch {
		case err == nil:
			err = out.Encode(exported(&item))
		case errors.Is(err, spool.ErrDamaged):
			damaged++
			c.note("%s", plainly(err.Error()))
			err = nil
		}
		if err != nil {
			return damaged, err
		}
	}
	return damaged, nil
}

// exported is a record as it is exported.
func exported(item *spool.Item) spoolLine {
	r := &item.Record
	l := spoolLine{
		Seq: item.Seq, Cause: item.Cause, StoredAt: item.StoredAt, Topic: r.Topic,
		Headers: make([]spoolHeader, len(r.Headers)), Time: r.Time.UTC(), Value: r.Value,
	}
	if strings.HasPrefix(filepath.ToSlash(item.File), "requeue/") {
		l.Requeued = item.File
	}
	l.Key, l.KeyBase64 = textOrBytes(r.Key)
	for i, h := range r.Headers {
		l.Headers[i] = exportedHeader(h)
	}
	return l
}

func exportedHeader(h broker.Header) spoolHeader {
	out := spoolHeader{Name: h.Key}
	out.Value, out.Base64 = textOrBytes(h.Value)
	return out
}

// textOrBytes is b as text, or as it is where it is none.
func textOrBytes(b []byte) (string, []byte) {
	if utf8.Valid(b) {
		return string(b), nil
	}
	return "", b
}
