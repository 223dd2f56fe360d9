package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/mapspec"
)

// decoder fills a Config from the tree, strictly, and goes on after a problem.
type decoder struct {
	problems *Problems
	places   map[string]string // of every key that was given
	failed   map[string]bool   // paths whose value could not be read
	hidden   map[string]bool   // paths whose value came from ${NAME} and is not shown
	texts    map[string]text   // where the text of expressions stands
}

// decode fills v, which is addressable, with what n says. A key without a value
// leaves the default.
func (d *decoder) decode(n *node, v reflect.Value, path string) {
	d.places[path] = n.place
	d.hidden[path] = n.expanded
	d.spot(n, path)
	switch {
	case n.kind == kindNull:
	case n.kind == kindBroken:
		d.failed[path] = true
	case isOwnGroup(v.Type()):
		v.Set(reflect.New(v.Type().Elem()))
		d.group(n, v.Elem(), path)
	case isGroup(v.Type()):
		d.group(n, v, path)
	case v.Type() == reflect.TypeFor[mapspec.Sources]():
		d.sources(n, v, path)
	case v.Kind() == reflect.Map:
		d.table(n, v, path)
	case v.Kind() == reflect.Slice && isGroup(v.Type().Elem()):
		d.groups(n, v, path)
	case v.Kind() == reflect.Slice:
		d.list(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

// table fills a map, of groups or of texts.
func (d *decoder) table(n *node, v reflect.Value, path string) {
	if isGroup(v.Type().Elem()) {
		d.namedGroups(n, v, path)
		return
	}
	d.options(n, v, path)
}

func (d *decoder) fail(n *node, path, message, hint string) {
	d.failed[path] = true
	d.problems.Add(path, n.place, message, hint)
}

func (d *decoder) group(n *node, v reflect.Value, path string) {
	if n.kind != kindGroup {
		d.fail(n, path, "expected a group of keys, got "+n.kind.String(), "keys: "+strings.Join(keysOf(v.Type()), ", "))
		return
	}
	known := fields(v.Type())
next:
	for _, e := range n.keys {
		for _, f := range known {
			if f.key == e.key {
				d.decode(e.value, v.Field(f.index), keyPath(path, e.key))
				continue next
			}
		}
		d.unknown(e, v.Type(), path)
	}
}

func (d *decoder) unknown(e entry, t reflect.Type, path string) {
	message := "unknown key"
	if plainKey.MatchString(e.key) {
		message = fmt.Sprintf("unknown key %q", e.key)
	}
	hint := didYouMean(e.key, keysOf(t))
	if home := homeOf(e.key); home != "" && Nearest(e.key, keysOf(t)) == "" {
		hint = "that key belongs to " + home
	}
	d.problems.Add(keyPath(path, e.key), e.place, message, hint)
}

func (d *decoder) options(n *node, v reflect.Value, path string) {
	if n.kind != kindGroup {
		d.fail(n, path, "expected a group of keys, got "+n.kind.String(), "")
		return
	}
	values := make(map[string]string, len(n.keys))
	for _, e := range n.keys {
		at := optionPath(v.Type(), path, e.key)
		d.places[at] = e.place
		d.spot(e.value, at)
		if text, ok := d.text(e.value, at, "text"); ok {
			values[e.key] = text
		}
	}
	v.Set(reflect.ValueOf(values))
}

func (d *decoder) groups(n *node, v reflect.Value, path string) {
	if n.kind != kindList {
		d.fail(n, path, "expected a list, got "+n.kind.String(), "begin each item with a dash")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		at := indexPath(path, i)
		if item.kind == kindNull {
			d.fail(item, at, "the item is empty", "")
			continue
		}
		d.decode(item, list.Index(i), at)
	}
	v.Set(list)
}

// list reads a list of scalars; text is such a list with commas between.
func (d *decoder) list(n *node, v reflect.Value, path string) {
	items, ok := d.elements(n, path)
	if !ok {
		return
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		at := indexPath(path, i)
		if item.text == "" && item.kind != kindGroup && item.kind != kindList && item.kind != kindBroken {
			d.places[at] = item.place
			d.fail(item, at, emptyMessage(item), "")
			continue
		}
		d.decode(item, list.Index(i), at)
	}
	v.Set(list)
}

func emptyMessage(n *node) string {
	if n.expanded {
		return "expands to nothing"
	}
	return "is empty"
}

func (d *decoder) elements(n *node, path string) ([]*node, bool) {
	switch n.kind {
	case kindList:
		var items []*node
		for _, item := range n.items {
			if item.kind == kindText && item.expanded && item.text != "" {
				items = append(items, item.split()...)
			} else {
				items = append(items, item)
			}
		}
		return items, true
	case kindText, kindBool, kindNumber:
		if strings.TrimSpace(n.text) == "" {
			d.fail(n, path, emptyMessage(n), "write [] for an empty list")
			return nil, false
		}
		if n.text == "[]" {
			return nil, true
		}
		return n.split(), true
	case kindNull, kindGroup, kindBroken:
	}
	d.fail(n, path, "expected a list, got "+n.kind.String(), "")
	return nil, false
}

// split cuts text at its commas.
func (n *node) split() []*node {
	parts := strings.Split(n.text, ",")
	items := make([]*node, 0, len(parts))
	for _, part := range parts {
		item := *n
		item.text = strings.TrimSpace(part)
		items = append(items, &item)
	}
	return items
}

// text returns the text of a scalar; want says for people what is expected.
func (d *decoder) text(n *node, path, want string) (string, bool) {
	switch n.kind {
	case kindText, kindBool, kindNumber, kindNull:
		return n.text, true
	case kindBroken:
		d.failed[path] = true
	case kindList, kindGroup:
		d.fail(n, path, "expected "+want+", got "+n.kind.String(), "")
	}
	return "", false
}

func (d *decoder) scalar(n *node, v reflect.Value, path string) {
	want := "a value"
	parse := func(string) error { return nil }
	switch p := v.Addr().Interface().(type) {
	case *string, *Secret:
		d.word(n, v, path)
		return
	case *bool:
		want, parse = "true or false", setter(p, parseBool)
	case **bool:
		want, parse = "true or false", setter(p, func(s string) (*bool, error) { b, err := parseBool(s); return &b, err })
	case *int:
		want, parse = "a whole number", setter(p, intParser(path))
	case *int64:
		want, parse = "a size", setter(p, parseSize)
	case *time.Duration:
		want, parse = "a duration", setter(p, ParseDuration)
	case *time.Time:
		want, parse = "a time", setter(p, parseTime)
	case *netip.Prefix:
		want, parse = "a network", setter(p, parsePrefix)
	}
	text, ok := d.text(n, path, want)
	if !ok {
		return
	}
	if err := parse(strings.TrimSpace(text)); err != nil {
		d.fail(n, path, quote(text, n.expanded)+err.Error(), "")
	}
}

// word reads text: a string or a secret.
func (d *decoder) word(n *node, v reflect.Value, path string) {
	if n.kind == kindBool {
		d.fail(n, path, "expected text, got true or false", "put it in quotes")
		return
	}
	if text, ok := d.text(n, path, "text"); ok {
		v.SetString(text)
	}
}

func setter[T any](p *T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		value, err := parse(s)
		if err == nil {
			*p = value
		}
		return err
	}
}

// intParser reads a whole number, or a size where the key says bytes.
func intParser(path string) func(string) (int, error) {
	if strings.HasSuffix(path, "_bytes") {
		return func(s string) (int, error) {
			n, err := parseSize(s)
			if err == nil && n > math.MaxInt32 {
				err = errors.New("the size is too large: the most here is just under 2GiB")
			}
			return int(n), err
		}
	}
	return parseInt
}

// quote shows a value in front of what is wrong with it, unless it came from
// ${NAME} or may hold a password.
func quote(text string, hidden bool) string {
	if hidden || strings.Contains(text, "@") {
		return ""
	}
	return strconv.Quote(clip(text)) + ": "
}
