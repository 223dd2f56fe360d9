package config

import (
	"fmt"
	"slices"
)

const defaultRefusedStatus = 401

// validator checks what the decoder could read.
type validator struct {
	*loader
}

// bad reports a problem of the key at path, unless its value could not even be
// read.
func (v *validator) bad(path, message, hint string) {
	for p := path; p != ""; p = parentPath(p) {
		if v.failed[p] {
			return
		}
	}
	v.problems.Add(path, v.cfg.Place(path), message, hint)
}

// value shows a value in front of what is wrong with it, if it may be shown.
func (v *validator) value(path, text string) string { return quote(text, v.cfg.hidden[path]) }

// oneOf checks an enumeration; empty is allowed where known holds "".
func (v *validator) oneOf(path, what, value string, known ...string) bool {
	if slices.Contains(known, value) {
		return true
	}
	if value == "" {
		v.bad(path, "the "+what+" is missing", didYouMean("", known))
		return false
	}
	named := slices.DeleteFunc(slices.Clone(known), func(s string) bool { return s == "" })
	v.bad(path, v.value(path, value)+"unknown "+what, didYouMean(value, named))
	return false
}

// atLeast checks the lower bound of a number.
func (v *validator) atLeast(path string, got, least int64, show string) {
	if got < least {
		v.bad(path, fmt.Sprintf("must be at least %s", show), "")
	}
}

func (v *validator) config() {
}
