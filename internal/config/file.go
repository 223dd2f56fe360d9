package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxFileBytes = mebibyte // of the configuration file; the commented default is about 20 KiB
	maxDepth     = 32       // of nested lists and groups; the configuration has 6 levels
)

// reader turns a YAML file into a tree of nodes.
type reader struct {
	file     string
	lines    []string // of the file
	problems *Problems
}

// read returns the tree of a YAML document; an empty one is an empty group. It
// returns nil if the text is no YAML.
func (r *reader) read(data []byte) *node {
	root := &node{kind: kindGroup, place: r.file}
	r.lines = strings.Split(string(data), "\n")
	if len(data) > maxFileBytes {
		r.problems.Add("", r.file, "the file is larger than "+formatSize(maxFileBytes), "")
		return nil
	}
	if !utf8.Valid(data) {
		r.problems.Add("", r.file, "the file is not UTF-8 text", "save it as UTF-8")
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	parsed, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	r.document(parsed, root)
	return root
}

// syntax reports an error of the parser without the excerpt it prints, which
// may hold a secret.
func (r *reader) syntax(err error) {
	var known yaml.Error
	if !errors.As(err, &known) {
		r.problems.Add("", r.file, "not YAML", "")
		return
	}
	t, hint := known.GetToken(), ""
	if t != nil && t.Position != nil && t.Position.Line <= len(r.lines) && strings.Contains(r.lines[max(0, t.Position.Line-1)], "${") {
		hint = "between [ ] or { } a value with ${NAME} has to be in quotes"
	}
	r.problems.Add("", r.place(t), "not YAML: "+known.GetMessage(), hint)
}

// document fills root from the one document of the file.
func (r *reader) document(parsed *ast.File, root *node) {
	var body ast.Node
	for _, doc := range parsed.Docs {
		if doc.Body == nil {
			continue
		}
		if _, ok := doc.Body.(*ast.DirectiveNode); ok {
			continue
		}
		if body != nil {
			r.problems.Add("", r.place(doc.Body.GetToken()), "a second YAML document", "put everything into one document, without a line of three dashes")
			return
		}
		body = doc.Body
	}
	if body == nil {
		return
	}
	n := r.node(body, "", 0)
	switch n.kind {
	case kindNull, kindBroken:
	case kindGroup:
		*root = *n
	case kindText, kindBool, kindNumber, kindList:
		r.problems.Add("", n.place, "the configuration is a group of keys such as `server:`, not "+n.kind.String(), "")
	}
}

// node converts one YAML node. What it reports becomes a broken node.
func (r *reader) node(y ast.Node, path string, depth int) *node {
	if depth > maxDepth {
		return r.refuse(&node{place: r.place(y.GetToken())}, path, "nested too deeply", "")
	}
	n := &node{place: r.place(y.GetToken())}
	switch v := y.(type) {
	case *ast.MappingNode:
		return r.group(n, v, path, depth)
	case *ast.SequenceNode:
		n.kind = kindList
		for i, item := range v.Values {
			n.items = append(n.items, r.item(item, indexPath(path, i), depth+1))
		}
		return n
	case *ast.AnchorNode, *ast.AliasNode:
		return r.refuse(n, path, "anchors and aliases (& and *) are not supported", "write the value out, or quote it if it is text")
	case *ast.TagNode:
		return r.refuse(n, path, "tags (!) are not supported", "quote the value if it is text")
	}
	if !n.scalar(y) {
		return r.refuse(n, path, "this kind of YAML is not supported here", "")
	}
	n.spot = r.spot(y.GetToken())
	return n
}

// scalar makes n what a YAML scalar says; false if y is none.
func (n *node) scalar(y ast.Node) bool {
	switch v := y.(type) {
	case *ast.NullNode:
		n.kind = kindNull
	case *ast.StringNode:
		n.kind, n.text = kindText, v.Value
	case *ast.LiteralNode:
		n.kind, n.text = kindText, v.Value.Value
	case *ast.BoolNode:
		n.kind, n.text = kindBool, v.GetToken().Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		n.kind, n.text = kindNumber, y.GetToken().Value
	default:
		return false
	}
	return true
}

// item converts one item of a list. In [kafka:9092] the parser sees a mapping;
// YAML 1.2 (7.3.3) wants a space after the colon of one, so it is text.
func (r *reader) item(y ast.Node, path string, depth int) *node {
	n := r.node(y, path, depth)
	m, ok := y.(*ast.MappingNode)
	if !ok || m.IsFlowStyle || len(m.Values) != 1 || n.kind != kindGroup || len(n.keys) != 1 {
		return n
	}
	key, colon, value := m.Values[0].Key.GetToken(), m.Values[0].Start, m.Values[0].Value.GetToken()
	adjacent := value.Position.Line == colon.Position.Line && value.Position.Column == colon.Position.Column+1
	scalar := n.keys[0].value.kind == kindText || n.keys[0].value.kind == kindNumber
	if quoted(key) || quoted(value) || !adjacent || !scalar {
		return n
	}
	return &node{kind: kindText, place: r.place(key), text: key.Value + ":" + n.keys[0].value.text}
}

func quoted(t *token.Token) bool {
	return t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType
}

// group converts a YAML mapping; of a key that is given twice the first counts.
func (r *reader) group(n *node, m *ast.MappingNode, path string, depth int) *node {
	n.kind = kindGroup
	for i, kv := range m.Values {
		key, ok := r.key(kv.Key, path)
		if !ok {
			continue
		}
		place := r.place(kv.Key.GetToken())
		if i == 0 && !m.IsFlowStyle {
			n.place = place // the parser's own is the first colon
		}
		at := keyPath(path, key)
		if first := n.get(key); first != nil {
			r.problems.Add(at, place, "the key is given twice", "first at "+first.place)
			continue
		}
		value := r.node(kv.Value, at, depth+1)
		value.place = place // people look for the key
		n.keys = append(n.keys, entry{key: key, place: place, value: value})
	}
	return n
}

// key returns a mapping's key as text.
func (r *reader) key(k ast.MapKeyNode, path string) (string, bool) {
	switch v := k.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.MergeKeyNode:
		r.problems.Add(path, r.place(k.GetToken()), "merge keys (<<) are not supported", "write the keys out")
		return "", false
	case *ast.IntegerNode, *ast.BoolNode, *ast.FloatNode, *ast.NullNode:
		return k.GetToken().Value, true
	}
	r.problems.Add(path, r.place(k.GetToken()), "a key must be a word", "")
	return "", false
}

func (r *reader) refuse(n *node, path, message, hint string) *node {
	r.problems.Add(path, n.place, message, hint)
	n.kind = kindBroken
	return n
}

func (r *reader) place(t *token.Token) string {
	if t == nil || t.Position == nil {
		return r.file
	}
	return fmt.Sprintf("%s:%d:%d", r.file, t.Position.Line, t.Position.Column)
}

// plainKey is a key that may be shown: something else in a key's place may be a
// secret that slipped there.
var plainKey = regexp.MustCompile(`^[A-Za-z][A-Za-z_-]{0,31}$`)

// keyPath is the path of a key for people. A key that does not look like one is
// not shown.
func keyPath(path, key string) string {
	if !plainKey.MatchString(key) {
		key = "(key not shown)"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func indexPath(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
