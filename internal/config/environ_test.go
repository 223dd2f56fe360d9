package config_test

import (
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/mapspec"
)

// leaf is one key that can be given a value.
type leaf struct {
	path string
	env  string
	get  func(*config.Config) any
	typ  reflect.Type
}

// leaves walks the shape of Config, with index 0 in every list of groups.
func leaves() []leaf {
	root := func(c *config.Config) reflect.Value { return reflect.ValueOf(c).Elem() }
	return walk(reflect.TypeFor[config.Config](), "", "POSTRIDER", root)
}

func walk(t reflect.Type, path, env string, get func(*config.Config) reflect.Value) []leaf {
	var list []leaf
	for i := range t.NumField() {
		key := t.Field(i).Tag.Get("yaml")
		if key == "" || key == "-" {
			continue
		}
		at, name := strings.TrimPrefix(path+"."+key, "."), env+"_"+strings.ToUpper(key)
		field := func(c *config.Config) reflect.Value { return get(c).Field(i) }
		ft := t.Field(i).Type
		switch {
		case ft == reflect.TypeFor[*mapspec.Spec](): // given in a file only
		case isGroup(ft):
			list = append(list, walk(ft, at, name, field)...)
		case ft.Kind() == reflect.Slice && isGroup(ft.Elem()):
			first := func(c *config.Config) reflect.Value { return field(c).Index(0) }
			list = append(list, walk(ft.Elem(), at+"[0]", name+"_0", first)...)
		default:
			list = append(list, leaf{at, name, func(c *config.Config) any { return field(c).Interface() }, ft})
		}
	}
	return list
}

func isGroup(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]() && t != reflect.TypeFor[netip.Prefix]()
}

// special are values of keys that cannot take just any, and what else has to be
// set with them.
func special() map[string][]string {
	needSecret := "POSTRIDER_SOURCES_0_AUTH_SECRETS_0_VALUE=0123456789abcdef"
	hmac := []string{"POSTRIDER_SOURCES_0_AUTH_TYPE=hmac", needSecret}
	basic := []string{"POSTRIDER_SOURCES_0_AUTH_TYPE=basic", "POSTRIDER_SOURCES_0_AUTH_SECRETS_0_USERNAME=user", "POSTRIDER_SOURCES_0_AUTH_SECRETS_0_PASSWORD=0123456789abcdef"}
	sasl := []string{"POSTRIDER_KAFKA_SASL_MECHANISM=PLAIN", "POSTRIDER_KAFKA_SASL_USERNAME=u", "POSTRIDER_KAFKA_SASL_PASSWORD=p", "POSTRIDER_KAFKA_TLS_ENABLED=true", "POSTRIDER_KAFKA_BROKERS=k:1"}
	token := []string{"POSTRIDER_ADMIN_TOKENS_0_ID=a", "POSTRIDER_ADMIN_TOKENS_0_ROLE=admin", "POSTRIDER_ADMIN_TOKENS_0_VALUE=0123456789abcdef"}
	target := []string{"POSTRIDER_REPLAY_TARGETS_0_NAME=a", "POSTRIDER_REPLAY_TARGETS_0_URL=https://a.example", "POSTRIDER_REPLAY_TARGETS_0_SECRETS_0_VALUE=" + signing}
	subscription := []string{"POSTRIDER_FORWARD_SUBSCRIPTIONS_0_NAME=a", "POSTRIDER_FORWARD_SUBSCRIPTIONS_0_URL=https://a.example", "POSTRIDER_FORWARD_SUBSCRIPTIONS_0_SECRETS_0_VALUE=" + signing}
	withFile := func(list []string, drop string) []string {
		var kept []string
		for _, kv := range list {
			if !strings.HasPrefix(kv, drop) {
				kept = append(kept, kv)
			}
		}
		return kept
	}
	all := map[string][]string{
		"admin.tokens[0].id":                            append([]string{"x"}, token...),
		"admin.tokens[0].role":                          append([]string{"read"}, token...),
		"admin.tokens[0].value":                         append([]string{"fedcba9876543210"}, withFile(token, "POSTRIDER_ADMIN_TOKENS_0_VALUE")...),
		"admin.tokens[0].file":                          append([]string{"/secrets/a"}, withFile(token, "POSTRIDER_ADMIN_TOKENS_0_VALUE")...),
		"replay.targets[0].name":                        append([]string{"x"}, target...),
		"replay.targets[0].url":                         append([]string{"https://x.example/y"}, target...),
		"replay.targets[0].allow":                       append([]string{""}, target...),
		"replay.targets[0].secrets[0].id":               append([]string{"x"}, target...),
		"replay.targets[0].secrets[0].value":            append([]string{signing}, withFile(target, "POSTRIDER_REPLAY_TARGETS_0_SECRETS_0_VALUE")...),
		"replay.targets[0].secrets[0].file":             append([]string{"/secrets/signing"}, withFile(target, "POSTRIDER_REPLAY_TARGETS_0_SECRETS_0_VALUE")...),
		"replay.targets[0].secrets[0].not_after":        append([]string{"2027-01-01T00:00:00Z"}, target...),
		"forward.subscriptions[0].name":                 append([]string{"x"}, subscription...),
		"forward.subscriptions[0].topics":               append([]string{""}, subscription...),
		"forward.subscriptions[0].types":                append([]string{""}, subscription...),
		"forward.subscriptions[0].providers":            append([]string{""}, subscription...),
		"forward.subscriptions[0].sources":              append([]string{""}, subscription...),
		"forward.subscriptions[0].where":                append([]string{"x"}, subscription...),
		"forward.subscriptions[0].url":                  append([]string{"https://x.example/y"}, subscription...),
		"forward.subscriptions[0].secrets[0].id":        append([]string{"x"}, subscription...),
		"forward.subscriptions[0].secrets[0].not_after": append([]string{"2027-01-01T00:00:00Z"}, subscription...),
		"forward.subscriptions[0].allow":                append([]string{""}, subscription...),
		"forward.subscriptions[0].format":               append([]string{"cloudevents"}, subscription...),
		"forward.subscriptions[0].timeout":              append([]string{""}, subscription...),
		"forward.subscriptions[0].concurrency":          append([]string{""}, subscription...),
		"forward.subscriptions[0].rate":                 append([]string{""}, subscription...),
		"forward.subscriptions[0].ordered":              append([]string{""}, subscription...),
		"forward.subscriptions[0].from":                 append([]string{"first"}, subscription...),
		"forward.subscriptions[0].replayed":             append([]string{"skip"}, subscription...),
		"forward.subscriptions[0].retry.attempts":       append([]string{""}, subscription...),
		"forward.subscriptions[0].retry.delays":         append([]string{""}, subscription...),
		"forward.subscriptions[0].secrets[0].value":     append([]string{signing}, withFile(subscription, "POSTRIDER_FORWARD_SUBSCRIPTIONS_0_SECRETS_0_VALUE")...),
		"forward.subscriptions[0].secrets[0].file":      append([]string{"/secrets/signing"}, withFile(subscription, "POSTRIDER_FORWARD_SUBSCRIPTIONS_0_SECRETS_0_VALUE")...),
		"forward.listen":                                {"127.0.0.1:1"},
		"server.listen":                                 {"127.0.0.1:1"},
		"server.public_url":                             {"https://x.example"},
		"admin.listen":                                  {"127.0.0.1:1"},
		"kafka.brokers":                                 {"a:1,b:2"},
		"kafka.embedded.listen":                         {"127.0.0.1:1"},
		"kafka.tls.cert_file":                           {"/x", "POSTRIDER_KAFKA_TLS_KEY_FILE=/y"},
		"kafka.tls.key_file":                            {"/x", "POSTRIDER_KAFKA_TLS_CERT_FILE=/y"},
		"kafka.sasl.mechanism":                          append([]string{"SCRAM-SHA-256"}, sasl...),
		"kafka.sasl.username":                           append([]string{"x"}, sasl...),
		"kafka.sasl.password":                           append([]string{"x"}, sasl...),
		"kafka.sasl.password_file":                      append([]string{"/secrets/a"}, withFile(sasl, "POSTRIDER_KAFKA_SASL_PASSWORD=")...),
		"kafka.sasl.region":                             {"x", "POSTRIDER_KAFKA_SASL_MECHANISM=AWS_MSK_IAM", "POSTRIDER_KAFKA_TLS_ENABLED=true", "POSTRIDER_KAFKA_BROKERS=k:1"},
		"spool.max_bytes":                               {"", "POSTRIDER_SPOOL_SEGMENT_BYTES=1MiB"},
		"kafka.publish.compression":                     {"zstd"},
		"kafka.topics.create":                           {"never"},
		"kafka.topics.key":                              {"event"},
		"kafka.topics.templates.outbound":               {"x.{type}"},
		"kafka.topics.templates.inbound":                {"x.{type}"},
		"log.level":                                     {"debug"},
		"log.format":                                    {"json"},
		"pii.recipient":                                 {"hash", "POSTRIDER_PII_PEPPER=0123456789abcdef"},
		"pii.pepper":                                    {"abcdef0123456789"},
		"pii.pepper_file":                               {"/secrets/a"},
		"sources[0].provider":                           {"cmcom"},
		"sources[0].auth.type":                          {"token", needSecret},
		"sources[0].auth.secrets[0].id":                 {"x", "POSTRIDER_SOURCES_0_AUTH_TYPE=token", needSecret},
		"sources[0].auth.secrets[0].not_after":          {"2027-01-01T00:00:00Z", "POSTRIDER_SOURCES_0_AUTH_TYPE=token", needSecret},
		"sources[0].auth.secrets[0].value":              {"fedcba9876543210", "POSTRIDER_SOURCES_0_AUTH_TYPE=token"},
		"sources[0].auth.secrets[0].file":               {"/secrets/a", "POSTRIDER_SOURCES_0_AUTH_TYPE=token"},
		"sources[0].auth.secrets[0].username":           append([]string{"x"}, basic...),
		"sources[0].auth.secrets[0].password":           append([]string{"fedcba9876543210"}, basic...),
		"sources[0].auth.secrets[0].password_file":      append([]string{"/secrets/a"}, withFile(basic, "POSTRIDER_SOURCES_0_AUTH_SECRETS_0_PASSWORD=")...),
		"sources[0].auth.header":                        append([]string{"x"}, hmac...),
		"sources[0].auth.algorithm":                     append([]string{"x"}, hmac...),
		"sources[0].auth.prefix":                        append([]string{"x"}, hmac...),
		"sources[0].auth.encoding":                      append([]string{"x"}, hmac...),
		"sources[0].auth.template":                      append([]string{"x"}, hmac...),
		"sources[0].auth.timestamp":                     append([]string{"x"}, hmac...),
		"sources[0].auth.id_header":                     append([]string{"x"}, hmac...),
		"sources[0].auth.tolerance":                     append([]string{"7s"}, hmac...),
		"sources[0].auth.decode":                        append([]string{"x"}, hmac...),
		"sources[0].auth.url":                           {"https://x.example.com/", "POSTRIDER_SOURCES_0_AUTH_TYPE=mandrill", needSecret},
		"sources[0].auth.topics":                        {"x,y", "POSTRIDER_SOURCES_0_AUTH_TYPE=sns"},
		"sources[0].refused_status":                     {"404"},
		"sources[0].mapping_file":                       {"/mappings/a", "POSTRIDER_SOURCES_0_PROVIDER=mapping"},
		"sources[0].dedupe":                             {"mark"},
		"sources[0].durability":                         {"broker"},
	}
	// A shadow has keys and a reading like a source's own.
	for path, list := range maps.Clone(all) {
		if rest, ok := strings.CutPrefix(path, "sources[0].auth"); ok {
			other := slices.Clone(list)
			for i := range other {
				other[i] = strings.Replace(other[i], "POSTRIDER_SOURCES_0_AUTH", "POSTRIDER_SOURCES_0_SHADOW_AUTH", 1)
			}
			all["sources[0].shadow.auth"+rest] = other
		}
	}
	all["sources[0].shadow.provider"] = []string{"jetemail"}
	all["sources[0].shadow.sample"] = []string{"", "POSTRIDER_SOURCES_0_SHADOW_PROVIDER=vfs"}
	if list, ok := all["sources[0].mapping_file"]; ok {
		all["sources[0].shadow.mapping_file"] = list[:1]
	}
	return all
}

// valueFor is a value of the leaf that differs from its default, as a variable's
// text and as Config holds it.
func valueFor(t *testing.T, l leaf, text string) (string, any) {
	t.Helper()
	pick := func(fallback string) string {
		if text != "" {
			return text
		}
		return fallback
	}
	flip := !slices.Contains([]string{"kafka.embedded.sync", "dedupe.share", "quarantine.enabled"}, l.path)
	switch l.typ {
	case reflect.TypeFor[string]():
		word := "word"
		if strings.HasSuffix(l.path, "file") || strings.HasSuffix(l.path, "dir") {
			word = "/word" // relative paths are made absolute
		}
		return pick(word), pick(word)
	case reflect.TypeFor[config.Secret]():
		return text, config.Secret(text)
	case reflect.TypeFor[int]():
		if strings.HasSuffix(l.path, "_bytes") {
			return "3MiB", 3 << 20
		}
		if text == "404" {
			return text, 404
		}
		return "7", 7
	case reflect.TypeFor[int64]():
		return "12MiB", int64(12 << 20)
	case reflect.TypeFor[bool]():
		return strconv.FormatBool(flip), flip
	case reflect.TypeFor[*bool]():
		return "true", &flip
	case reflect.TypeFor[time.Duration]():
		return "7s", 7 * time.Second
	case reflect.TypeFor[[]time.Duration]():
		return "1s, 7m", []time.Duration{time.Second, 7 * time.Minute}
	case reflect.TypeFor[time.Time]():
		return text, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	case reflect.TypeFor[[]string]():
		return pick("x,y"), strings.Split(pick("x,y"), ",")
	case reflect.TypeFor[[]netip.Prefix]():
		return "10.0.0.0/8, 192.0.2.1", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")}
	case reflect.TypeFor[map[string]string]():
		return "y", map[string]string{"x": "y"}
	}
	t.Fatalf("%s: no value for %s", l.path, l.typ)
	return "", nil
}

func TestEveryKeyCanBeOverriddenFromTheEnvironment(t *testing.T) {
	const source = "sources: [{name: a, provider: vfs, auth: {type: none}}]\n"
	all := leaves()
	if len(all) < 110 {
		t.Fatalf("only %d keys found", len(all))
	}
	for _, l := range all {
		t.Run(l.path, func(t *testing.T) {
			with := special()[l.path]
			text := ""
			if len(with) > 0 {
				text, with = with[0], with[1:]
			}
			value, want := valueFor(t, l, text)
			name := l.env
			if l.typ.Kind() == reflect.Map {
				name += "_X"
			}
			before, after := mustLoad(t, source), mustLoad(t, source, append(with, name+"="+value)...)
			if diff := cmp.Diff(want, l.get(after), sameConfig); diff != "" {
				t.Error(diff)
			}
			if len(with) == 0 && cmp.Equal(l.get(before), l.get(after), sameConfig) {
				t.Error("the value is the default, so the test proves nothing")
			}
			if got := after.Place(l.path); !strings.HasPrefix(got, "environment "+l.env) && l.typ.Kind() != reflect.Map {
				t.Errorf("Place = %q", got)
			}
		})
	}
}

func TestSourcesFromTheEnvironmentAlone(t *testing.T) {
	var env []string
	for i := range 12 { // two digits, so that the order of names is not that of numbers
		env = append(env, fmt.Sprintf("POSTRIDER_SOURCES_%d_NAME=s%d", i, i), fmt.Sprintf("POSTRIDER_SOURCES_%d_PROVIDER=vfs", i), fmt.Sprintf("POSTRIDER_SOURCES_%d_AUTH_TYPE=none", i))
	}
	cfg := mustLoad(t, "", env...)
	if len(cfg.Sources) != 12 || cfg.Sources[11].Name != "s11" || !cfg.SourcesGiven {
		t.Errorf("%d sources, given %v", len(cfg.Sources), cfg.SourcesGiven)
	}
}

func TestEnvironmentOverridesOneItemOfAList(t *testing.T) {
	cfg := mustLoad(t, "kafka: {brokers: ['a:1', 'b:2']}", "POSTRIDER_KAFKA_BROKERS_1=c:3", "POSTRIDER_KAFKA_BROKERS_2=d:4")
	if diff := cmp.Diff([]string{"a:1", "c:3", "d:4"}, cfg.Kafka.Brokers); diff != "" {
		t.Error(diff)
	}
}

func TestEnvironmentIsTakenLiterally(t *testing.T) {
	cfg := mustLoad(t, "kafka: {client_id: '${UNSET}'}", "POSTRIDER_KAFKA_CLIENT_ID=${X} $${Y}")
	if got := cfg.Kafka.ClientID; got != "${X} $${Y}" {
		t.Errorf("got %q", got)
	}
}

func TestEnvironmentKeepsTheSpellingOfFreeKeys(t *testing.T) {
	text := "sources: [{name: a, provider: vfs, auth: {type: none}, options: {Some-Key: a}}]\n"
	cfg := mustLoad(t, text, "POSTRIDER_SOURCES_0_OPTIONS_SOME_KEY=b", "POSTRIDER_SOURCES_0_OPTIONS_OTHER_KEY=c")
	if diff := cmp.Diff(map[string]string{"Some-Key": "b", "other_key": "c"}, cfg.Sources[0].Options); diff != "" {
		t.Error(diff)
	}
}

func TestVariablesTheFileRefersToNeedNotBeKeys(t *testing.T) {
	cfg := mustLoad(t, "kafka: {client_id: '${POSTRIDER_OWN_NAME}'}", "POSTRIDER_OWN_NAME=x")
	if got := cfg.Kafka.ClientID; got != "x" {
		t.Errorf("got %q", got)
	}
}

func TestAnIndexThatIsTooLargeIsSaidSo(t *testing.T) {
	for name, want := range map[string]string{
		"POSTRIDER_SOURCES_999999999_NAME":            "index is too large",
		"POSTRIDER_SOURCES_0_AUTH_SECRETS_1234_VALUE": "index is too large",
		"POSTRIDER_SOURCES_999_NAME":                  "leaves a gap",
		"POSTRIDER_SOURCES_999999999_NAMES":           "did you mean POSTRIDER_SOURCES_999999999_NAME?",
	} {
		_, err := config.Load(config.Options{Env: []string{name + "=x"}, ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "mean "+name+"?") {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

func TestTheEnvironmentNamesTheFile(t *testing.T) {
	read := func(name string) ([]byte, error) {
		switch filepath.Base(name) {
		case "config.yaml", "other.yaml", "named.yaml":
			return []byte("kafka: {client_id: " + filepath.Base(name) + "}"), nil
		}
		return nil, fs.ErrNotExist
	}
	for _, c := range []struct{ file, env, want string }{
		{"", "", "config.yaml"},
		{"", "other.yaml", "other.yaml"},
		{"named.yaml", "other.yaml", "named.yaml"},
	} {
		cfg, err := config.Load(config.Options{File: c.file, Env: []string{"POSTRIDER_CONFIG=" + c.env}, ReadFile: read})
		if err != nil || cfg.Kafka.ClientID != c.want || cfg.File != c.want {
			t.Errorf("%+v: got %+v, %v", c, cfg, err)
		}
	}
	_, err := config.Load(config.Options{Env: []string{"POSTRIDER_CONFIG=none.yaml"}, ReadFile: read})
	if err == nil || !strings.Contains(err.Error(), "none.yaml") || !strings.Contains(err.Error(), "POSTRIDER_CONFIG") {
		t.Errorf("a named file that is missing: got %v", err)
	}
}
