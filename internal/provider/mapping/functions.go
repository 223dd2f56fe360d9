package mapping

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"

	"github.com/postrider/postrider/internal/jsondoc"
)

// functions are what an expression may call: each makes at most a little more than
// it is given, and none knows where or when it is called.
func functions() []string {
	return []string{
		"all", "none", "any", "one", "filter", "map", "find", "findLast", "findIndex", "findLastIndex", "count",
		"len", "type", "abs", "ceil", "floor", "round", "int", "float", "string", "max", "min",
		"trim", "trimPrefix", "trimSuffix", "upper", "lower", "split", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix",
		"first", "last", "keys", "values", "fromJSON", "join",
	}
}

// options are those of the compiler. Functions of the library of which the result
// depends on the order of a Go map or on the processor, that round big numbers, or
// that write out what they are given more than once, are replaced.
func options() []expr.Option {
	list := []expr.Option{expr.Env(&environment{}), expr.MaxNodes(maxNodes)}
	add := func(name string, f func(...any) (any, error), signature any) {
		list = append(list, expr.DisableBuiltin(name), expr.Function(name, f, signature))
	}
	add("join", joinTexts, new(func(any, string) string))
	add("split", splitText, new(func(string, string) []any))
	add("keys", sortedKeys, new(func(map[string]any) []any))
	add("values", sortedValues, new(func(map[string]any) []any))
	add("fromJSON", fromJSON, new(func(string) any))
	add("string", toText, new(func(any) string))
	add("int", toInt, new(func(any) int))
	return list
}

var errKind = errors.New("a value of another kind is wanted")

// joinTexts is the function join of a list of texts, as bounded as any text.
func joinTexts(params ...any) (any, error) {
	list, ok := params[0].([]any)
	separator, isText := params[1].(string)
	if !ok || !isText {
		return nil, errKind
	}
	var b strings.Builder
	for i, item := range list {
		text, ok := item.(string)
		if !ok {
			return nil, errKind
		}
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(text)
		if b.Len() > jsondoc.MaxProse {
			return nil, errors.New("the text is too long")
		}
	}
	return b.String(), nil
}

// maxParts bounds the parts of a text: as many as a body has items.
const maxParts = jsondoc.MaxItems

// splitText is the function split. The library's own makes lists of another type than
// those of items, which no other function takes.
func splitText(params ...any) (any, error) {
	text, ok := params[0].(string)
	separator, isText := params[1].(string)
	if !ok || !isText {
		return nil, errKind
	}
	parts := strings.SplitN(text, separator, maxParts+1)
	if len(parts) > maxParts {
		return nil, fmt.Errorf("the text has more than %d parts", maxParts)
	}
	out := make([]any, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out, nil
}

// sortedKeys is the function keys, in order.
func sortedKeys(params ...any) (any, error) {
	m, ok := params[0].(map[string]any)
	if !ok {
		return nil, errKind
	}
	out := make([]any, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, name)
	}
	return out, nil
}

// sortedValues is the function values, in the order of their names.
func sortedValues(params ...any) (any, error) {
	m, ok := params[0].(map[string]any)
	if !ok {
		return nil, errKind
	}
	out := make([]any, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[name])
	}
	return out, nil
}

// fromJSON is the function fromJSON, bounded as a body is; whole numbers keep all of
// their digits.
func fromJSON(params ...any) (any, error) {
	text, ok := params[0].(string)
	if !ok {
		return nil, errKind
	}
	doc, err := jsondoc.Parse([]byte(text))
	if err != nil {
		return nil, err //nolint:wrapcheck // nobody sees it
	}
	defer doc.Release()
	return doc.Root().Any(), nil
}

// toText is the function string, of what can be written on a line. Lists and objects
// may hold one thing many times over, and would be written out each time.
func toText(params ...any) (any, error) {
	switch v := params[0].(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return strconv.FormatFloat(v, 'f', -1, 64), nil
		}
	}
	return nil, errKind
}

// toInt is the function int, of numbers and texts that an int holds.
func toInt(params ...any) (any, error) {
	switch v := params[0].(type) {
	case int:
		return v, nil
	case string:
		return strconv.Atoi(v) //nolint:wrapcheck // nobody sees it
	case float64:
		if v > -1<<53 && v < 1<<53 {
			return int(v), nil
		}
	}
	return nil, errKind
}
