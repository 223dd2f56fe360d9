package mapping

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
)

// source is where a value comes from: a member or an expression.
type source struct {
	member  place
	program *program // nil: the member
}

// kind is what a value is.
type kind int

// The kinds.
const (
	none kind = iota
	text
	number
	boolean
	list
)

// value is what a source gave.
type value struct {
	kind kind
	text string   // of text, number ("5", "0.25") and boolean ("true")
	list []string // of texts
}

// equal reports whether two values say the same.
func (v value) equal(other value) bool {
	return v.text == other.text && slices.Equal(v.list, other.list)
}

// holds reports whether a text stands in a value.
func (v value) holds(part string) bool {
	if part == "" {
		return false
	}
	return strings.Contains(v.text, part) || slices.Contains(v.list, part)
}

// fieldValue is the value of a member.
func fieldValue(f jsondoc.Field) value {
	switch f.Kind() {
	case '"':
		return textValue(f.Text())
	case '0':
		return value{kind: number, text: f.Text()}
	case 't', 'f':
		return value{kind: boolean, text: f.Text()}
	case '[':
		return listValue(f.Strings())
	}
	return value{}
}

func textValue(s string) value {
	if s == "" {
		return value{}
	}
	return value{kind: text, text: s}
}

// listValue is a list of texts; nothing where there is none of them.
func listValue(items []string) value {
	if len(items) == 0 {
		return value{}
	}
	return value{kind: list, list: items}
}

// resultValue is the value of an expression's result. Numbers are texts as well: who
// writes an expression means it.
func resultValue(result any) value {
	switch v := result.(type) {
	case string:
		return textValue(v)
	case bool:
		return value{kind: boolean, text: strconv.FormatBool(v)}
	case int:
		return textValue(strconv.Itoa(v))
	case int64:
		return textValue(strconv.FormatInt(v, 10))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return value{}
		}
		return textValue(strconv.FormatFloat(v, 'f', -1, 64))
	case []any:
		return listValue(texts(v))
	}
	return value{}
}

// texts returns a list of texts; nil where something else is among them, or they are
// longer than any list of a payload may be.
func texts(items []any) []string {
	out, size := make([]string, 0, len(items)), 0
	for _, item := range items {
		s, ok := item.(string)
		if size += len(s) + 1; !ok || size > jsondoc.MaxProse {
			return nil
		}
		out = append(out, s)
	}
	return out
}
