package mapping

import (
	"errors"
	"slices"
	"strings"
)

// place is a member: its name, and the object that has it by its place in the tree.
type place struct {
	object int
	name   string
}

// branch is an object on the way to members.
type branch struct {
	parent int
	name   string
	forced bool // its members are metadata each, whatever else is read of it
}

// tree holds the objects that ways lead through, each behind the one that has it.
type tree struct{ branches []branch }

// newTree returns a tree of the item alone.
func newTree() tree { return tree{branches: []branch{{parent: -1}}} }

// place returns the place of a member.
func (t *tree) place(names []string) place {
	return place{t.object(names[:len(names)-1]), names[len(names)-1]}
}

// object returns the index of an object.
func (t *tree) object(names []string) int {
	at := 0
	for _, name := range names {
		next := slices.IndexFunc(t.branches, func(b branch) bool { return b.parent == at && b.name == name })
		if next < 0 {
			next = len(t.branches)
			t.branches = append(t.branches, branch{parent: at, name: name})
		}
		at = next
	}
	return at
}

// maxPath bounds the names of a way; no payload is deeper than jsondoc.MaxDepth.
const maxPath = 16

// splitPath cuts a way to a member at its dots. A name that holds dots is in double
// quotes: data."message.id".
func splitPath(text string) ([]string, error) {
	var names []string
	for rest := text; ; {
		name, after, quoted, err := nextName(rest)
		if err != nil {
			return nil, err
		}
		if name == "" && !quoted {
			return nil, errors.New("a name is missing: write the way to a member as in data.to")
		}
		if names = append(names, name); len(names) > maxPath {
			return nil, errors.New("the way is too long")
		}
		if after == "" {
			return names, nil
		}
		rest = after[1:]
	}
}

// nextName returns the first name of a way, and what follows it from the dot on.
func nextName(text string) (name, after string, quoted bool, err error) {
	if inner, ok := strings.CutPrefix(text, `"`); ok {
		name, after, ok = strings.Cut(inner, `"`)
		if !ok || after != "" && (after[0] != '.' || len(after) == 1) {
			return "", "", true, errors.New(`a quoted name ends in " and a dot, as in data."message.id".value`)
		}
		return name, after, true, nil
	}
	if i := strings.IndexByte(text, '.'); i >= 0 {
		name, after = text[:i], text[i:]
	} else {
		name = text
	}
	if strings.ContainsAny(name, "\"'[]{}()=<>?| \t\n") {
		return "", "", false, errors.New(`no way to a member: names are joined by dots, other names are in double quotes, and an expression begins with "="`)
	}
	return name, after, false, nil
}
