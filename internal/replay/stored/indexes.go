package stored

import (
	"errors"
	"strconv"
	"strings"
)

// maxIndex bounds places in a payload: no array of a payload has more items.
const maxIndex = 10_000

var errIndexes = errors.New("it is no ascending list of places below 10000, such as 0,3-5")

// parseIndexes reads a list of places in a payload: numbers and ranges with both
// ends in them, ascending, without blanks or leading zeros, such as "0,3-5". What
// is written in another way is refused, since a misread place would publish one
// item for another.
func parseIndexes(text string) ([]int, error) {
	var list []int
	next := 0 // the lowest place that may follow
	for part := range strings.SplitSeq(text, ",") {
		first, last, ok := parseRange(part)
		if !ok || first < next {
			return nil, errIndexes
		}
		for i := first; i <= last; i++ {
			list = append(list, i)
		}
		next = last + 1
	}
	return list, nil
}

// parseRange reads one number or range.
func parseRange(part string) (first, last int, ok bool) {
	low, high, isRange := strings.Cut(part, "-")
	if first, ok = parseIndex(low); !ok || !isRange {
		return first, first, ok
	}
	last, ok = parseIndex(high)
	return first, last, ok && first < last
}

// parseIndex reads one number in its only spelling.
func parseIndex(digits string) (int, bool) {
	n, err := strconv.Atoi(digits)
	return n, err == nil && n >= 0 && n < maxIndex && strconv.Itoa(n) == digits
}
