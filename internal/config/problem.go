package config

import (
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	Path    string // the key, e.g. "sources[1].auth.type"; "" for the file as a whole
	Place   string // "config.yaml:14:9" or "environment POSTRIDER_SOURCES_0_NAME"
	Message string // what is wrong
	Hint    string // what to do about it; may be empty
}

// String is the problem on one line, without any secret.
func (p Problem) String() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{p.Place, p.Path, p.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	line := strings.Join(parts, ": ")
	if p.Hint != "" {
		line += " (" + p.Hint + ")"
	}
	return line
}

// Problems is every problem of a configuration; it is the error of Load. The
// zero value is ready for use. Not safe for concurrent use.
type Problems struct {
	list []Problem
}

// Add appends a problem. Place may be empty; Config.Place finds it.
func (p *Problems) Add(path, place, message, hint string) {
	p.list = append(p.list, Problem{Path: path, Place: place, Message: message, Hint: hint})
}

// Has reports whether there is a problem at path or below it.
func (p *Problems) Has(path string) bool {
	return slices.ContainsFunc(p.list, func(known Problem) bool {
		rest, below := strings.CutPrefix(known.Path, path)
		return below && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// Len returns how many problems there are.
func (p *Problems) Len() int { return len(p.list) }

// All returns the problems in the order of their place.
func (p *Problems) All() []Problem {
	sorted := slices.Clone(p.list)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		if c := compareNatural(a.Place, b.Place); c != 0 {
			return c
		}
		return compareNatural(a.Path, b.Path)
	})
	return slices.Compact(sorted)
}

// Err returns p as an error, nil if there are no problems.
func (p *Problems) Err() error {
	if p.Len() == 0 {
		return nil
	}
	return p
}

// Error implements error: one problem a line, in the order of their place.
func (p *Problems) Error() string {
	lines := make([]string, 0, p.Len())
	for _, problem := range p.All() {
		lines = append(lines, problem.String())
	}
	return strings.Join(lines, "\n")
}

// compareNatural compares runs of digits as numbers, so that line 9 comes
// before line 14.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		da, db := digits(a), digits(b)
		if da > 0 && db > 0 {
			na, _ := strconv.ParseUint(a[:da], 10, 64) // out of range gives the maximum, which sorts last
			nb, _ := strconv.ParseUint(b[:db], 10, 64)
			if na != nb {
				return compareUint(na, nb)
			}
			a, b = a[da:], b[db:]
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

func compareUint(a, b uint64) int {
	if a < b {
		return -1
	}
	return 1
}

// digits returns how many digits s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
