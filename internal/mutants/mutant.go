package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// mutant is one promise broken on purpose.
type mutant struct {
	name    string   // of its file
	what    string   // what it breaks
	test    []string // arguments of `go test`; it has to fail
	core    bool     // one of the few that every change is tried against
	changes []change
}

// change replaces text that occurs once in a file.
type change struct{ file, from, to string }

// folder holds the mutants, one file each:
//
//	what: the promise that it breaks
//	test: -run TestName ./internal/package
//	core: yes (left out for most)
//	-- path/of/file.go --
//	the text as it is
//	==>
//	the text that takes its place
//
// More files may follow.
const folder = "internal/mutants/testdata"

var (
	errSurvived = errors.New("survived: no test noticed")
	errForm     = errors.New("does not have the form of a mutant")
	errGone     = errors.New("the text to replace does not occur exactly once")
)

// read returns the mutants of a module, by name.
func read(root string) ([]mutant, error) {
	paths, err := filepath.Glob(filepath.Join(root, folder, "*.mutant"))
	if err != nil {
		return nil, fmt.Errorf("mutants: %w", err)
	}
	var all []mutant
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("mutants: %w", err)
		}
		m, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("mutants: %s: %w", path, err)
		}
		m.name = strings.TrimSuffix(filepath.Base(path), ".mutant")
		all = append(all, m)
	}
	return all, nil
}

// parse reads one mutant's file.
func parse(text string) (mutant, error) {
	var m mutant
	head, rest, _ := strings.Cut(text, "\n-- ")
	for line := range strings.SplitSeq(head, "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "what":
			m.what = value
		case "test":
			m.test = strings.Fields(value)
		case "core":
			m.core = value == "yes"
		default:
			return m, fmt.Errorf("%w: line %q", errForm, line)
		}
	}
	for part := range strings.SplitSeq(rest, "\n-- ") {
		file, body, ok := strings.Cut(part, " --\n")
		from, to, both := strings.Cut(body, "\n==>\n")
		if !ok || !both {
			return m, fmt.Errorf("%w: a change needs `-- file --`, the text, ==> and the new text", errForm)
		}
		m.changes = append(m.changes, change{file, from, strings.TrimSuffix(to, "\n")})
	}
	if m.what == "" || len(m.test) == 0 {
		return m, fmt.Errorf("%w: what and test are missing", errForm)
	}
	return m, nil
}

// try applies the mutant to the tree in dir, runs its tests and puts the tree
// back. It returns nil if they failed, as they must.
func (m *mutant) try(ctx context.Context, dir string) (err error) {
	for _, c := range m.changes {
		undo, aerr := c.apply(dir)
		if aerr != nil {
			return aerr
		}
		defer func() { err = errors.Join(err, undo()) }()
	}
	if out, err := goCommand(ctx, dir, append([]string{"vet"}, packages(m.test)...)); err != nil {
		return fmt.Errorf("does not compile: %w\n%s", err, out)
	}
	out, err := goCommand(ctx, dir, append([]string{"test", "-count=1", "-timeout=180s"}, m.test...))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return errSurvived
	case !strings.Contains(out, "--- FAIL") && !strings.Contains(out, "panic: "):
		return fmt.Errorf("the tests did not run: %w\n%s", err, out)
	}
	return nil
}

// packages are the arguments that name packages.
func packages(args []string) []string {
	var out []string
	for _, a := range args {
		if strings.HasPrefix(a, "./") {
			out = append(out, a)
		}
	}
	return out
}

// apply makes the change below dir.
func (c change) apply(dir string) (undo func() error, err error) {
	path := filepath.Join(dir, c.file)
	was, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("mutants: %w", err)
	}
	if strings.Count(string(was), c.from) != 1 {
		return nil, fmt.Errorf("%w in %s: %q", errGone, c.file, c.from)
	}
	write := func(text string) error { return os.WriteFile(path, []byte(text), 0o600) }
	return func() error { return write(string(was)) }, write(strings.Replace(string(was), c.from, c.to, 1))
}

func goCommand(ctx context.Context, dir string, args []string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// moduleRoot finds the folder of go.mod.
func moduleRoot(from string) (string, error) {
	dir, err := filepath.Abs(from)
	if err != nil {
		return "", fmt.Errorf("mutants: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("mutants: no go.mod here or above")
		}
	}
}

// copyTree copies what git knows of the module, as it lies there.
func copyTree(ctx context.Context, root, dir string) error {
	cmd := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("mutants: git ls-files: %w", err)
	}
	for file := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if err := copyFile(filepath.Join(root, file), filepath.Join(dir, file)); err != nil {
			return fmt.Errorf("mutants: %w", err)
		}
	}
	return nil
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil // deleted, and git has not heard of it yet
	}
	if err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.WriteFile(to, text, info.Mode().Perm())
}
