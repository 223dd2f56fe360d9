package config

import (
	"fmt"
	"slices"
)

// kind is what a node of the configuration tree is.
type kind int

const (
	kindNull   kind = iota // written, but without a value
	kindText               // any scalar; what it means is up to the key's type
	kindBool               // an unquoted true or false
	kindNumber             // an unquoted number
	kindList
	kindGroup
	kindBroken // reported already
)

// String names the kind for people.
func (k kind) String() string {
	switch k {
	case kindNull:
		return "nothing"
	case kindText:
		return "text"
	case kindBool:
		return "true or false"
	case kindNumber:
		return "a number"
	case kindList:
		return "a list"
	case kindGroup:
		return "a group of keys"
	case kindBroken:
		return "something unreadable"
	}
	return "something else"
}

// node is one value of the configuration, with the place it came from. The tree
// is the common ground of the file and the environment.
type node struct {
	kind     kind
	place    string
	text     string // of scalars, as written
	fromEnv  bool   // from an environment variable, where ${NAME} and quotes mean nothing
	expanded bool   // text holds the value of an environment variable named by ${NAME}
	spot     spot   // where the text of a scalar begins in its file
	keys     []entry
	items    []*node
}

// entry is one key of a group.
type entry struct {
	key   string
	place string
	value *node
}

// get returns the value of key, nil if the group does not have it.
func (n *node) get(key string) *node {
	i := slices.IndexFunc(n.keys, func(e entry) bool { return e.key == key })
	if i < 0 {
		return nil
	}
	return n.keys[i].value
}

// child returns the group's value of key, and makes it if it is missing.
func (n *node) child(key, place string) (*node, error) {
	if err := n.become(kindGroup); err != nil {
		return nil, err
	}
	if c := n.get(key); c != nil {
		return c, nil
	}
	c := &node{kind: kindNull, place: place}
	n.keys = append(n.keys, entry{key: key, place: place, value: c})
	return c, nil
}

// item returns the list's item i, and makes it if it is the next one.
func (n *node) item(i int, place string) (*node, error) {
	if err := n.become(kindList); err != nil {
		return nil, err
	}
	if i > len(n.items) {
		return nil, fmt.Errorf("index %d leaves a gap: the next free index is %d", i, len(n.items))
	}
	if i == len(n.items) {
		n.items = append(n.items, &node{kind: kindNull, place: place})
	}
	return n.items[i], nil
}

// become makes n a group or a list if it has no value yet.
func (n *node) become(k kind) error {
	if n.kind == kindNull {
		n.kind = k
	}
	if n.kind != k {
		return fmt.Errorf("overrides a part of %s, which is %s there", n.place, n.kind)
	}
	return nil
}
