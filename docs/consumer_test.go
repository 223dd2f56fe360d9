package docs_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// quotations finds blocks of Go on a page, each with the file that the comment before
// it names.
var quotations = regexp.MustCompile("(?s)(?:<!-- (\\S+) -->\n)?```go\n(.*?)```")

// A block of Go that is said to be from a file stands in it, and is so compiled and
// tested; on the guide for consumers there are no others.
func TestPagesQuoteCode(t *testing.T) {
	n := 0
	for name, page := range pages(t) {
		for _, m := range quotations.FindAllStringSubmatch(page, -1) {
			n++
			switch {
			case m[1] == "" && name == "consumer.md":
				t.Errorf("%s: a block is not said to be from a file (<!-- path -->):\n%s", name, m[2])
			case m[1] != "" && !strings.Contains(text(t, "../"+m[1]), m[2]):
				t.Errorf("%s: %s does not hold these lines:\n%s", name, m[1], m[2])
			}
		}
	}
	if n < 5 {
		t.Errorf("found %d blocks of Go", n)
	}
}

func TestConsumerErrorsAreDocumented(t *testing.T) {
	var got []string
	for _, code := range firstCells(section(t, text(t, "consumer.md"), "## Errors")) {
		if name, ok := strings.CutPrefix(code, "consumer."); ok {
			name, _, _ = strings.Cut(name, "(")
			got = append(got, name)
		}
	}
	same(t, "error", got, literals(t, "../pkg/consumer/failure.go", `(?m)^func ([A-Z]\w+)\(err error`))
}

func TestConsumerHeadersAreDocumented(t *testing.T) {
	got := firstCells(section(t, text(t, "consumer.md"), "## Retry topics and dead letters"))
	same(t, "header", got, literals(t, "../pkg/consumer/aside.go", `(?m)^\tHeader\w+\s+= "([\w-]+)"`))
}

func TestConsumerPoliciesAndMiddlewareAreDocumented(t *testing.T) {
	page := text(t, "consumer.md")
	var policies []string
	for _, code := range firstCells(section(t, page, "## Idempotency")) {
		if strings.HasPrefix(code, "Replay") {
			policies = append(policies, code)
		}
	}
	same(t, "policy", policies, literals(t, "../pkg/consumer/once.go", `(?m)^\t(Replay\w+)\s.*//`))

	var wrapping, real []string
	for _, code := range firstCells(section(t, page, "## Middleware")) {
		name, _, _ := strings.Cut(code, "(")
		wrapping = append(wrapping, name)
	}
	for _, file := range []string{"logging", "metrics", "recover", "tracing"} {
		real = append(real, literals(t, "../pkg/consumer/middleware/"+file+".go", `(?m)^func ([A-Z]\w+)\(.*consumer\.Middleware`)...)
	}
	same(t, "middleware", wrapping, real)
}

// What the page says can be set, can be.
func TestConsumerSettingsExist(t *testing.T) {
	config := text(t, "../pkg/consumer/config.go")
	settings := regexp.MustCompile("`(?:Config|Retry|Breaker|Kafka)\\.(\\w+)`").FindAllStringSubmatch(text(t, "consumer.md"), -1)
	for _, row := range rows(section(t, text(t, "consumer.md"), "## Tuning"))[1:] {
		for _, code := range codes(row[1]) {
			settings = append(settings, []string{code, code[strings.LastIndexByte(code, '.')+1:]})
		}
	}
	if len(settings) < 15 {
		t.Errorf("found %d settings", len(settings))
	}
	for _, m := range settings {
		if !regexp.MustCompile(`(?m)^\t(\w+, )*` + m[1] + `\b`).MatchString(config) {
			t.Errorf("there is no setting %s", m[0])
		}
	}
}

// The examples that the page has people start are there.
func TestConsumerExamplesExist(t *testing.T) {
	commands := regexp.MustCompile(`go run (?:-C )?(?:\./)?((?:examples|cmd)/\w+)`).FindAllStringSubmatch(text(t, "consumer.md"), -1)
	if len(commands) < 3 {
		t.Fatalf("found %d commands", len(commands))
	}
	for _, m := range commands {
		if _, err := os.Stat("../" + m[1] + "/main.go"); err != nil {
			t.Error(err)
		}
	}
}
