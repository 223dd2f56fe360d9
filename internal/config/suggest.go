package config

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// didYouMean returns the hint for a word that is none of known: the nearest one
// if it is near enough to be a slip, and the whole list while that is short.
func didYouMean(word string, known []string) string {
	hint := ""
	if near := Nearest(word, known); near != "" {
		hint = `did you mean "` + near + `"?`
	}
	if len(known) == 0 || len(known) > 40 {
		return hint
	}
	list := "known: " + strings.Join(known, ", ")
	if hint == "" {
		return list
	}
	return hint + " " + list
}

// Nearest returns the word of known that is the fewest edits away from word, ""
// if more than a third of it would have to change.
func Nearest(word string, known []string) string {
	word = strings.ToLower(word)
	best, bestEdits := "", max(1, utf8.RuneCountInString(word)/3)+1
	for _, k := range known {
		if d := edits(word, strings.ToLower(k), bestEdits); d < bestEdits {
			best, bestEdits = k, d
		}
	}
	return best
}

// edits counts insertions, deletions, substitutions and swaps of neighbours
// between a and b. It gives up with limit once the lengths alone reach it.
func edits(a, b string, limit int) int {
	s, t := []rune(a), []rune(b)
	if len(s)-len(t) >= limit || len(t)-len(s) >= limit {
		return limit
	}
	before, prev := make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(s); i++ {
		cur := slices.Clone(prev)
		cur[0] = i
		for j := 1; j <= len(t); j++ {
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+differ(s[i-1], t[j-1]))
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev = prev, cur
	}
	return prev[len(t)]
}

func differ(a, b rune) int {
	if a == b {
		return 0
	}
	return 1
}
