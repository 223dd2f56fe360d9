package mapping

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/mapspec"
	"github.com/postrider/postrider/pkg/event"
)

// compiler is one call of Compile.
type compiler struct {
	spec     *mapspec.Spec
	m        *Mapping
	nodes    int // of all expressions
	problems []Problem
}

func (c *compiler) bad(path, message, hint string) {
	c.problems = append(c.problems, Problem{Path: path, Message: message, Hint: hint})
}

// compile goes through the whole declaration.
func (c *compiler) compile() {
	c.m.slots = fieldSlots()
	c.bodies()
	c.conditions()
	c.words()
	c.m.subtypes = c.table("subtypes", c.spec.Subtypes)
	c.m.classes = c.table("classes", c.spec.Classes)
	c.m.categories = c.table("categories", c.spec.Categories)
	c.m.reasons = c.table("drop_reasons", c.spec.DropReasons)
	c.identity()
	c.times()
	c.m.fields = c.fields("fields", &c.spec.Fields)
	c.perType()
	c.leftovers()
}

// perType compiles the fields of single types.
func (c *compiler) perType() {
	c.m.perType = make(map[string]slots, len(c.spec.PerType))
	for _, key := range slices.Sorted(maps.Keys(c.spec.PerType)) {
		f := c.spec.PerType[key]
		if _, twice := c.m.perType[c.m.key(key)]; twice {
			c.bad(entry("per_type", key), "another word is equal to it where words are folded", "")
		}
		if !c.known(key) {
			c.bad(entry("per_type", key), "no such type: it is neither a word of types nor a canonical type", "")
		}
		c.m.perType[c.m.key(key)] = c.fields(entry("per_type", key), &f)
	}
}

// known reports whether there can be events under a key of per_type: with rules there
// may be words that the table does not have.
func (c *compiler) known(key string) bool {
	if event.Type(key).Valid() || len(c.spec.Rules) > 0 {
		return true
	}
	for word := range c.spec.Types {
		typ, _, _ := strings.Cut(word, "/")
		if c.m.key(word) == c.m.key(key) || c.m.key(typ) == c.m.key(key) {
			return true
		}
	}
	return false
}

// entry is the path of an entry of a table.
func entry(path, key string) string { return path + "[" + strconv.Quote(key) + "]" }

// bodies checks what requests look like.
func (c *compiler) bodies() {
	r := &c.m.reading
	r.Fold, r.Field = c.spec.Fold, c.spec.FormField
	switch c.spec.Body {
	case "", "json":
	case "lines":
		r.Lines = true
	case "form":
		r.Forms = true
	default:
		c.bad("body", "unknown kind of body", "known: json, lines, form")
	}
	if c.spec.FormField != "" && !r.Forms {
		c.bad("form_field", "belongs to body: form", "")
	}
	if c.spec.Items != "" {
		names, err := splitPath(c.spec.Items)
		if err != nil {
			c.bad("items", err.Error(), "")
		}
		r.Within = names
	}
	if c.spec.Version < 0 {
		c.bad("version", "must be at least 1", "")
	}
	c.methods("methods", c.spec.Methods, "POST", "PUT", "GET")
	c.methods("probes", c.spec.Probes, "GET", "HEAD", "OPTIONS")
}

func (c *compiler) methods(path string, given []string, known ...string) {
	for i, m := range given {
		if !slices.Contains(known, m) {
			c.bad(fmt.Sprintf("%s[%d]", path, i), "unknown method", "known: "+strings.Join(known, ", "))
		}
	}
}

// conditions compiles what decides beside words.
func (c *compiler) conditions() {
	if c.spec.Skip != "" {
		s := c.source("skip", c.spec.Skip)
		c.m.skip = &s
	}
	for i, r := range c.spec.Rules {
		path := fmt.Sprintf("rules[%d]", i)
		if r.When == "" {
			c.bad(path+".when", "the condition is missing", `write an expression: '= item.name == "x"'`)
			continue
		}
		o, wrong := parseOutcome(r.Then, true)
		if wrong != "" {
			c.bad(path+".then", wrong, "")
		}
		c.m.rules = append(c.m.rules, rule{c.source(path+".when", r.When), o})
	}
}

// words compiles the table of types.
func (c *compiler) words() {
	c.m.word = c.sources("type", c.spec.Type)
	if len(c.spec.Type) == 0 {
		c.bad("type", "the way to the event type is missing", "e.g. type: event")
	}
	if len(c.spec.Types)+len(c.spec.Rules) == 0 {
		c.bad("types", "there are no types: every event would be unknown", "e.g. types: {delivered: delivered, bounce: bounced}")
	}
	c.m.types = make(map[string]outcome, len(c.spec.Types))
	for _, word := range slices.Sorted(maps.Keys(c.spec.Types)) {
		path := entry("types", word)
		o, wrong := parseOutcome(c.spec.Types[word], true)
		if wrong != "" {
			c.bad(path, wrong, "")
		}
		key := c.m.key(word)
		if _, twice := c.m.types[key]; twice {
			c.bad(path, "another word is equal to it where words are folded", "")
		}
		c.m.types[key] = o
	}
}

// table compiles a table of words that qualify an event.
func (c *compiler) table(path string, t mapspec.Table) map[string]outcome {
	out := make(map[string]outcome, len(t))
	for _, word := range slices.Sorted(maps.Keys(t)) {
		o, wrong := parseOutcome(t[word], false)
		if wrong != "" {
			c.bad(entry(path, word), wrong, "")
		}
		key := jsondoc.Fold(word)
		if _, twice := out[key]; twice {
			c.bad(entry(path, word), "another word differs from it in spelling only", "")
		}
		out[key] = o
	}
	return out
}

func (c *compiler) identity() {
	c.m.id = c.sources("id", c.spec.ID)
	if c.spec.DeriveID && len(c.spec.ID) > 0 {
		c.bad("derive_id", "an id is given as well", "give one of them")
	}
	for i, s := range c.m.id {
		if s.program != nil && s.program.fixed {
			path := "id"
			if len(c.m.id) > 1 {
				path = fmt.Sprintf("id[%d]", i)
			}
			c.bad(path, "the id is always the same: every event but the first would be a duplicate", "look at item or headers")
		}
	}
}

// layout is a layout of package time that tells a day at least.
var layout = regexp.MustCompile(`2006|06`)

func (c *compiler) times() {
	for i, format := range c.spec.TimeAs {
		if !slices.Contains([]string{"unix", "millis", "rfc3339"}, format) && !layout.MatchString(format) {
			c.bad(fmt.Sprintf("time_format[%d]", i), "no format of times",
				"write unix, millis, rfc3339, or how 2006-01-02 15:04:05 would be written")
		}
	}
}

// fields compiles a group of fields.
func (c *compiler) fields(path string, f *mapspec.Fields) slots {
	out := make(slots, len(c.m.slots))
	for i, s := range c.m.slots {
		out[i] = c.sources(path+"."+s.key, s.from(f))
	}
	return out
}

// leftovers compiles what is said of members without a field.
func (c *compiler) leftovers() {
	for _, name := range slices.Sorted(maps.Keys(c.spec.Metadata)) {
		if name == "" || len(name) > jsondoc.MaxShort {
			c.bad(entry("metadata", name), fmt.Sprintf("a name has 1 to %d bytes", jsondoc.MaxShort), "")
		}
		c.m.metadata = append(c.m.metadata, named{name, c.source(entry("metadata", name), c.spec.Metadata[name])})
	}
	c.m.ignored = c.sources("ignore", c.spec.Ignore)
	for i, text := range c.spec.Ignore {
		if names, err := splitPath(text); err == nil && c.m.ignored[i].program == nil {
			c.m.hidden = append(c.m.hidden, names)
		}
	}
	for i, way := range c.spec.Proofs {
		if names := c.way(fmt.Sprintf("proofs[%d]", i), way); names != nil {
			c.m.hidden = append(c.m.hidden, names)
		}
	}
	for i, way := range c.spec.Open {
		if names := c.way(fmt.Sprintf("open[%d]", i), way); names != nil {
			c.m.tree.branches[c.m.tree.object(names)].forced = true
		}
	}
}

func (c *compiler) way(path, text string) []string {
	names, err := splitPath(text)
	if err != nil {
		c.bad(path, err.Error(), "")
		return nil
	}
	return names
}

// sources compiles where a value comes from.
func (c *compiler) sources(path string, given mapspec.Sources) []source {
	out := make([]source, 0, len(given))
	for i, text := range given {
		at := path
		if len(given) > 1 {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		out = append(out, c.source(at, text))
	}
	return out
}

// source compiles one source: an expression after "=", else the way to a member.
func (c *compiler) source(path, text string) source {
	trimmed := strings.TrimLeft(text, " \t\r\n")
	if !strings.HasPrefix(trimmed, "=") {
		names := c.way(path, text)
		if names == nil {
			return source{}
		}
		return source{member: c.m.tree.place(names)}
	}
	// A blank in place of "=" keeps every position.
	p, nodes, err := compileExpression(strings.Replace(text, "=", " ", 1), &c.m.tree)
	if err != nil {
		c.problems = append(c.problems, explain(path, err))
		return source{}
	}
	if c.nodes += nodes; c.nodes > maxAllNodes {
		c.bad(path, fmt.Sprintf("all expressions together have more than %d parts", maxAllNodes), "write ways to members where they do")
	}
	c.m.outer = append(c.m.outer, p.outer...)
	for _, u := range p.uses {
		c.m.uses = append(c.m.uses, Use{path, u.Header, u.Name})
	}
	return source{program: p}
}
