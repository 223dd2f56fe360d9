package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// row says what the code of one package (its tests excepted) may import beside
// the standard library.
type row struct {
	// folder is the package's path from the root; a last segment of * is any.
	// The first row that fits counts.
	folder string
	// own lists packages of this module; a last segment of * is any, and /...
	// is everything below.
	own []string
	// others lists modules and packages of other people; what lies below is
	// meant too.
	others []string
	// pure packages turn bytes into values: no clock, network, files,
	// environment, randomness or logging. Replays and golden files rest on it.
	pure bool
	// tests says that the package exists for tests: no program may contain it.
	tests bool
	// except lists standard packages that a pure package may import all the same.
	except []string
}

// Other people's packages that more than one row names.
const (
	aws        = "github.com/aws/aws-sdk-go-v2"
	cobra      = "github.com/spf13/cobra"
	cmp        = "github.com/google/go-cmp"
	echo       = "github.com/labstack/echo/v4"
	jsontext   = "github.com/go-json-experiment/json"
	jsonschema = "github.com/santhosh-tekuri/jsonschema/v6"
	kafkaGo    = "github.com/segmentio/kafka-go"
	otel       = "go.opentelemetry.io/otel"
	prometheus = "github.com/prometheus/client_golang"
	rapid      = "pgregory.net/rapid"
	expr       = "github.com/expr-lang/expr"
	retryable  = "github.com/hashicorp/go-retryablehttp"
	uuid       = "github.com/google/uuid"
	xterm      = "golang.org/x/term"
	zap        = "go.uber.org/zap"
	zstd       = "github.com/klauspost/compress/zstd"
)

// table is the architecture, from the packages that know least to the one that
// knows all. Consequences: a provider sees no HTTP server, no Kafka, no clock
// and no other provider; Echo is spoken in one place, Kafka in one, and only
// one place can say that a request is proven.
var table = []row{
	// What other teams' code compiles against.
	{folder: "pkg/event", pure: true},
	{folder: "pkg/webhook"},
	{folder: "schemas", pure: true},

	// From bytes to events.
	// Strings are parts of the text that was read, without a copy.
	{folder: "internal/jsondoc", others: []string{jsontext}, pure: true, except: []string{"unsafe"}},
	{folder: "internal/smtpcode", own: []string{"pkg/event"}, pure: true},
	{folder: "internal/provider", own: []string{"internal/jsondoc", "pkg/event", "pkg/webhook"}, pure: true},
	// What senders say whom nobody has written a provider for.
	{folder: "internal/vocabulary", own: []string{"internal/provider", "internal/jsondoc", "internal/smtpcode", "pkg/event"}, pure: true},
	{folder: "internal/provider/all", own: []string{"internal/provider", "internal/provider/*"}, pure: true},
	{
		folder: "internal/provider/providertest",
		tests:  true,
		own:    []string{"internal/provider", "internal/jsondoc", "pkg/event", "pkg/webhook", "schemas"},
		others: []string{cmp, jsonschema, rapid},
	},
	{folder: "internal/mapspec", pure: true},
	{
		folder: "internal/provider/mapping",
		own:    []string{"internal/provider", "internal/jsondoc", "internal/mapspec", "internal/smtpcode", "pkg/event", "pkg/webhook"},
		others: []string{expr}, pure: true,
	},
	{
		folder: "internal/provider/*",
		own:    []string{"internal/provider", "internal/jsondoc", "internal/smtpcode", "internal/vocabulary", "pkg/event", "pkg/webhook"},
		pure:   true,
	},
	{
		folder: "internal/normalize",
		own:    []string{"internal/provider", "internal/jsondoc", "pkg/event", "pkg/webhook"},
		pure:   true,
		// The caller's wish to stop, the type of a request's headers, and what a
		// parser that panicked leaves.
		except: []string{"context", "net/http", "runtime", "runtime/debug"},
	},

	// From records back to requests.
	{folder: "internal/audit", own: []string{"pkg/event"}, pure: true},

	// Which records are meant.
	{folder: "internal/selection", own: []string{"pkg/event"}, others: []string{expr}, pure: true},

	// Connections, for Kafka and for who calls.
	{folder: "internal/rawconn"},

	// Kafka.
	{folder: "internal/broker", own: []string{"internal/rawconn", "pkg/event"}, others: []string{aws, kafkaGo, "github.com/aws/smithy-go/logging", zap}},
	{
		folder: "internal/broker/embedded",
		own:    []string{"internal/broker"},
		// kerr and kmsg are the error and request types of kfake's interceptors.
		others: []string{kafkaGo, "github.com/twmb/franz-go/pkg/kerr", "github.com/twmb/franz-go/pkg/kfake", "github.com/twmb/franz-go/pkg/kmsg", zap},
	},

	// What was seen before.
	{folder: "internal/dedupe", own: []string{"internal/broker"}, others: []string{zap}},

	// What was refused.
	{folder: "internal/quarantine", own: []string{"pkg/webhook"}, others: []string{zap}},

	{folder: "internal/spool", own: []string{"internal/broker", "internal/spool/segment"}, others: []string{zap}},
	{folder: "internal/spool/segment", own: []string{"internal/broker"}, pure: true},

	// From topics back to topics, and out.
	{folder: "internal/delivery", own: []string{"pkg/webhook"}, others: []string{retryable, zap}},
	{folder: "internal/replay/archive", own: []string{"pkg/event"}, others: []string{jsontext, zstd}},
	{folder: "internal/replay/stored", own: []string{"pkg/event", "pkg/webhook"}},
	{
		folder: "internal/replay",
		own:    []string{"internal/broker", "internal/delivery", "internal/replay/archive", "internal/selection", "pkg/event"},
		others: []string{"golang.org/x/sync/errgroup", "golang.org/x/time/rate", zap},
	},
	{
		folder: "internal/replay/renormalize",
		own: []string{
			"internal/broker", "internal/dedupe", "internal/ingest", "internal/metrics", "internal/normalize", "internal/replay",
			"internal/replay/stored", "internal/selection", "pkg/event", "pkg/webhook",
		},
		others: []string{zap},
	},
	{folder: "internal/deadletter", own: []string{"internal/broker", "internal/replay/stored", "pkg/event", "pkg/webhook"}},
	{folder: "internal/trace", own: []string{"internal/broker", "pkg/event"}},

	// Reading the topics, for other teams' code and for the forwarder. Kafka itself is
	// spoken by internal/broker, of which nothing shows in what pkg/consumer exports.
	{folder: "pkg/consumer", own: []string{"internal/broker", "internal/selection", "pkg/event"}, others: []string{zap}},
	{folder: "pkg/consumer/middleware", own: []string{"pkg/consumer", "pkg/event"}, others: []string{otel, prometheus, zap}},
	{
		folder: "pkg/consumer/consumertest",
		own:    []string{"internal/broker", "internal/broker/embedded", "pkg/consumer", "pkg/event"},
		others: []string{zap},
	},
	{
		folder: "internal/forward",
		own:    []string{"internal/delivery", "internal/selection", "pkg/consumer", "pkg/event"},
		others: []string{"golang.org/x/time/rate", prometheus, zap},
	},

	// The process.
	{folder: "internal/config", own: []string{"internal/mapspec", "pkg/event"}, others: []string{"github.com/goccy/go-yaml"}},
	{folder: "internal/metrics", own: []string{"pkg/event"}, others: []string{prometheus}},
	{folder: "internal/shadow", own: []string{"internal/normalize", "pkg/event", "pkg/webhook"}},
	{folder: "internal/admin", own: []string{"internal/replay", "internal/selection", "internal/shadow", "pkg/webhook"}, others: []string{prometheus, zap}},
	{
		folder: "internal/ingest",
		own: []string{
			"internal/broker", "internal/dedupe", "internal/metrics", "internal/normalize", "internal/provider", "internal/quarantine",
			"internal/rawconn", "pkg/event", "pkg/webhook",
		},
		others: []string{echo, "golang.org/x/sync/semaphore", zap},
	},
	{
		folder: "internal/sender",
		own:    []string{"internal/broker", "internal/normalize", "internal/provider", "pkg/event", "pkg/webhook"},
	},
	{
		folder: "internal/app",
		own:    []string{"internal/...", "pkg/...", "schemas"},
		others: []string{echo, prometheus, uuid, xterm, zap},
	},
	{folder: "internal/doctor", own: []string{"internal/app", "internal/broker", "internal/config"}},
	{
		folder: "cmd/postrider",
		own: []string{
			"internal/app", "internal/audit", "internal/broker", "internal/config", "internal/deadletter", "internal/doctor", "internal/forward", "internal/normalize",
			"internal/mapspec", "internal/provider", "internal/provider/all", "internal/provider/mapping", "internal/quarantine", "internal/replay", "internal/replay/archive",
			"internal/replay/renormalize", "internal/replay/stored", "internal/selection", "internal/sender", "internal/shadow", "internal/spool", "internal/trace", "pkg/event", "pkg/webhook", "schemas",
		},
		others: []string{cobra, retryable, "github.com/schollz/progressbar/v3", uuid, xterm, zap},
	},

	// What users read first.
	{folder: "examples/*", own: []string{"examples/internal/*", "pkg/..."}},
	{folder: "examples/internal/*", own: []string{"pkg/..."}, others: []string{zap}},

	// For tests; no program contains them.
	{folder: "docs", tests: true},
	{folder: "internal/archtest", tests: true},
	{folder: "internal/mutants", tests: true},
	{folder: "internal/bench", tests: true, own: []string{"internal/...", "pkg/..."}, others: []string{echo, kafkaGo, uuid, "golang.org/x/sync/errgroup", zap}},
	{folder: "internal/chaos", tests: true, own: []string{"internal/broker", "pkg/webhook"}, others: []string{kafkaGo, "golang.org/x/sync/errgroup"}},
	{folder: "internal/downstream", tests: true},
	{folder: "internal/broker/brokertest", tests: true, own: []string{"internal/broker", "internal/broker/embedded"}, others: []string{cmp, kafkaGo}},
	{folder: "pkg/event/internal/eventtest", tests: true, own: []string{"pkg/event"}, others: []string{rapid}},
	{folder: "pkg/webhook/webhooktest", tests: true, own: []string{"pkg/webhook"}, others: []string{cmp}},
}

// checkImports holds every package against its row.
func checkImports(t tree) []string {
	var found []string
	for _, d := range t.folders {
		r, ok := rowOf(d.path)
		if !ok {
			found = append(found, d.path+": no row in internal/archtest/table_test.go; add one that says what this package may import, "+
				"and keep it as short as you can")
			continue
		}
		for _, f := range d.code() {
			for _, imported := range f.imports() {
				if why := r.refuses(imported); why != "" {
					found = append(found, fmt.Sprintf("%s: imports %s: %s", f.path, imported, why))
				}
			}
		}
	}
	return found
}

// rowOf returns the row of a package folder.
func rowOf(folder string) (row, bool) {
	i := slices.IndexFunc(table, func(r row) bool { return matches(r.folder, folder) })
	if i < 0 {
		return row{}, false
	}
	return table[i], true
}

// refuses says why the row does not allow an import; "" if it does.
func (r row) refuses(imported string) string {
	own, isOwn := strings.CutPrefix(imported, module+"/")
	switch {
	case isOwn && !r.tests && forTests(own):
		return "that package is for tests"
	case isOwn && !matchesAny(r.own, own):
		return "its row in internal/archtest/table_test.go does not list it; move the code to where it belongs, or argue for the row"
	case isOwn:
		return ""
	case isStandard(imported):
		return r.refusesStandard(imported)
	case !slices.ContainsFunc(r.others, func(o string) bool { return within(o, imported) }):
		return "its row in internal/archtest/table_test.go does not list that library; each library is spoken in as few places as can be"
	}
	return ""
}

// forTests reports whether a package exists for tests.
func forTests(folder string) bool {
	r, ok := rowOf(folder)
	return ok && r.tests
}

// impure lists the standard packages that pure packages must do without.
var impure = []string{
	"context", "crypto/rand", "crypto/tls", "database", "expvar", "log", "math/rand",
	"net", "os", "plugin", "runtime", "syscall", "testing", "unsafe",
}

// pureAllTheSame lists what lies below an impure package and is pure.
var pureAllTheSame = []string{"net/mail", "net/netip", "net/textproto", "net/url"}

// refusesStandard says why a standard package may not be imported.
func (r row) refusesStandard(imported string) string {
	if !r.pure || slices.Contains(pureAllTheSame, imported) || slices.Contains(r.except, imported) {
		return ""
	}
	if slices.ContainsFunc(impure, func(p string) bool { return within(p, imported) }) {
		return "this package is pure (no clock, network, files, environment, randomness, logging), so that replays give the same events"
	}
	return ""
}

// isStandard reports whether a path is of the standard library: its first
// segment has no dot.
func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// within reports whether p is base or lies below it.
func within(base, p string) bool { return p == base || strings.HasPrefix(p, base+"/") }

// matchesAny reports whether one of the patterns fits.
func matchesAny(patterns []string, p string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, p) })
}

// matches reports whether a pattern of the table fits a folder.
func matches(pattern, p string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return within(base, p)
	}
	ok, err := path.Match(pattern, p)
	return err == nil && ok
}
