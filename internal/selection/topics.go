package selection

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// UnmatchedError says which topics or patterns mean no topic that exists.
type UnmatchedError struct {
	Patterns []string
	Nearest  []string // existing names that may have been meant, at most three a pattern
}

// Error implements error.
func (e *UnmatchedError) Error() string {
	verb := "matches"
	if len(e.Patterns) > 1 {
		verb = "match"
	}
	text := fmt.Sprintf("selection: %s %s no topic", quoted(e.Patterns), verb)
	if len(e.Nearest) > 0 {
		text += "; the nearest: " + strings.Join(e.Nearest, ", ")
	}
	return text
}

func quoted(words []string) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(list, ", ")
}

// ExpandTopics returns the existing topics that are meant by names and patterns of
// path.Match, each once: in the order of the patterns, what one pattern means in the
// order of the alphabet. If any of them means none, the error is an *UnmatchedError
// about all of those.
func ExpandTopics(patterns, existing []string) ([]string, error) {
	existing = slices.Sorted(slices.Values(existing))
	var topics []string
	unmatched := &UnmatchedError{}
	for _, p := range patterns {
		found := 0
		for _, name := range existing {
			if !within([]string{p}, name) {
				continue
			}
			found++
			if !slices.Contains(topics, name) {
				topics = append(topics, name)
			}
		}
		if found == 0 {
			unmatched.add(p, existing)
		}
	}
	if len(unmatched.Patterns) > 0 {
		return nil, unmatched
	}
	return topics, nil
}

// add adds a pattern and the names that it may have been meant to be.
func (e *UnmatchedError) add(pattern string, existing []string) {
	e.Patterns = append(e.Patterns, pattern)
	for _, name := range nearest(pattern, existing, 3) {
		if !slices.Contains(e.Nearest, name) {
			e.Nearest = append(e.Nearest, name)
		}
	}
}

// nearest returns at most n of the known words that are the fewest edits away from a
// word, nearest first; none of which more than a third would have to change.
func nearest(word string, known []string, n int) []string {
	type candidate struct {
		word  string
		edits int
	}
	limit := max(1, utf8.RuneCountInString(word)/3)
	var list []candidate
	for _, k := range known {
		if d := edits(strings.ToLower(word), strings.ToLower(k)); d <= limit {
			list = append(list, candidate{k, d})
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(a.edits, b.edits) })
	words := []string{}
	for _, c := range list[:min(n, len(list))] {
		words = append(words, c.word)
	}
	return words
}

// edits counts the insertions, deletions and substitutions between two words.
func edits(a, b string) int {
	s, t := []rune(a), []rune(b)
	row := make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range s {
		diagonal := row[0]
		row[0] = i + 1
		for j := range t {
			change := diagonal
			if r != t[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(t)]
}
