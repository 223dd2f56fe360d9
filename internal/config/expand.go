package config

import (
	"regexp"
	"strings"
)

// reference is `${NAME}`, `$${` (an escape for "${") or a `${` that is neither.
var reference = regexp.MustCompile(`\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{`)

// variables is the environment by name.
type variables map[string]string

func newVariables(environ []string) variables {
	vars := make(variables, len(environ))
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			vars[name] = value
		}
	}
	return vars
}

// references adds the names that the file's text refers to.
func (n *node) references(names map[string]bool) {
	if n.kind == kindText {
		for _, m := range reference.FindAllStringSubmatch(n.text, -1) {
			names[m[1]] = true
		}
	}
	for _, e := range n.keys {
		e.value.references(names)
	}
	for _, item := range n.items {
		item.references(names)
	}
}

// expand replaces every reference in the file's text. Environment variables
// that override a key are taken literally.
func (n *node) expand(path string, vars variables, problems *Problems) {
	switch n.kind {
	case kindText:
		n.expandText(path, vars, problems)
	case kindGroup:
		for _, e := range n.keys {
			e.value.expand(keyPath(path, e.key), vars, problems)
		}
	case kindList:
		for i, item := range n.items {
			item.expand(indexPath(path, i), vars, problems)
		}
	case kindNull, kindBool, kindNumber, kindBroken:
	}
}

func (n *node) expandText(path string, vars variables, problems *Problems) {
	if n.fromEnv || !strings.Contains(n.text, "${") {
		return
	}
	n.text = reference.ReplaceAllStringFunc(n.text, func(found string) string {
		if found == "$${" {
			return "${"
		}
		if found == "${" {
			n.kind = kindBroken
			problems.Add(path, n.place, "`${` without a name and `}`", "write ${NAME}, or $${ for the text ${")
			return found
		}
		n.expanded = true
		name := found[2 : len(found)-1]
		value, ok := vars[name]
		if !ok {
			n.kind = kindBroken
			problems.Add(path, n.place, "the environment variable "+name+" is not set", "set it, or write $${ for the text ${")
		}
		return value
	})
}
