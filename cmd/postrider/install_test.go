package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// install is a folder with the program's data, and free ports: what a person has
// after cloning. Commands run in it as that person would run them.
type install struct {
	t      *testing.T
	dir    string
	env    []string
	server string // address of the public listener
}

// newInstall makes an empty one.
func newInstall(t *testing.T) *install {
	t.Helper()
	addresses, err := freeAddresses(3)
	if err != nil {
		t.Fatal(err)
	}
	return &install{t: t, dir: t.TempDir(), server: addresses[0], env: []string{
		"PATH=" + os.Getenv("PATH"),
		"POSTRIDER_SERVER_LISTEN=" + addresses[0],
		"POSTRIDER_ADMIN_LISTEN=" + addresses[1],
		"POSTRIDER_KAFKA_EMBEDDED_LISTEN=" + addresses[2],
	}}
}

// serve starts the receiver and waits until it is ready; it ends with the test.
func (i *install) serve() *process {
	i.t.Helper()
	p, err := startServe(i.dir, "serve", i.env, []string{"serve"})
	if p != nil {
		i.t.Cleanup(p.kill)
	}
	if err != nil {
		i.t.Fatalf("%v\n%s", err, i.file("serve.err"))
	}
	return p
}

// file returns the content of a file in the folder.
func (i *install) file(name string) string {
	i.t.Helper()
	b, err := os.ReadFile(filepath.Join(i.dir, name))
	if err != nil {
		i.t.Fatal(err)
	}
	return string(b)
}

// run runs `postrider args...`, which has to exit 0, and returns its output.
func (i *install) run(args ...string) string {
	i.t.Helper()
	out, errs, exit := i.try(args...)
	if exit != 0 {
		i.t.Fatalf("postrider %s: exit code %d\n%s%s", strings.Join(args, " "), exit, out, errs)
	}
	return out
}

// try runs `postrider args...`.
func (i *install) try(args ...string) (out, errs string, exit int) {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), startTimeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(binary, "postrider"), args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = i.dir, i.env, &stdout, &stderr
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		i.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}
