package config

import (
	"reflect"
	"strings"
)

// reloadable lists what a running process takes over from a new configuration;
// a group stands for all below it.
func reloadable() []string {
	return []string{
		"sources", "log.level", "server.trusted_proxies", "forward", // of which the receiver uses nothing
		"kafka.sasl.username", "kafka.sasl.password", "kafka.sasl.password_file",
	}
}

// Reload is the configuration of a process that runs with c once it has read
// next: what can be taken over is next's, every other key is c's. Kept names the
// keys, in their order, whose new value needs a restart. Neither c nor next is
// changed.
func (c *Config) Reload(next *Config) (effective *Config, kept []string) {
	e := *next
	e.File, e.Dir = c.File, c.Dir
	r := reload{taken: reloadable()}
	r.merge(reflect.ValueOf(&e).Elem(), reflect.ValueOf(c).Elem(), "")
	return &e, r.kept
}

// reload is one call of Reload.
type reload struct {
	taken []string
	kept  []string
}

// merge puts back into next what cannot be taken over.
func (r *reload) merge(next, old reflect.Value, path string) {
	for _, f := range fields(next.Type()) {
		at := keyPath(path, f.key)
		n, o := next.Field(f.index), old.Field(f.index)
		switch {
		case r.takes(at):
		case isGroup(f.typ):
			r.merge(n, o, at)
		case !reflect.DeepEqual(n.Interface(), o.Interface()):
			r.kept = append(r.kept, at)
			n.Set(o)
		}
	}
}

// takes reports whether the key, or a group above it, can be taken over.
func (r *reload) takes(path string) bool {
	for _, t := range r.taken {
		if path == t || strings.HasPrefix(path, t+".") {
			return true
		}
	}
	return false
}
