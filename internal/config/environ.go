package config

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// EnvPrefix begins every environment variable that overrides a key:
// POSTRIDER_KAFKA_BROKERS, POSTRIDER_SOURCES_0_NAME.
const EnvPrefix = "POSTRIDER_"

var (
	indexPattern = regexp.MustCompile(`^[0-9]{1,3}$`)
	indexPart    = regexp.MustCompile(`_[0-9]+(_|$)`)

	// serviceLink is what Kubernetes sets in every pod for a Service that is
	// called postrider; https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables.
	serviceLink = regexp.MustCompile(`^([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	linkAddress = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// step is one level of a path: a key, or an index if key is "".
type step struct {
	key   string
	index int
}

// overlay merges the environment into the tree.
type overlay struct {
	problems *Problems
	known    []string // name of every leaf, with N for an index
}

// apply sets what the variables override. Names in referenced are used by the
// file as ${NAME} and need not be keys.
func (o *overlay) apply(root *node, vars variables, referenced map[string]bool) {
	names := make([]string, 0, len(vars))
	for name := range vars {
		if strings.HasPrefix(name, EnvPrefix) && !reserved(name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, compareNatural)
	shape := reflect.TypeFor[Config]()
	for _, name := range names {
		rest := strings.TrimPrefix(name, EnvPrefix)
		if steps, ok := resolve(shape, rest); ok {
			o.set(root, steps, name, vars[name])
		} else if !referenced[name] && !isServiceLink(rest, vars[name]) {
			o.unknown(name)
		}
	}
}

// FileVariable names the file to read where Options.File does not.
const FileVariable = EnvPrefix + "CONFIG"

// reserved reports whether the name means something else than a key.
func reserved(name string) bool {
	return name == FileVariable || strings.HasPrefix(name, EnvPrefix+"TEST_")
}

func isServiceLink(rest, value string) bool {
	return serviceLink.MatchString(rest) || strings.HasSuffix("_"+rest, "_PORT") && linkAddress.MatchString(value)
}

// resolve finds the path that a name stands for. Keys hold underscores
// themselves, so the shape of the configuration decides where a key ends.
func resolve(t reflect.Type, rest string) ([]step, bool) {
	switch {
	case isGroup(t):
		return resolveKey(t, rest)
	case t.Kind() == reflect.Map && rest != "":
		return []step{{key: strings.ToLower(rest)}}, true
	case t.Kind() == reflect.Slice && rest != "":
		return resolveIndex(t.Elem(), rest)
	case t.Kind() == reflect.Slice:
		return nil, !isGroup(t.Elem())
	}
	return nil, rest == "" && t.Kind() != reflect.Map && !isOwnGroup(t)
}

func resolveKey(t reflect.Type, rest string) ([]step, bool) {
	for _, f := range fields(t) {
		after, ok := strings.CutPrefix(rest, strings.ToUpper(f.key))
		if !ok || after != "" && !strings.HasPrefix(after, "_") || after == "_" {
			continue
		}
		if steps, ok := resolve(f.typ, strings.TrimPrefix(after, "_")); ok {
			return append([]step{{key: f.key}}, steps...), true
		}
	}
	return nil, false
}

func resolveIndex(elem reflect.Type, rest string) ([]step, bool) {
	digits, after, _ := strings.Cut(rest, "_")
	if !indexPattern.MatchString(digits) {
		return nil, false
	}
	index, err := strconv.Atoi(digits)
	if err != nil {
		return nil, false
	}
	steps, ok := resolve(elem, after)
	return append([]step{{index: index}}, steps...), ok
}

// set gives the value at the path the variable's text.
func (o *overlay) set(root *node, steps []step, name, value string) {
	n, path, place := root, "", "environment "+name
	var err error
	for _, s := range steps {
		if s.key == "" {
			path = indexPath(path, s.index)
			n, err = n.item(s.index, place)
		} else {
			key := n.spelling(s.key)
			path = keyPath(path, key)
			n, err = n.child(key, place)
		}
		if err != nil {
			o.problems.Add(path, place, err.Error(), "")
			return
		}
	}
	*n = node{kind: kindText, place: place, text: value, fromEnv: true}
}

// spelling returns the key as the file spells it: free keys, such as those of
// `options`, may hold capitals, dots and dashes, which no variable's name can.
func (n *node) spelling(key string) string {
	fold := strings.NewReplacer("-", "_", ".", "_")
	for _, e := range n.keys {
		if fold.Replace(strings.ToLower(e.key)) == key {
			return e.key
		}
	}
	return key
}

// unknown reports a variable that no key answers to.
func (o *overlay) unknown(name string) {
	if o.known == nil {
		o.known = variableNames(reflect.TypeFor[Config](), strings.TrimSuffix(EnvPrefix, "_"))
	}
	indexes := regexp.MustCompile(`_[0-9]+`).FindAllString(name, -1)
	near := Nearest(indexPart.ReplaceAllString(indexPart.ReplaceAllString(name, "_N$1"), "_N$1"), o.known)
	for _, index := range indexes {
		near = strings.Replace(near, "_N", index, 1)
	}
	hint := "variables are named after the path of their key, e.g. POSTRIDER_KAFKA_BROKERS or POSTRIDER_SOURCES_0_NAME"
	switch {
	case near == name:
		hint = "its index is too large: the items of a list count from 0, without gaps, in at most 3 digits"
	case near != "" && !strings.Contains(near, "_N_"):
		hint = "did you mean " + near + "?"
	}
	o.problems.Add("", "environment "+name, "no key has this variable", hint)
}

// variableNames returns the variable of every leaf of t, with N for an index.
func variableNames(t reflect.Type, name string) []string {
	switch {
	case isGroup(t):
		var names []string
		for _, f := range fields(t) {
			names = append(names, variableNames(f.typ, name+"_"+strings.ToUpper(f.key))...)
		}
		return names
	case t.Kind() == reflect.Slice && isGroup(t.Elem()):
		return variableNames(t.Elem(), name+"_N")
	case t.Kind() == reflect.Map, isOwnGroup(t):
		return nil
	}
	return []string{name}
}
