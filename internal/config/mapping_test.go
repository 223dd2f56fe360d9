package config_test

import (
	"testing"

	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/mapspec"
)

// A place inside of an expression is where the file has it, however it is quoted.
func TestPlacesInsideOfExpressions(t *testing.T) {
	const text = `type: = a + X
skip: '= ''a'' + X'
items: "= \"a\" + X"
id:
  - first
  - = X
fields:
  subject: |
    = a +
      X
  reason: >-
    = a
    + X
  sender: "= \"\u00e4\x41\t\" + X"
  test: "=
    a + \
    X"
`
	_, err := config.ReadMapping("m.yaml", []byte(text), func(_ *mapspec.Spec, place config.Place, _ *config.Problems) {
		for _, c := range []struct {
			path         string
			line, column int
			want         string
		}{
			{"type", 1, 7, "m.yaml:1:13"},
			{"skip", 1, 9, "m.yaml:2:18"},
			{"items", 1, 9, "m.yaml:3:19"},
			{"id[1]", 1, 3, "m.yaml:6:7"},
			{"fields.subject", 2, 3, "m.yaml:10:7"},
			{"fields.reason", 1, 7, "m.yaml:13:7"},
			{"fields.reason", 0, 0, "m.yaml:11:3"},
			{"fields.sender", 1, 11, "m.yaml:14:33"},
			{"fields.test", 1, 7, "m.yaml:17:5"},
			{"fields.test", 9, 1, "m.yaml:17:6"},
			{"fields.mx", 1, 1, "m.yaml:7:1"},
		} {
			if got := place(c.path, c.line, c.column); got != c.want {
				t.Errorf("%s %d:%d is at %s, want %s", c.path, c.line, c.column, got, c.want)
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}
