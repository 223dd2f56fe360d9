package mapping

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
)

// maxShared bounds, in bytes, what expressions see of one header, one parameter or one
// member of the envelope. The items of a request share those: what is longer could
// stand in thousands of events.
const maxShared = 4096

// request is what expressions see beside the item, made once for all the items that
// share it. No expression changes it.
type request struct {
	named  map[string]string // headers
	params map[string]string
	outer  jsondoc.Object // of which around is
	around map[string]any
}

// headers returns the first of each header, but for those that prove who sends.
func (q *request) headers(at provider.Place) map[string]string {
	if q.named == nil {
		q.named = make(map[string]string)
		for name, values := range at.Request.Header {
			if len(values) > 0 && len(values[0]) <= maxShared && !secret(name) {
				q.named[strings.ToLower(name)] = values[0]
			}
		}
	}
	return q.named
}

// query returns the first of each parameter, but for the token that proves who sends.
func (q *request) query(at provider.Place) map[string]string {
	if q.params == nil {
		q.params = make(map[string]string)
		for name, values := range at.Request.Query {
			if len(values) > 0 && len(values[0]) <= maxShared && name != "token" {
				q.params[name] = values[0]
			}
		}
	}
	return q.params
}

// envelope returns the members of an item's envelopes that expressions look at: of
// several with one name that of the innermost.
func (q *request) envelope(names []string, at provider.Place) map[string]any {
	if at.Outer.IsZero() {
		return nil
	}
	if at.Outer == q.outer {
		return q.around
	}
	q.outer, q.around = at.Outer, make(map[string]any, len(names))
	for _, name := range names {
		if v, ok := member(at.Around, name); ok && len(v.Bytes()) <= maxShared {
			q.around[name] = v.Any()
		}
	}
	return q.around
}

// member finds a member in the first of some objects that has it.
func member(objects []jsondoc.Object, name string) (jsondoc.Value, bool) {
	for _, o := range objects {
		if v, ok := o.Member(name); ok {
			return v, true
		}
	}
	return jsondoc.Value{}, false
}

// secret reports whether a header proves who sends and says nothing of events.
func secret(name string) bool {
	name = strings.ToLower(name)
	return name == "authorization" || name == "cookie" || name == "proxy-authorization"
}
