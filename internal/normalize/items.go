package normalize

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/pkg/event"
)

// Headers of a raw record that list items; see Counts.
const (
	HeaderLeftOut    = "left-out"
	HeaderDead       = "dead-items"
	HeaderDuplicates = "duplicates"
	HeaderConflicts  = "conflicts"
	HeaderReused     = "reused-id"
)

// MaxItems is how many items of a payload an Items names at most. No payload has
// more: a body with more is one dead letter.
const MaxItems = 10_000

// wholeBody is the index of what stands for the body as a whole.
const wholeBody = -1

// Items are places of items in a payload, from 0 and ascending; -1 alone stands for
// the body as a whole.
type Items []int

// AppendText appends the places with neighbours drawn together, such as 0,3-5, and
// the whole body as *. Nothing is appended for no items. Beyond MaxItems they are
// left out.
func (s Items) AppendText(dst []byte) []byte {
	if len(s) > 0 && s[0] == wholeBody {
		return append(dst, '*')
	}
	s = s[:min(len(s), MaxItems)]
	for i := 0; i < len(s); i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(s[i]), 10)
		first := i
		for i+1 < len(s) && s[i+1] == s[i]+1 {
			i++
		}
		if i > first {
			dst = strconv.AppendInt(append(dst, '-'), int64(s[i]), 10)
		}
	}
	return dst
}

// Has reports whether the item at a place is among them. The whole body is every
// item.
func (s Items) Has(index int) bool {
	if len(s) > 0 && s[0] == wholeBody {
		return true
	}
	_, found := slices.BinarySearch(s, index)
	return found
}

// ParseItems reads what AppendText writes. The error says what is wrong; a list that
// is not ascending, or names a place from MaxItems on, is one.
func ParseItems(text string) (Items, error) {
	switch text {
	case "":
		return nil, nil
	case "*":
		return Items{wholeBody}, nil
	}
	var s Items
	for part := range strings.SplitSeq(text, ",") {
		first, last, err := parseSpan(part)
		if err != nil {
			return nil, err
		}
		if len(s) > 0 && first <= s[len(s)-1] {
			return nil, fmt.Errorf("normalize: item %d follows item %d", first, s[len(s)-1])
		}
		for i := first; i <= last; i++ {
			s = append(s, i)
		}
	}
	return s, nil
}

// parseSpan reads one place, or two with a hyphen between them.
func parseSpan(text string) (first, last int, err error) {
	from, to, isSpan := strings.Cut(text, "-")
	if !isSpan {
		to = from
	}
	a, errA := strconv.ParseUint(from, 10, 16)
	b, errB := strconv.ParseUint(to, 10, 16)
	if errA != nil || errB != nil || b >= MaxItems || a > b || isSpan && a == b {
		return 0, 0, fmt.Errorf("normalize: a list of items is made of places below %d and spans of them, such as 0,3-5", MaxItems)
	}
	return int(a), int(b), nil
}

// RecordedCounts reads back what a raw record says of its request's items. The
// counts of a record that has none are -1. The error names the header.
func RecordedCounts(headers []event.Header) (Counts, error) {
	n := Counts{Events: -1, DeadLetters: -1, Repeats: -1}
	for i := range headers {
		if err := n.read(headers[i].Key, headers[i].Value); err != nil {
			return Counts{}, fmt.Errorf("normalize: header %s of a raw record: %w", headers[i].Key, err)
		}
	}
	return n, nil
}

// read reads one header, if it is one of those that count.
func (n *Counts) read(name string, value []byte) (err error) {
	switch name {
	case "events":
		n.Events, err = strconv.Atoi(string(value))
	case "dead-letters":
		n.DeadLetters, err = strconv.Atoi(string(value))
	case "repeats":
		n.Repeats, err = strconv.Atoi(string(value))
	case HeaderLeftOut:
		n.LeftOut, err = ParseItems(string(value))
	case HeaderDead:
		n.Dead, err = ParseItems(string(value))
	case HeaderDuplicates:
		n.Duplicates, err = ParseItems(string(value))
	case HeaderConflicts:
		n.Conflicts, err = ParseItems(string(value))
	case HeaderReused:
		n.Reused = string(value) == "true"
	}
	return err //nolint:wrapcheck // the caller does
}
