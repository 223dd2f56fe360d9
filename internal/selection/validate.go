package selection

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// InvalidError says what is wrong with a Selection. The problems are sentences
// without an end, for people; that of an expression has several lines.
type InvalidError struct{ Problems []string }

// Error implements error.
func (e *InvalidError) Error() string { return "selection: " + strings.Join(e.Problems, "; ") }

// Validate returns an *InvalidError with all that is wrong, else nil. It does not
// ask whether there are topics: an archive has none to choose from.
func (s *Selection) Validate() error {
	if _, problems := inspect(s); len(problems) > 0 {
		return &InvalidError{Problems: problems}
	}
	return nil
}

// inspect finds all problems, and compiles the expression on the way.
func inspect(s *Selection) (*where, []string) {
	var p problems
	p.extent(s)
	p.topics(s.Topics)
	p.times(s)
	p.places(s)
	p.words(s)
	var expression *where
	if s.Where != "" {
		compiled, err := compileWhere(s.Where)
		if err != nil {
			p.add("where: %s", err)
		}
		expression = compiled
	}
	return expression, p
}

type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

// extent wants conditions, or the word for having none. Topics alone are no
// condition: they say where to look, and an empty filter must not mean everything.
func (p *problems) extent(s *Selection) {
	switch conditions := s.conditions(); {
	case !s.All && !conditions:
		p.add("give at least one selector beside the topics (a time, an offset, a field); everything is spelled --all")
	case s.All && conditions:
		p.add("all excludes every other selector: leave it out, or the others")
	}
}

// conditions reports whether something beside the topics bounds the selection.
func (s *Selection) conditions() bool {
	lists := len(s.Partitions) + len(s.Offsets) + len(s.Providers) + len(s.Sources) + len(s.Types) + len(s.Recipients) +
		len(s.RecipientHashes) + len(s.MessageIDs) + len(s.EventIDs) + len(s.Headers)
	return lists > 0 || s.Where != "" || !s.From.IsZero() || !s.To.IsZero()
}

func (p *problems) topics(patterns []string) {
	for _, t := range patterns {
		if _, err := path.Match(t, ""); err != nil || t == "" {
			p.add("topic %q is neither a name nor a pattern: * is any text, ? one character, [a-z] one of these", t)
		}
	}
}

func (p *problems) times(s *Selection) {
	if !s.From.IsZero() && !s.To.IsZero() && !s.From.Before(s.To) {
		p.add("from (%s) must be before to (%s)", s.From.UTC().Format(timeLayout), s.To.UTC().Format(timeLayout))
	}
	if s.Late < 0 {
		p.add("late (%s) must not be negative", s.Late)
	}
	if s.Late > 0 && s.To.IsZero() {
		p.add("late bounds how long after to is read on: give to as well")
	}
	if s.Limit < 0 {
		p.add("limit (%d) must not be negative", s.Limit)
	}
}

// timeLayout is how times are shown.
const timeLayout = "2006-01-02T15:04:05.999Z07:00"

func (p *problems) places(s *Selection) {
	for _, n := range s.Partitions {
		if n < 0 {
			p.add("partition %d: partitions are numbered from 0", n)
		}
	}
	for _, o := range s.Offsets {
		switch {
		case o.Partition < 0:
			p.add("offsets of partition %d: partitions are numbered from 0", o.Partition)
		case o.From < 0 || o.To < 0:
			p.add("offsets of %s: offsets are numbered from 0", o)
		case o.To != 0 && o.From >= o.To:
			p.add("offsets of %s: the first (%d) must be below the end (%d)", o, o.From, o.To)
		}
	}
}

// String is the span's partition, as people write it.
func (s Span) String() string {
	if s.Topic == "" {
		return fmt.Sprintf("partition %d", s.Partition)
	}
	return fmt.Sprintf("%s/%d", s.Topic, s.Partition)
}

// words refuses empty ones, which no record has, and types that do not exist.
func (p *problems) words(s *Selection) {
	for _, list := range []struct {
		name  string
		words []string
	}{
		{"provider", s.Providers},
		{"source", s.Sources},
		{"type", s.Types},
		{"recipient", s.Recipients},
		{"recipient hash", s.RecipientHashes},
		{"message id", s.MessageIDs},
		{"event id", s.EventIDs},
	} {
		if slices.Contains(list.words, "") {
			p.add("%s: the text is empty", list.name)
		}
	}
	for _, h := range s.Headers {
		if h.Name == "" {
			p.add("header: the name is empty")
		}
	}
	names := TypeNames()
	for _, t := range s.Types {
		if t != "" && !slices.Contains(names, t) {
			p.add("there is no type %q%s", t, hint(t, names))
		}
	}
}

// hint names the word that was meant, or all that there are.
func hint(word string, known []string) string {
	if near := nearest(word, known, 1); len(near) > 0 {
		return "; did you mean " + near[0] + "?"
	}
	return "; there are " + strings.Join(known, ", ")
}
