package selection

import (
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"github.com/postrider/postrider/pkg/event"
)

// Bounds of an expression.
const (
	maxExpression = 4096    // bytes
	maxNodes      = 500     // of its syntax tree
	maxNesting    = 2       // predicates within predicates: any(tags, any(recipients, …))
	memoryBudget  = 100_000 // list elements made by one evaluation
)

// where is a compiled expression, safe for concurrent use.
type where struct {
	text     string
	program  *vm.Program
	asks     asks
	machines sync.Pool // of *machine
}

// machine is what one evaluation needs.
type machine struct {
	vm  vm.VM
	env environment
}

// compileWhere compiles an expression. The error is an *ExpressionError.
func compileWhere(text string) (*where, error) {
	if len(text) > maxExpression {
		return nil, &ExpressionError{Message: fmt.Sprintf("the expression has %d bytes; %d are allowed", len(text), maxExpression)}
	}
	wanted, err := survey(text)
	if err != nil {
		return nil, err
	}
	sums := &joiner{}
	program, err := expr.Compile(text, append(options(), expr.Patch(sums))...)
	if err != nil {
		return nil, explain(text, err)
	}
	if sums.err != nil {
		return nil, explain(text, sums.err.Bind(program.Source()))
	}
	w := &where{text: text, program: program, asks: wanted}
	w.machines.New = func() any { return &machine{vm: vm.VM{MemoryBudget: memoryBudget}} }
	return w, nil
}

// options give the language its names and take from it what has no place here: an
// expression must mean the same whenever and wherever it is evaluated.
func options() []expr.Option {
	list := []expr.Option{
		expr.Env(&environment{}), expr.AsBool(), expr.WarnOnAny(), expr.MaxNodes(maxNodes),
	}
	for _, name := range disabled() {
		list = append(list, expr.DisableBuiltin(name))
	}
	return list
}

// disabled are the functions that depend on when or where they are called, that break
// down at what is absent (metadata["x"] does not), or that make much of little: those
// that join texts, or make lists as long as a text. The budget counts elements, not
// bytes, and who may only look at plans could have the process killed by one
// expression.
func disabled() []string {
	return []string{
		"now", "timezone", "get", "take",
		"repeat", "replace", "join", "toJSON", "fromJSON", "toBase64", "fromBase64",
		"split", "splitAfter", "concat", "flatten", "toPairs", "fromPairs", "sort", "uniq", "reverse",
	}
}

// folding are the functions of the same sort that take a predicate, which the library
// cannot disable.
func folding() []string { return []string{"reduce", "sum", "groupBy", "sortBy"} }

// told reports whether the expression can be evaluated by what a record's headers tell.
func (w *where) told(t *told) bool {
	switch {
	case w.asks&asksEvent != 0:
		return false
	case w.asks&asksType != 0:
		return t.whole()
	case w.asks&asksOrigin != 0:
		return t.whole() || t.stored()
	}
	return true
}

// evaluate evaluates the expression; without an event by what the headers tell.
func (w *where) evaluate(r *Record, t *told, e *event.Event) (bool, error) {
	m := w.machines.Get().(*machine) //nolint:forcetypeassert,errcheck // the pool makes no others
	defer w.machines.Put(m)
	m.env = environment{}
	m.env.record(r, w.asks)
	if e != nil {
		m.env.event(e)
	} else {
		m.env.told(t)
	}
	result, err := m.vm.Run(w.program, &m.env)
	if err != nil {
		return false, broken(w.text, err)
	}
	fits, ok := result.(bool)
	if !ok {
		return false, &ExpressionError{Expression: w.text, Message: fmt.Sprintf("the result is %T, not true or false", result)}
	}
	return fits, nil
}

// surveyor walks a syntax tree: it collects what the names need, and finds what
// could make an evaluation endless or big.
type surveyor struct {
	asks asks
	err  *file.Error
}

// survey parses an expression and walks it.
func survey(text string) (asks, error) {
	tree, err := parser.Parse(text)
	if err != nil {
		return 0, explain(text, err)
	}
	s := &surveyor{}
	ast.Walk(&tree.Node, s)
	if s.err != nil {
		return 0, explain(text, s.err.Bind(tree.Source))
	}
	return s.asks, nil
}

// Visit implements ast.Visitor.
func (s *surveyor) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if n.Value == "$env" {
			s.refuse(n, "$env is not available: name the field")
		}
		s.asks |= asked(n.Value)
	case *ast.BinaryNode:
		s.visitBinary(n)
	case *ast.MemberNode:
		s.visitMember(n)
	case *ast.BuiltinNode:
		if slices.Contains(folding(), n.Name) {
			s.refuse(n, n.Name+" is not available here")
		}
	case *ast.PredicateNode:
		if nesting(n.Node) >= maxNesting {
			s.refuse(n, fmt.Sprintf("predicates are nested deeper than %d", maxNesting))
		}
	}
}

// visitBinary refuses ranges, and patterns that a record brings: those may take long.
func (s *surveyor) visitBinary(n *ast.BinaryNode) {
	switch _, fixed := n.Right.(*ast.StringNode); {
	case n.Operator == "..":
		s.refuse(n, "ranges (..) are not available")
	case n.Operator == "matches" && !fixed:
		s.refuse(n, "the pattern of matches has to be a text in quotes")
	}
}

// visitMember refuses methods of times: a layout can double what it is given, and local
// time is this machine's. Members of maps may be called so.
func (s *surveyor) visitMember(n *ast.MemberNode) {
	if of, ok := n.Node.(*ast.IdentifierNode); ok && (of.Value == "metadata" || of.Value == "headers") {
		return
	}
	if name, ok := n.Property.(*ast.StringNode); ok && slices.Contains([]string{"Format", "AppendFormat", "Local"}, name.Value) {
		s.refuse(n, name.Value+" is not available here")
	}
}

func (s *surveyor) refuse(n ast.Node, message string) {
	if s.err == nil {
		s.err = &file.Error{Location: n.Location(), Message: message}
	}
}

// joiner finds texts that are added: each addition can double them, and nothing
// counts their bytes. It is an expr patch, since it needs types; it changes nothing.
type joiner struct{ err *file.Error }

// Visit implements ast.Visitor.
func (j *joiner) Visit(node *ast.Node) {
	n, ok := (*node).(*ast.BinaryNode)
	if !ok || n.Operator != "+" || j.err != nil {
		return
	}
	for _, side := range []ast.Node{n.Left, n.Right} {
		if t := side.Type(); t == nil || t.Kind() == reflect.String || t.Kind() == reflect.Interface {
			j.err = &file.Error{Location: n.Location(), Message: "texts cannot be added: compare each with == and join the comparisons with and"}
			return
		}
	}
}

// nesting is how deep predicates lie within one another.
func nesting(node ast.Node) int {
	var d depth
	ast.Walk(&node, &d)
	return int(d)
}

type depth int

// Visit implements ast.Visitor.
func (d *depth) Visit(node *ast.Node) {
	if p, ok := (*node).(*ast.PredicateNode); ok {
		*d = max(*d, depth(1+nesting(p.Node)))
	}
}
