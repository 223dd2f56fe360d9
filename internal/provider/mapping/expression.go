package mapping

import (
	"errors"
	"fmt"
	"reflect"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// Bounds of expressions. With them the cost of an item is at most its size times the
// nodes of the mapping, whatever is sent.
const (
	maxExpression = 2000      // bytes of one
	maxNodes      = 200       // of its syntax tree
	maxAllNodes   = 2000      // of all expressions of a mapping
	maxPattern    = 500       // steps of a pattern, counted repetitions written out
	maxItem       = 64 * 1024 // bytes of an item; of a longer one expressions see nothing
	memoryBudget  = 200_000   // list elements made by one evaluation
)

// environment holds the names that an expression may use.
type environment struct {
	Item    map[string]any    `expr:"item"`    // the item
	Outer   map[string]any    `expr:"outer"`   // the envelope around it
	Headers map[string]string `expr:"headers"` // of the request, names in lower case, the first of each
	Query   map[string]string `expr:"query"`   // parameters of the address that was called
	Index   int               `expr:"index"`   // the item's place in the request, from 0
}

// program is a compiled expression, safe for concurrent use.
type program struct {
	code     *vm.Program
	machines *sync.Pool // of *vm.VM
	carries  []carry    // members whose value the result may hold as it is
	own      bool       // it depends on the item, not only on the request
	fixed    bool       // it depends on nothing
	outer    []string   // members of the envelope that it looks at
	uses     []Use      // what it looks at of the request
}

// Use is a header or a parameter of the address that an expression looks at. Whether a
// stored request still has it depends on the source.
type Use struct {
	Path   string // the key of the expression
	Header bool   // else a parameter
	Name   string // of a header in lower case
}

// carry is a member whose value the result of an expression may hold as it is.
type carry struct {
	place

	whole bool // the result is the value, or has nothing of it
}

// run evaluates the expression; nil where it breaks down at what the item lacks.
func (p *program) run(env *environment) any {
	machine := p.machines.Get().(*vm.VM) //nolint:forcetypeassert,errcheck // the pool makes no others
	defer p.machines.Put(machine)
	result, err := machine.Run(p.code, env)
	if err != nil {
		return nil
	}
	return result
}

// compileExpression compiles an expression. nodes is how many nodes it has.
func compileExpression(text string, t *tree) (p *program, nodes int, err error) {
	if len(text) > maxExpression {
		return nil, 0, fmt.Errorf("the expression has %d bytes; %d are allowed", len(text), maxExpression)
	}
	parsed, err := parser.Parse(text)
	if err != nil {
		return nil, 0, err //nolint:wrapcheck // explain takes it apart
	}
	s := &surveyor{}
	ast.Walk(&parsed.Node, s)
	if len(s.whole) > len(s.uses) {
		s.refuse(s.whole[0], "of headers and query only single ones are available: headers[\"x-id\"], query.campaign")
	}
	if s.err != nil {
		return nil, 0, s.err.Bind(parsed.Source)
	}
	code, err := expr.Compile(text, options()...)
	if err != nil {
		return nil, 0, err //nolint:wrapcheck // as above
	}
	p = &program{code: code, own: s.own, fixed: !s.looks, outer: s.outer, uses: s.uses, machines: &sync.Pool{New: func() any { return &vm.VM{MemoryBudget: memoryBudget} }}}
	for _, c := range carried(parsed.Node, false) {
		p.carries = append(p.carries, carry{t.place(c.names), c.whole})
	}
	return p, s.nodes, nil
}

// explain turns the compiler's error into a problem.
func explain(path string, err error) Problem {
	p := Problem{Path: path, Message: err.Error()}
	if at, ok := errors.AsType[*file.Error](err); ok {
		p.Message, p.Line, p.Column = at.Message, at.Line, at.Column+1
	}
	switch {
	case p.Message == "unexpected token EOF":
		p.Message = "the expression ends too early"
	case p.Message == `unexpected token Operator("=")`:
		p.Message = `unexpected "="`
		p.Hint = "write == to compare"
	case strings.HasPrefix(p.Message, "unknown name "):
		p.Hint = "an expression knows item, outer, headers, query and index: write item.name for a member"
	}
	return p
}

// surveyor walks a syntax tree and finds what could make an evaluation long or big.
type surveyor struct {
	nodes int
	looks bool // at anything
	own   bool
	outer []string
	uses  []Use
	whole []*ast.IdentifierNode // headers and query, wherever they stand
	err   *file.Error
}

// Visit implements ast.Visitor.
func (s *surveyor) Visit(node *ast.Node) {
	s.nodes++
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		s.identifier(n)
	case *ast.MemberNode:
		s.member(n)
	case *ast.BinaryNode:
		s.binary(n)
	case *ast.BuiltinNode:
		s.function(n, n.Name)
	case *ast.CallNode:
		s.call(n)
	case *ast.VariableDeclaratorNode:
		s.refuse(n, "variables (let) are not available")
	case *ast.SequenceNode:
		s.refuse(n, "a sequence (;) is not available")
	case *ast.PredicateNode:
		ast.Walk(&n.Node, &predicate{s})
	}
}

// identifier remembers what is looked at.
func (s *surveyor) identifier(n *ast.IdentifierNode) {
	s.looks = s.looks || slices.Contains(environmentNames(), n.Value)
	switch n.Value {
	case "item", "index":
		s.own = true
	case "headers", "query":
		s.whole = append(s.whole, n)
	case "$env":
		s.refuse(n, "$env is not available: name what you want")
	}
}

// member remembers what is looked at of the envelope and of the request.
func (s *surveyor) member(n *ast.MemberNode) {
	name, plain := n.Property.(*ast.StringNode)
	of, ok := n.Node.(*ast.IdentifierNode)
	if !ok || !plain {
		return
	}
	switch of.Value {
	case "outer":
		s.outer = append(s.outer, name.Value)
	case "headers":
		s.uses = append(s.uses, Use{Header: true, Name: name.Value})
	case "query":
		s.uses = append(s.uses, Use{Name: name.Value})
	}
}

// call refuses methods.
func (s *surveyor) call(n *ast.CallNode) {
	if name, ok := n.Callee.(*ast.IdentifierNode); ok {
		s.function(n, name.Value)
		return
	}
	s.refuse(n, "methods are not available")
}

// binary refuses ranges, and patterns that an item brings.
func (s *surveyor) binary(n *ast.BinaryNode) {
	switch pattern, fixed := n.Right.(*ast.StringNode); {
	case n.Operator == "..":
		s.refuse(n, "ranges (..) are not available")
	case n.Operator == "matches" && !fixed:
		s.refuse(n, "the pattern of matches has to be a text in quotes")
	case n.Operator == "matches" && steps(pattern.Value) > maxPattern:
		s.refuse(n, fmt.Sprintf("the pattern is too long: it has more than %d steps, counted repetitions written out", maxPattern))
	}
}

// steps is how many steps a pattern has, each of which may be taken for each character
// of a text; 0 for what is no pattern.
func steps(pattern string) int {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0 // the compiler says what is wrong with it
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0
	}
	return len(program.Inst)
}

func (s *surveyor) function(n ast.Node, name string) {
	if !slices.Contains(functions(), name) {
		s.refuse(n, "there is no function "+name+": there are "+strings.Join(functions(), ", "))
	}
}

func (s *surveyor) refuse(n ast.Node, message string) {
	if s.err == nil {
		s.err = &file.Error{Location: n.Location(), Message: message}
	}
}

// predicate walks what is done for each element of a list: it may look at the element
// and nothing else, and make no texts. So a list of n costs its own size, not n times
// the item's.
type predicate struct{ surveyor *surveyor }

// Visit implements ast.Visitor.
func (p *predicate) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if slices.Contains(environmentNames(), n.Value) {
			p.surveyor.refuse(n, n.Value+" is not available for each element of a list: there is # only")
		}
	case *ast.BinaryNode:
		if n.Operator == "+" {
			p.surveyor.refuse(n, "+ is not available for each element of a list")
		}
		if n.Operator == "matches" {
			p.own(node)
		}
	case *ast.BuiltinNode, *ast.CallNode:
		p.own(node)
	case *ast.ArrayNode, *ast.MapNode:
		if holdsElement(node) {
			p.surveyor.refuse(n, "no list or object is made of each element of a list")
		}
	}
}

// own refuses what is the same for each element, which its size does not bound.
func (p *predicate) own(node *ast.Node) {
	if !holdsElement(node) {
		p.surveyor.refuse(*node, "it is the same for each element of a list: write what it gives")
	}
}

// holdsElement reports whether an element of a list stands in a tree. What is made of
// it twice over would double with each list around it.
func holdsElement(node *ast.Node) bool {
	e := &element{}
	ast.Walk(node, e)
	return e.found
}

// element finds an element of a list.
type element struct{ found bool }

// Visit implements ast.Visitor.
func (e *element) Visit(node *ast.Node) {
	if _, ok := (*node).(*ast.PointerNode); ok {
		e.found = true
	}
}

func environmentNames() []string {
	var names []string
	for f := range reflect.TypeFor[environment]().Fields() {
		names = append(names, f.Tag.Get("expr"))
	}
	return names
}

// carriedWay is the way to a member that is carried.
type carriedWay struct {
	names []string
	whole bool
}

// carried lists the ways to members of the item whose value the result of an
// expression may hold as it is: what is compared only is none. A result that is one of
// several, or a number, has a member only if it is the member: "1" is no part of 11.
func carried(node ast.Node, whole bool) []carriedWay {
	switch n := node.(type) {
	case *ast.MemberNode, *ast.ChainNode:
		if names := memberPath(n); len(names) > 0 {
			return []carriedWay{{names, whole}}
		}
	case *ast.ConditionalNode:
		return append(carried(n.Exp1, true), carried(n.Exp2, true)...)
	case *ast.BinaryNode:
		if n.Operator == "+" || n.Operator == "??" {
			whole = whole || n.Operator == "??"
			return append(carried(n.Left, whole), carried(n.Right, whole)...)
		}
	case *ast.BuiltinNode, *ast.CallNode:
		return carriedThrough(n, whole)
	case *ast.ArrayNode:
		var all []carriedWay
		for _, item := range n.Nodes {
			all = append(all, carried(item, whole)...)
		}
		return all
	}
	return nil
}

// carriedThrough lists what the result of a function may hold of its first argument.
func carriedThrough(call ast.Node, whole bool) []carriedWay {
	var function string
	var arguments []ast.Node
	switch n := call.(type) {
	case *ast.BuiltinNode:
		function, arguments = n.Name, n.Arguments
	case *ast.CallNode:
		if name, ok := n.Callee.(*ast.IdentifierNode); ok {
			function, arguments = name.Value, n.Arguments
		}
	}
	switch function {
	case "int", "float":
		return carried(arguments[0], true)
	case "string", "trim", "trimPrefix", "trimSuffix", "lower", "upper", "join":
		return carried(arguments[0], whole)
	}
	return nil
}

// memberPath returns the names of item.a.b; nil for any other node.
func memberPath(node ast.Node) []string {
	switch n := node.(type) {
	case *ast.ChainNode:
		return memberPath(n.Node)
	case *ast.MemberNode:
		name, ok := n.Property.(*ast.StringNode)
		if !ok {
			return nil
		}
		if of, ok := n.Node.(*ast.IdentifierNode); ok {
			if of.Value == "item" {
				return []string{name.Value}
			}
			return nil
		}
		if before := memberPath(n.Node); before != nil {
			return append(before, name.Value)
		}
	}
	return nil
}
