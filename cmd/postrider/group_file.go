package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/broker"
)

// offsetLine is one offset of a file.
type offsetLine struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
}

// offsetFile is a group's offsets as JSON.
type offsetFile struct {
	Group   string       `json:"group"`
	Offsets []offsetLine `json:"offsets"`
}

// newGroupExport is `postrider group export`.
func newGroupExport(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "export GROUP",
		Short: "Write a group's offsets, to bring them back later",
		Long: `Write the offsets that a group has committed to standard output, one a line as
topic,partition,offset: what kafka-consumer-groups.sh writes with --export and reads
with --from-file. With --output json it is an object. ` + "`postrider group import`" + `
reads both.`,
		Example: `  postrider group export warehouse > warehouse.csv
  postrider group export warehouse --output json > warehouse.json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeGroup,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.groupExport(cmd.Context(), args[0]) },
	}
}

// groupExport writes a group's offsets.
func (c *cli) groupExport(ctx context.Context, name string) error {
	return c.withKafka(ctx, func(client *broker.Client) error {
		g, err := mustExist(ctx, client, name)
		if err != nil {
			return err
		}
		f := offsetFile{Group: name, Offsets: []offsetLine{}}
		for _, o := range g.Offsets {
			f.Offsets = append(f.Offsets, offsetLine{o.Topic, o.Partition, o.Offset})
		}
		return f.write(c.out, c.json())
	})
}

// write writes the file, as JSON or as lines.
func (f *offsetFile) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(f) //nolint:wrapcheck // the caller names the file
	}
	lines := csv.NewWriter(w)
	for _, o := range f.Offsets {
		_ = lines.Write([]string{o.Topic, strconv.Itoa(o.Partition), strconv.FormatInt(o.Offset, 10)}) // Error tells
	}
	lines.Flush()
	return lines.Error() //nolint:wrapcheck // the caller names the file
}

// save writes the file where no file is yet, as JSON if its name says so.
func (f *offsetFile) save(path string) error {
	var b bytes.Buffer
	if err := f.write(&b, filepath.Ext(path) == ".json"); err != nil {
		return fmt.Errorf("group: %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // offsets are no secret
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("group: the file %s exists already, and may be somebody's way back: name another one", path)
	}
	if err != nil {
		return fmt.Errorf("group: %w", err)
	}
	_, err = file.Write(b.Bytes())
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("group: %w", err)
	}
	return nil
}

// mostOffsets bounds a file: a hundred bytes for each of 300,000 partitions.
const mostOffsets = 32 << 20

// readOffsets reads a file of either form, or standard input where path is "-".
func (c *cli) readOffsets(path, group string) ([]offsetLine, error) {
	in := c.in
	if path != "-" {
		f, err := os.Open(path) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, fmt.Errorf("group: %w", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, mostOffsets+1))
	if err != nil {
		return nil, fmt.Errorf("group: %s: %w", path, err)
	}
	if len(data) > mostOffsets {
		return nil, fmt.Errorf("group: %s is larger than %d bytes: is it a list of offsets?", path, mostOffsets)
	}
	lines, err := parseOffsets(data, group)
	if err != nil {
		return nil, fmt.Errorf("group: %s: %w", path, err)
	}
	return lines, nil
}

// parseOffsets reads lines of topic,partition,offset, of group,topic,partition,offset
// (the others' are passed over), or the JSON of an export.
func parseOffsets(data []byte, group string) ([]offsetLine, error) {
	parse := parseLines
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		parse = parseObject
	}
	lines, err := parse(data, group)
	if err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, errors.New("it has no offsets of this group")
	}
	given := map[string]bool{}
	for _, l := range lines {
		place := fmt.Sprintf("%s[%d]", l.Topic, l.Partition)
		switch {
		case l.Topic == "" || l.Partition < 0 || l.Offset < 0:
			return nil, fmt.Errorf("%s at %d is no offset of a partition", place, l.Offset)
		case given[place]:
			return nil, fmt.Errorf("%s is there twice", place)
		}
		given[place] = true
	}
	return lines, nil
}

func parseObject(data []byte, _ string) ([]offsetLine, error) {
	var f offsetFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("it is no list of offsets: %w", err)
	}
	if d.More() {
		return nil, errors.New("something follows the list of offsets")
	}
	return f.Offsets, nil
}

func parseLines(data []byte, group string) ([]offsetLine, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	var lines []offsetLine
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, err //nolint:wrapcheck // it names the line
		}
		line, own, err := parseRow(row, group)
		if err != nil {
			at, _ := r.FieldPos(0)
			return nil, fmt.Errorf("line %d: %w", at, err)
		}
		if own {
			lines = append(lines, line)
		}
	}
}

// parseRow reads one line; own reports whether it is this group's.
func parseRow(row []string, group string) (line offsetLine, own bool, err error) {
	own = true
	if len(row) == 4 {
		own, row = row[0] == group, row[1:]
	}
	if len(row) != 3 {
		return line, own, errors.New("expected topic,partition,offset, as `postrider group export` writes them")
	}
	line.Topic = row[0]
	partition, errP := strconv.ParseInt(row[1], 10, 32)
	offset, errO := strconv.ParseInt(row[2], 10, 64)
	if errP != nil || errO != nil {
		return line, own, errors.New("partition and offset are not whole numbers")
	}
	line.Partition, line.Offset = int(partition), offset
	return line, own, nil
}
