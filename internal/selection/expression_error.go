package selection

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/file"
)

// ExpressionError says what is wrong with an expression, and where.
type ExpressionError struct {
	Expression string
	Line       int // from 1; 0: the whole expression
	Column     int // from 1, in characters
	Message    string
}

// Error implements error. Where the place is known, the text has three lines: the
// message, the expression's line, and a caret below the character.
func (e *ExpressionError) Error() string {
	lines := strings.Split(e.Expression, "\n")
	if e.Line < 1 || e.Line > len(lines) {
		return e.Message
	}
	line := strings.Map(blank, lines[e.Line-1])
	return fmt.Sprintf("%s\n  %s\n  %s^", e.Message, line, strings.Repeat(" ", max(0, e.Column-1)))
}

// blank keeps control characters from the terminal, and the caret below its character.
func blank(r rune) rune {
	if r < ' ' || r == 0x7F {
		return ' '
	}
	return r
}

// explain turns the library's error into ours: in terms of fields, not of Go types.
func explain(text string, err error) error {
	found := &ExpressionError{Expression: text, Message: err.Error()}
	if at, ok := errors.AsType[*file.Error](err); ok {
		found.Message, found.Line, found.Column = at.Message, at.Line, at.Column+1
	}
	found.Message = plain(found.Message)
	return found
}

// broken explains an error of an evaluation. What the library says of a value quotes
// it, and the value may be an address; so only what quotes none is told.
func broken(text string, err error) error {
	found := &ExpressionError{}
	if !errors.As(explain(text, err), &found) {
		return err
	}
	for _, harmless := range []string{"index out of range: ", "runtime error: integer divide by zero", "memory budget exceeded"} {
		if strings.HasPrefix(found.Message, harmless) {
			return found
		}
	}
	found.Message = "the expression breaks down at what this record holds"
	return found
}

// plain says what the library says in words for people.
func plain(message string) string {
	switch message {
	case "unexpected token EOF":
		return "the expression ends too early"
	case `unexpected token Operator("=")`:
		return `unexpected "=": write == to compare`
	}
	if kind, ok := strings.CutPrefix(message, "expected bool, but got "); ok {
		return "the expression must be true or false; it is of type " + kind
	}
	text := strings.ReplaceAll(message, "selection.", "")
	return strings.ReplaceAll(text, "time.Time", "time") + meant(message)
}

// meant hints at the field that was meant where a message says that there is none
// of a name; "" for any other message.
func meant(message string) string {
	parts := regexp.MustCompile(`^(?:unknown name (\S+)|type selection\.(\w+) has no (?:field|method) (\S+))$`).FindStringSubmatch(message)
	switch {
	case parts == nil:
		return ""
	case slices.Contains(disabled(), parts[1]):
		return " (the function is not available here)"
	case parts[1] != "":
		if near := nearest(parts[1], namesIn(""), 1); len(near) > 0 {
			return "; did you mean " + near[0] + "?"
		}
		return ""
	}
	return hint(parts[3], namesIn(parts[2]+"."))
}

// namesIn lists the names of an object ("bounce."), or those outside of any ("").
func namesIn(object string) []string {
	var names []string
	for _, f := range fieldsOf(reflect.TypeFor[environment](), "") {
		name, ok := strings.CutPrefix(f.Name, object)
		if !ok {
			continue
		}
		first, _, _ := strings.Cut(name, ".")
		if !slices.Contains(names, first) {
			names = append(names, first)
		}
	}
	return names
}
