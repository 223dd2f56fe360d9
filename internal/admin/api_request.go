package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/replay"
)

// maxBody bounds a request's body. A plan of a thousand partitions takes 200 KB.
const maxBody = 1 << 20

// body reads the body of a request.
func (c *call) body() ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &problem{status: http.StatusUnsupportedMediaType, text: "the body has to be JSON: Content-Type: application/json"}
	}
	data, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, &problem{status: http.StatusRequestEntityTooLarge, text: fmt.Sprintf("the body is larger than %d bytes", maxBody)}
	}
	if err != nil {
		return nil, invalid("the body cannot be read to its end")
	}
	return data, nil
}

// noBody refuses what nobody would read.
func (c *call) noBody() error {
	if n, err := io.ReadFull(c.r.Body, make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return invalid("this address takes no body")
	}
	return nil
}

// query refuses parameters other than those that an address has.
func (c *call) query(known ...string) (url.Values, error) {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, invalid("the query of the address cannot be read")
	}
	var problems []string
	for name, v := range values {
		switch {
		case !slices.Contains(known, name):
			problems = append(problems, fmt.Sprintf("there is no parameter %q", name))
		case len(v) > 1:
			problems = append(problems, fmt.Sprintf("the parameter %q is there twice", name))
		}
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return nil, invalid("the query of the address has parameters that mean nothing here", problems...)
	}
	return values, nil
}

// strict decodes JSON into v. Fields that v does not have are a mistake of the
// request, and told by their names: a condition that is spelled wrong must not widen
// what is replayed.
func strict(data []byte, v any) error {
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		return invalid("the body is no JSON: " + jsonTrouble(err))
	}
	if problems := unknownFields(tree, reflect.TypeOf(v).Elem(), ""); len(problems) > 0 {
		slices.Sort(problems)
		return invalid("the body has fields that mean nothing here", problems...)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return invalid("the body cannot be read: " + jsonTrouble(err))
	}
	return nil
}

// jsonTrouble says what is wrong with JSON without quoting values.
func jsonTrouble(err error) string {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("at byte %d: %s", e.Offset, strings.TrimPrefix(e.Error(), "json: "))
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("%s cannot be a %s; want %s", e.Field, e.Value, e.Type)
	}
	return "a value is not what its field takes (times are RFC 3339, durations nanoseconds)"
}

// unknownFields lists the members of a JSON value that a type has no field for.
// Names are compared exactly.
func unknownFields(v any, t reflect.Type, path string) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var found []string
	switch v := v.(type) {
	case []any:
		if t.Kind() != reflect.Slice {
			return nil
		}
		for i, item := range v {
			found = append(found, unknownFields(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))...)
		}
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return nil
		}
		for name, item := range v {
			at := strings.TrimPrefix(path+"."+name, ".")
			field, ok := fieldOf(t, name)
			if !ok {
				found = append(found, at)
				continue
			}
			found = append(found, unknownFields(item, field, at)...)
		}
	}
	return found
}

// fieldOf finds the type of a struct's field by its JSON name.
func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	for f := range t.Fields() {
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name && tag != "-" {
			return f.Type, true
		}
	}
	return nil, false
}

// want is what is asked to be executed: a request, or the plan of one.
type want struct {
	request *replay.Request
	plan    *replay.Plan // nil: there is none yet
}

// readWant reads either; a plan is what has a request in it.
func readWant(data []byte) (want, error) {
	var top map[string]json.RawMessage
	if json.Unmarshal(data, &top) == nil && top["request"] != nil {
		plan := new(replay.Plan)
		err := strict(data, plan)
		return want{&plan.Request, plan}, err
	}
	req := new(replay.Request)
	return want{request: req}, strict(data, req)
}

// permit says which requests cannot be made from afar: those that would read or
// write files of this machine, or call what only its network can reach.
func (a *API) permit(req *replay.Request) error {
	var problems []string
	bad := func(wrong bool, why string) {
		if wrong {
			problems = append(problems, why)
		}
	}
	t := &req.To
	bad(req.FromFile != "", "from_file: a file of this machine is not read for the API; use postrider replay --from-file")
	bad(t.Kind == replay.ToFile || t.File != "", "to.file: no file is written on this machine for the API; use postrider replay")
	bad(t.Kind == replay.ToStdout, "to.kind: the API has no standard output; use postrider replay")
	bad(len(t.SecretFiles) > 0, "to.secret_files: the API reads no files; configure the target under replay.targets and give its name")
	bad(len(t.Allow) > 0, "to.allow: which addresses may be called is configured under replay.targets; give the target's name")
	bad(t.URL != "" && t.Name != "", "to.url: the target's name says where it is; give one of the two")
	if t.URL != "" && a.opt.CheckURL != nil {
		if err := a.opt.CheckURL(t.URL); err != nil {
			problems = append(problems, "to.url: "+err.Error())
		}
	}
	if len(problems) > 0 {
		return invalid("the request cannot be made by the API", problems...)
	}
	return nil
}
