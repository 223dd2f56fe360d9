package docs_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
)

// region returns the marked part of a program, without the indentation that all of it has.
func region(t *testing.T, file string) string {
	t.Helper()
	m := regexp.MustCompile(`(?s)[ ]*(?:#|//) readme:start\n(.*?)[ ]*(?:#|//) readme:end`).FindStringSubmatch(text(t, file))
	if m == nil {
		t.Fatalf("%s: no marked region", file)
	}
	indent := m[1][:len(m[1])-len(strings.TrimLeft(m[1], " "))]
	lines := strings.Split(m[1], "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, indent)
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// fenced returns the blocks of a language.
func fenced(page, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		out = append(out, m[1])
	}
	return out
}

// What the README shows of a program is what the program is.
func TestReadmeShowsThePrograms(t *testing.T) {
	shown := section(t, text(t, "../README.md"), "## Other languages")
	for language, file := range map[string]string{"python": "python/consumer.py", "java": "java/Consumer.java"} {
		file = "../examples/" + file
		if !slices.Contains(fenced(shown, language), region(t, file)) {
			t.Errorf("README does not show the marked region of %s:\n%s", file, region(t, file))
		}
	}
}

// The commands that the README shows name files and scripts that are there.
func TestReadmeCommandsOfOtherLanguages(t *testing.T) {
	shown := strings.Join(fenced(section(t, text(t, "../README.md"), "## Other languages"), "sh"), "")
	for _, name := range regexp.MustCompile(`examples/[\w./-]*\w`).FindAllString(shown, -1) {
		if found, _ := filepath.Glob("../" + name); len(found) == 0 {
			t.Errorf("README names %s, which is not there", name)
		}
	}
	scripts := regexp.MustCompile(`npm run (\w+)`).FindAllStringSubmatch(shown, -1)
	if len(scripts) != 3 {
		t.Errorf("README runs %v of npm", scripts)
	}
	manifest := text(t, "../examples/typescript/package.json")
	for _, m := range scripts {
		if !strings.Contains(manifest, `"`+m[1]+`": "`) {
			t.Errorf("README runs %s, which package.json does not have", m[1])
		}
	}
}

func TestReplayHeadersAreInThePageOfLanguages(t *testing.T) {
	written := literals(t, "../internal/replay/mark.go", `Header\w+ += "(replay-\w+)"`)
	same(t, "header", firstCells(section(t, text(t, "languages.md"), "## Replays")), written)
}

// The partitions that the page gives are those of another implementation, and those of
// the hashes it gives.
func TestPartitionsOfThePageAreJavas(t *testing.T) {
	count := 0
	for _, cells := range rows(section(t, text(t, "languages.md"), "## Records")) {
		if len(cells) != 5 || cells[0] == "key" {
			continue
		}
		count++
		key := []byte(strings.Trim(cells[0], "`"))
		hash, err := strconv.ParseUint(strings.Trim(cells[1], "`"), 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		for i, partitions := range []int{3, 6, 12} {
			want := strconv.Itoa(kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: key}, numbers(partitions)...))
			ofHash := strconv.FormatUint(hash&0x7fffffff%uint64(partitions), 10)
			if got := cells[2+i]; got != want || got != ofHash {
				t.Errorf("%s of %d: partition %s, want %s; the hash gives %s", key, partitions, got, want, ofHash)
			}
		}
	}
	if count != 3 {
		t.Errorf("found %d keys, want 3", count)
	}
}

// numbers returns 0 to n-1.
func numbers(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// What is said of the event's schema for older generators: it has no keyword that came
// after draft 7 (draft 2019-09 and 2020-12 added these).
func TestEventSchemaHasOldKeywordsOnly(t *testing.T) {
	schema := text(t, "../schemas/event.v1.schema.json")
	newer := regexp.MustCompile(`"(\$defs|\$anchor|\$dynamic\w+|\$recursive\w+|\$vocabulary|prefixItems|unevaluated\w+|dependent\w+|minContains|maxContains|deprecated|contentSchema)":`)
	if found := newer.FindString(schema); found != "" {
		t.Errorf("the event's schema has %s", found)
	}
}
