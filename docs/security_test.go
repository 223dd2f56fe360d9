package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testNames returns every test and fuzz target of the module.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	found := make(map[string]bool)
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		b, err := os.ReadFile(name)
		for _, m := range declared.FindAllSubmatch(b, -1) {
			found[string(m[1])] = true
		}
		return err
	})
	if err != nil || len(found) < 100 {
		t.Fatalf("%d tests, %v", len(found), err)
	}
	return found
}

// Every test that the security page names exists, and no point is without one.
func TestSecurityPointsAreTested(t *testing.T) {
	declared := testNames(t)
	points := 0
	_, afterThreats, _ := strings.Cut(text(t, "security.md"), "\n## Webhooks\n")
	for _, cells := range rows(afterThreats) {
		if cells[0] == "point" {
			continue
		}
		if len(cells) != 3 || len(codes(cells[2])) == 0 {
			t.Errorf("%s: no test is named", cells[0])
			continue
		}
		points++
		for _, name := range codes(cells[2]) {
			if !declared[name] {
				t.Errorf("%s: there is no test %s", cells[0], name)
			}
		}
	}
	if points < 35 {
		t.Errorf("only %d points with tests found", points)
	}
}
