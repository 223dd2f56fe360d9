package config

import (
	"net/netip"
	"reflect"
	"slices"
	"time"
)

// field is one key of a group in the shape of Config.
type field struct {
	key   string
	index int
	typ   reflect.Type
}

// fields returns the keys of a struct in their order.
func fields(t reflect.Type) []field {
	list := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		if key := f.Tag.Get("yaml"); key != "" && key != "-" {
			list = append(list, field{key: key, index: i, typ: f.Type})
		}
	}
	return list
}

func keysOf(t reflect.Type) []string {
	list := fields(t)
	keys := make([]string, 0, len(list))
	for _, f := range list {
		keys = append(keys, f.key)
	}
	return keys
}

// homeOf returns the group that has the key, if it is exactly one.
func homeOf(key string) string {
	home, count := "", 0
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		for _, f := range fields(t) {
			if f.key == key && path != "" {
				home, count = path, count+1
			}
			switch {
			case isGroup(f.typ):
				walk(f.typ, keyPath(path, f.key))
			case f.typ.Kind() == reflect.Slice && isGroup(f.typ.Elem()):
				walk(f.typ.Elem(), keyPath(path, f.key)+"[]")
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	if count != 1 {
		return ""
	}
	return home
}

// isGroup reports whether t is a group of keys and not a value.
func isGroup(t reflect.Type) bool {
	values := []reflect.Type{reflect.TypeFor[time.Time](), reflect.TypeFor[netip.Prefix]()}
	return t.Kind() == reflect.Struct && !slices.Contains(values, t)
}

// isOwnGroup reports whether t is a group that may be missing. It is given in a file
// as a whole: no variable reaches into it.
func isOwnGroup(t reflect.Type) bool { return t.Kind() == reflect.Pointer && isGroup(t.Elem()) }
