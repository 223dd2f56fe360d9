package main

import (
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// paint is an escape sequence that begins a colour; "" leaves text as it is.
type paint string

// style is the colours in use; the zero value has none.
type style struct{ none, good, warn, bad, dim, head paint }

// newStyle has colours for a terminal that wants them (https://no-color.org).
func newStyle(w io.Writer, noColor string) style {
	if !terminal(w) || noColor != "" {
		return style{}
	}
	return style{good: "\x1b[32m", warn: "\x1b[33m", bad: "\x1b[31m", dim: "\x1b[2m", head: "\x1b[1m"}
}

// apply paints s.
func (p paint) apply(s string) string {
	if p == "" || s == "" {
		return s
	}
	return string(p) + s + "\x1b[0m"
}

// cell is one field of a row.
type cell struct {
	text  string
	paint paint
}

// plain is a cell without a colour.
func plain(s string) cell { return cell{text: s} }

// column is one column of a table; width is how wide it is at least.
type column struct {
	title string
	width int
}

// table writes aligned rows as they come: a column grows when it must, and never
// shrinks. On a terminal rows are cut at its width. Control characters become
// blanks, so that nothing a stranger wrote reaches the terminal as a command.
type table struct {
	w       io.Writer
	columns []column
	limit   int // characters a row; 0: no limit
	begun   bool
	head    paint
}

// newTable makes a table on standard output.
func newTable(c *cli, columns ...column) *table {
	t := &table{w: c.out, columns: columns, head: c.style.head, limit: screenWidth(c.out)}
	for i := range t.columns {
		t.columns[i].width = max(t.columns[i].width, len(t.columns[i].title))
	}
	return t
}

// screenWidth is the terminal's width; 0 if w is none.
func screenWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !terminal(w) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 40 {
		return 0
	}
	return width
}

// row writes one row, after the titles if it is the first.
func (t *table) row(cells ...cell) error {
	if !t.begun {
		t.begun = true
		titles := make([]cell, len(t.columns))
		for i, c := range t.columns {
			titles[i] = cell{c.title, t.head}
		}
		if err := t.write(titles); err != nil {
			return err
		}
	}
	return t.write(cells)
}

// write pads and writes cells.
func (t *table) write(cells []cell) error {
	var b strings.Builder
	left := t.limit
	for i, c := range cells {
		text := printable(c.text)
		n := utf8.RuneCountInString(text)
		t.columns[i].width = max(t.columns[i].width, n)
		if t.limit > 0 && n > left {
			text = cut(text, left)
		}
		b.WriteString(c.paint.apply(text))
		if rest := cells[i+1:]; !blank(rest) {
			b.WriteString(strings.Repeat(" ", t.columns[i].width-n+2))
			left = max(left-t.columns[i].width-2, 0)
			if t.limit > 0 && left == 0 {
				break
			}
		}
	}
	b.WriteByte('\n')
	_, err := io.WriteString(t.w, b.String())
	return err //nolint:wrapcheck // standard output
}

// blank reports whether nothing follows.
func blank(cells []cell) bool {
	for _, c := range cells {
		if c.text != "" {
			return false
		}
	}
	return true
}

// cut shortens s to n characters.
func cut(s string, n int) string {
	if n <= 1 {
		return ""
	}
	return string([]rune(s)[:n-1]) + "…"
}

// printable replaces what a terminal would take for a command, and what would
// break a line: control and format characters (bidirectional overrides too).
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, s)
}
