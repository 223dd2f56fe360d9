package schemas_test

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/schemas"
)

// object is a mapping of the AsyncAPI document.
type object = map[string]any

const (
	asyncAPIFile = "asyncapi.v1.yaml"
	eventFile    = "event.v1.schema.json"
)

// asyncAPI is the document that describes the topics.
type asyncAPI struct {
	t    *testing.T
	root object
	c    *jsonschema.Compiler
}

func loadAsyncAPI(t *testing.T) *asyncAPI {
	t.Helper()
	text, err := os.ReadFile(asyncAPIFile)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7) // what AsyncAPI's own schemas are
	c.AssertFormat()
	const folder = "file:///schemas/"
	d := &asyncAPI{t: t, c: c}
	for name, content := range map[string][]byte{asyncAPIFile: asJSON, eventFile: schemas.Event()} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(folder+name, doc); err != nil {
			t.Fatal(err)
		}
		if name == asyncAPIFile {
			d.root = as[object](t, doc)
		}
	}
	return d
}

// at is the mapping at a path, following references within the document.
func (d *asyncAPI) at(path ...string) object {
	d.t.Helper()
	here := d.root
	for i, name := range path {
		next, ok := here[name].(object)
		if !ok {
			d.t.Fatalf("there is no %s", strings.Join(path[:i+1], "/"))
		}
		here = d.resolve(next)
	}
	return here
}

// as is a value of the document that has to be a T.
func as[T any](t *testing.T, value any) T {
	t.Helper()
	v, ok := value.(T)
	if !ok {
		t.Fatalf("got %v, want a %T", value, v)
	}
	return v
}

func (d *asyncAPI) resolve(o object) object {
	if ref, ok := o["$ref"].(string); ok && strings.HasPrefix(ref, "#/") {
		return d.at(strings.Split(ref[2:], "/")...)
	}
	return o
}

// valid holds a value against the schema at a pointer.
func (d *asyncAPI) valid(pointer string, value any) error {
	d.t.Helper()
	compiled, err := d.c.Compile("file:///schemas/" + asyncAPIFile + "#" + pointer)
	if err != nil {
		d.t.Fatalf("%s: %v", pointer, err)
	}
	return compiled.Validate(value)
}

// properties is what a schema describes and what it requires, over all its parts.
func (d *asyncAPI) properties(schema object) (described map[string]object, required []string) {
	described = make(map[string]object)
	schema = d.resolve(schema)
	parts, _ := schema["allOf"].([]any)
	for _, part := range parts {
		inner, needed := d.properties(as[object](d.t, part))
		maps.Copy(described, inner)
		required = append(required, needed...)
	}
	own, _ := schema["properties"].(object)
	for name, property := range own {
		merged := make(object)
		maps.Copy(merged, described[name])
		maps.Copy(merged, d.resolve(as[object](d.t, property)))
		described[name] = merged
	}
	needed, _ := schema["required"].([]any)
	for _, name := range needed {
		required = append(required, as[string](d.t, name))
	}
	slices.Sort(required)
	return described, slices.Compact(required)
}

// message is the name of the one message of a route's topic.
func message(r event.Route) string {
	if r.Direction == event.Inbound {
		return "inbound" + strings.ToUpper(string(r.Type[:1])) + string(r.Type[1:])
	}
	return string(r.Type)
}

// The topics that a consumer group of the Go package makes.
var asideTopics = []string{"{prefix}.retry.{delay}", "{prefix}.dead"}

func TestChannelsAreTheTopics(t *testing.T) {
	d := loadAsyncAPI(t)
	cfg := config.Default()
	cfg.Kafka.Topics.All = true
	want := make(map[string]object)
	for _, s := range app.EveryTopic(cfg, false) {
		settings := object{}
		for key, value := range s.Configs {
			settings[key] = value
		}
		settings["partitions"] = strconv.Itoa(s.Partitions)
		want[s.Name] = settings
	}
	for _, name := range asideTopics {
		want[name] = nil
	}
	got := make(map[string]object)
	for name := range d.at("channels") {
		channel := d.at("channels", name)
		got[as[string](t, channel["address"])] = d.settings(channel)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("topics (-code +document):\n%s", diff)
	}
}

// settings are those of a channel's topic, as the code writes them.
func (d *asyncAPI) settings(channel object) object {
	d.t.Helper()
	bindings, ok := channel["bindings"].(object)
	if !ok {
		return nil
	}
	kafka := as[object](d.t, d.resolve(bindings)["kafka"])
	out := object{"partitions": text(kafka["partitions"])}
	for key, value := range as[object](d.t, kafka["topicConfiguration"]) {
		out[key] = text(value)
	}
	return out
}

// text is a value as Kafka's settings have it.
func text(value any) string {
	switch v := value.(type) {
	case []any:
		words := make([]string, len(v))
		for i := range v {
			words[i] = text(v[i])
		}
		return strings.Join(words, ",")
	case interface{ String() string }:
		return v.String()
	case string:
		return v
	}
	return "?"
}

// Every route has a channel of its own, whose message fixes what the route decides.
func TestChannelsSayWhatIsInThem(t *testing.T) {
	d := loadAsyncAPI(t)
	names := app.TopicNames(config.Default().Kafka.Topics)
	var every []string
	for _, r := range event.Routes() {
		name := message(r)
		every = append(every, name)
		if got := d.at("channels", name)["address"]; got != names.Typed[r] {
			t.Errorf("channel %s: address %v, want %s", name, got, names.Typed[r])
		}
		if got := slices.Collect(maps.Keys(d.at("channels", name, "messages"))); !slices.Equal(got, []string{name}) {
			t.Errorf("channel %s: messages %v", name, got)
		}
		headers, _ := d.properties(d.at("components", "messages", name, "headers"))
		payload, _ := d.properties(d.at("components", "messages", name, "payload"))
		got := []any{headers["ce_type"]["const"], payload["type"]["const"], payload["family"]["const"], payload["direction"]["const"]}
		want := []any{ceType(t, r), string(r.Type), string(r.Type.Family()), string(r.Direction)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("message %s (-code +document):\n%s", name, diff)
		}
	}
	got := slices.Sorted(maps.Keys(d.at("channels", "all", "messages")))
	slices.Sort(every)
	if diff := cmp.Diff(every, got); diff != "" {
		t.Errorf("messages of the topic of all events (-routes +document):\n%s", diff)
	}
}

func ceType(t *testing.T, r event.Route) string {
	t.Helper()
	e := event.Event{Type: r.Type, Direction: r.Direction}
	value, ok := event.HeaderValue(e.AppendHeaders(nil, event.Stamp{}), "ce_type")
	if !ok {
		t.Fatalf("%v: no ce_type", r)
	}
	return value
}

// Every channel that others read has an operation, and postrider's own have none.
func TestOperationsReceiveFromPublicChannels(t *testing.T) {
	d := loadAsyncAPI(t)
	received := make(map[string]bool)
	for name := range d.at("operations") {
		op := d.at("operations", name)
		channel, ok := strings.CutPrefix(as[string](t, as[object](t, op["channel"])["$ref"]), "#/channels/")
		if !ok || op["action"] != "receive" || name != "receive"+strings.ToUpper(channel[:1])+channel[1:] {
			t.Errorf("operation %s: %v", name, op)
		}
		received[channel] = true
	}
	for name := range d.at("channels") {
		internal := d.at("channels", name)["x-internal"] == true
		if internal == received[name] {
			t.Errorf("channel %s: internal %t, received %t", name, internal, received[name])
		}
	}
}

// The examples are records: headers and payload fit their schemas, and the code
// writes the headers of that very payload.
func TestExamplesAreRecords(t *testing.T) {
	d := loadAsyncAPI(t)
	shown := make(map[string]bool)
	for name := range d.at("components", "messages") {
		examples, _ := d.at("components", "messages", name)["examples"].([]any)
		for i, entry := range examples {
			shown[name] = true
			pointer := "/components/messages/" + name
			example := as[object](t, entry)
			for _, part := range []string{"headers", "payload"} {
				if err := d.valid(pointer+"/"+part, example[part]); err != nil {
					t.Errorf("%s, example %d: %v", name, i, err)
				}
			}
			if e, ok := decoded(t, example["payload"]); ok {
				sameHeaders(t, name, e, as[object](t, example["headers"]))
			}
		}
	}
	for _, def := range all.Definitions() {
		for _, info := range def.Types {
			if r := (event.Route{Direction: info.Direction, Type: info.Type}); !shown[message(r)] {
				t.Errorf("%s: %s has no example", def.ID, message(r))
			}
		}
	}
	for _, name := range []string{"request", "deadLetter", "unknown"} {
		if !shown[name] {
			t.Errorf("%s has no example", name)
		}
	}
}

// decoded is a payload as an event, if it is one.
func decoded(t *testing.T, payload any) (*event.Event, bool) {
	t.Helper()
	o, ok := payload.(object)
	if !ok || o["schema"] == nil {
		return nil, false
	}
	e, err := event.Decode(encode(t, o))
	if err != nil {
		t.Fatal(err)
	}
	return &e, true
}

func sameHeaders(t *testing.T, name string, e *event.Event, got object) {
	t.Helper()
	mapper, err := strconv.Atoi(text(got["mapper-version"]))
	if err != nil {
		t.Fatal(err)
	}
	want := headerObject(e.AppendHeaders(nil, event.Stamp{Mapper: mapper}))
	original := maps.Clone(got)
	maps.DeleteFunc(original, func(key string, _ any) bool { return strings.HasPrefix(key, "replay-") })
	if diff := cmp.Diff(want, original); diff != "" {
		t.Errorf("%s: headers (-code +example):\n%s", name, diff)
	}
}
