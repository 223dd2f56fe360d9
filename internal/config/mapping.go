package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/token"

	"github.com/postrider/postrider/internal/mapspec"
)

// mappingProvider is the provider id of sources that declare their mapping.
const mappingProvider = "mapping"

// mapping checks that a mapping is where one belongs. What it says is checked by the
// package that compiles it.
func (v *validator) mapping(path string, s *Source) {
	given, key := s.Mapping != nil, ".mapping"
	if s.MappingFile != "" {
		given, key = true, ".mapping_file"
	}
	switch {
	case given && s.Provider != mappingProvider:
		v.bad(path+key, "belongs to provider: "+mappingProvider, "name that provider, or remove the mapping")
	case !given && s.Provider == mappingProvider:
		v.bad(path+".mapping", "the mapping is missing", "give mapping or mapping_file: see docs/mapping.md")
	}
}

// mappingFiles reads the mappings that lie in files of their own.
func (l *loader) mappingFiles() {
	for i := range l.cfg.Sources {
		s, path := &l.cfg.Sources[i], indexPath("sources", i)
		l.mappingFile(&s.Mapping, s.MappingFile, path)
		l.mappingFile(&s.Shadow.Mapping, s.Shadow.MappingFile, path+".shadow")
	}
}

// mappingFile reads one mapping, if it lies in a file. Its keys have their places in
// that file.
func (l *loader) mappingFile(spec **mapspec.Spec, file, path string) {
	at := path + ".mapping_file"
	fail := func(message, hint string) {
		l.failed[at] = true
		l.problems.Add(at, l.cfg.Place(at), message, hint)
	}
	if file == "" {
		return
	}
	if *spec != nil {
		fail("both mapping and mapping_file are given", "give one of them")
		return
	}
	data, err := l.read(file)
	if err != nil {
		fail("cannot read the mapping "+file+": "+plainError(err), "")
		return
	}
	d := &decoder{problems: l.problems, places: l.cfg.places, failed: l.failed, hidden: l.cfg.hidden, texts: l.cfg.texts}
	*spec = d.mapping(l.shown(file), data, path+".mapping")
}

// shown is a file as messages name it: as the configuration's own is named.
func (l *loader) shown(file string) string {
	if rel, err := filepath.Rel(l.cfg.Dir, file); err == nil && filepath.IsLocal(rel) {
		return filepath.Join(filepath.Dir(l.cfg.File), rel)
	}
	return file
}

// mapping reads the file of a mapping; nil if it is no YAML.
func (d *decoder) mapping(file string, data []byte, path string) *mapspec.Spec {
	root := (&reader{file: file, problems: d.problems}).read(data)
	if root == nil {
		return nil
	}
	spec := &mapspec.Spec{}
	d.decode(root, reflect.ValueOf(spec).Elem(), path)
	return spec
}

// ReadMapping reads a mapping that stands alone in a file; name is what messages call
// it. Check looks further, as Options.Check does, at what was read: place tells where
// the text of a key stands. The error is a *Problems.
func ReadMapping(name string, data []byte, check func(spec *mapspec.Spec, place Place, problems *Problems)) (*mapspec.Spec, error) {
	problems := &Problems{}
	d := newDecoder(problems)
	spec := d.mapping(name, data, "")
	if spec != nil {
		c := &Config{places: d.places, texts: d.texts}
		check(spec, c.PlaceIn, problems)
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return spec, nil
}

// Place tells where a line and a column, from 1, of the text of the key at path stand;
// where line is 0, where the key does.
type Place func(path string, line, column int) string

// newDecoder returns a decoder that has decoded nothing yet.
func newDecoder(problems *Problems) *decoder {
	return &decoder{
		problems: problems, places: map[string]string{}, failed: map[string]bool{},
		hidden: map[string]bool{}, texts: map[string]text{},
	}
}

// spot is where a scalar begins in its file.
type spot struct {
	file         string
	lines        []string // of the file
	line, column int      // from 1
}

// spot returns where a token begins.
func (r *reader) spot(t *token.Token) spot {
	if t == nil || t.Position == nil {
		return spot{}
	}
	return spot{r.file, r.lines, t.Position.Line, t.Position.Column}
}

// text is a text of the file, and where it begins.
type text struct {
	spot

	value string
}

// spot remembers where an expression stands, so that what is wrong inside of it can be
// pointed at.
func (d *decoder) spot(n *node, path string) {
	if n.kind == kindText && n.spot.line > 0 && !n.expanded && strings.HasPrefix(strings.TrimSpace(n.text), "=") {
		d.texts[path] = text{n.spot, n.text}
	}
}

// PlaceIn returns the place of a line and a column, both from 1, inside of the text of
// the key at path; where that is not known, or line is 0, the key's.
func (c *Config) PlaceIn(path string, line, column int) string {
	t, ok := c.texts[path]
	if line < 1 || !ok || t.line > len(t.lines) {
		return c.Place(path)
	}
	row, col := t.locate(line, column)
	return fmt.Sprintf("%s:%d:%d", t.file, row, col)
}

// locate walks through the file's own text and the value that it stands for, side by
// side: quotes, escapes, the sign of a block and its indentation are in the file only.
// Where the two do not go together it is where the text begins.
func (t *text) locate(line, column int) (row, col int) {
	w := walk{source: []rune(strings.Join(t.lines[t.line-1:], "\n")), row: t.line, col: t.column}
	w.i = min(t.column-1, len(w.source))
	escapes := w.i < len(w.source) && w.source[w.i] == '"'
	at := offset(t.value, line, column)
	for n, want := range []rune(t.value) {
		length := 0
		if escapes {
			length = escape(w.source[w.i:])
		}
		if length == 0 {
			w.find(want)
		}
		if w.i >= len(w.source) {
			return t.line, t.column
		}
		if n >= at {
			break
		}
		if w.source[w.i] == want {
			length = max(length, 1)
		}
		w.steps(length)
	}
	return w.row, w.col
}

// walk is a place in the text of a file.
type walk struct {
	source      []rune
	i, row, col int
}

// steps goes on by characters.
func (w *walk) steps(n int) {
	for range n {
		if w.source[w.i] == '\n' {
			w.row, w.col = w.row+1, 0
		}
		w.i, w.col = w.i+1, w.col+1
	}
}

// find goes on to a character of the value. A blank or a line's end may be either in
// the file, with indentation behind it.
func (w *walk) find(want rune) {
	blank := want == ' ' || want == '\n'
	for w.i < len(w.source) && w.source[w.i] != want {
		if at := w.source[w.i]; blank && at != '\r' && at != '\\' {
			break
		}
		w.steps(1)
	}
	for blank && w.i < len(w.source) && (w.source[w.i] == '\n' || w.col == 1 && w.source[w.i] == ' ') {
		w.steps(1)
	}
}

// escape is how many characters of a text in double quotes an escape has that stands for
// another character than its last; 0 if there is none.
func escape(source []rune) int {
	if len(source) < 2 || source[0] != '\\' {
		return 0
	}
	length := 0
	switch source[1] {
	case 'x':
		length = 4
	case 'u':
		length = 6
	case 'U':
		length = 10
	case '0', 'a', 'b', 't', 'n', 'v', 'f', 'r', 'e', 'N', '_', 'L', 'P':
		length = 2
	}
	return min(length, len(source))
}

// offset is the index of the character at a line and a column, both from 1.
func offset(value string, line, column int) int {
	n := 0
	lines := strings.Split(value, "\n")
	for _, l := range lines[:min(line-1, len(lines))] {
		n += len([]rune(l)) + 1
	}
	return n + column - 1
}

// sources reads one source or a list of them. A text is one, whatever it holds.
func (d *decoder) sources(n *node, v reflect.Value, path string) {
	if n.kind != kindList {
		if text, ok := d.text(n, path, "the way to a member, or an expression"); ok && text != "" {
			v.Set(reflect.ValueOf(mapspec.Sources{text}))
		}
		return
	}
	list := make(mapspec.Sources, 0, len(n.items))
	for i, item := range n.items {
		at := indexPath(path, i)
		d.places[at] = item.place
		d.spot(item, at)
		if len(n.items) == 1 {
			d.spot(item, path)
		}
		text, ok := d.text(item, at, "the way to a member, or an expression")
		if ok && text == "" {
			d.fail(item, at, emptyMessage(item), "")
		}
		list = append(list, text)
	}
	v.Set(reflect.ValueOf(list))
}

// namedGroups reads groups of the same keys by their names.
func (d *decoder) namedGroups(n *node, v reflect.Value, path string) {
	if n.kind != kindGroup {
		d.fail(n, path, "expected a group of keys, got "+n.kind.String(), "")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range n.keys {
		group := reflect.New(v.Type().Elem()).Elem()
		d.decode(e.value, group, namedPath(path, e.key))
		v.SetMapIndex(reflect.ValueOf(e.key), group)
	}
}

// optionPath is the path of an entry of a table: by its name in quotes where it is the
// provider's word, which is no secret; else as of any key.
func optionPath(t reflect.Type, path, key string) string {
	if t == reflect.TypeFor[mapspec.Table]() {
		return namedPath(path, key)
	}
	return keyPath(path, key)
}

func namedPath(path, key string) string { return path + "[" + strconv.Quote(key) + "]" }

// dumpGroups writes groups by their names.
func dumpGroups(v reflect.Value) map[string]any {
	out := make(map[string]any, v.Len())
	for _, key := range v.MapKeys() {
		out[key.String()] = dumpGroup(v.MapIndex(key), false)
	}
	return out
}
