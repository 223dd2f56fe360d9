package mapping

import "fmt"

// Problem is one thing that is wrong with a declaration.
type Problem struct {
	Path    string // the key, such as fields.recipient[1]
	Line    int    // of its text, from 1; 0: the whole
	Column  int    // in characters, from 1
	Message string
	Hint    string
}

// Error implements error.
func (p Problem) Error() string {
	at := ""
	if p.Line > 0 {
		at = fmt.Sprintf(" at %d:%d", p.Line, p.Column)
	}
	return "mapping: " + p.Path + at + ": " + p.Message
}
