package docs_test

import "testing"

func TestFindingsAreDocumented(t *testing.T) {
	same(t, "finding", firstCells(section(t, text(t, "operations.md"), "## Audit")),
		literals(t, "../internal/audit/report.go", `(?m)^\s+[A-Z]\w+ += "(\w+)"`))
}
