package main

import (
	"os"
	"regexp"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdHangup sends SIGHUP and waits for what the log says of it.
func cmdHangup(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: hangup PATTERN [NAME]")
	}
	name := "serve"
	if len(args) == 2 {
		name = args[1]
	}
	p, pattern := running(ts)[name], regexp.MustCompile(args[0])
	if p == nil {
		ts.Fatalf("no process %s was started", name)
	}
	said := func() int {
		text, err := os.ReadFile(ts.MkAbs(name + ".err"))
		ts.Check(err)
		return len(pattern.FindAll(text, -1))
	}
	before := said()
	ts.Check(p.cmd.Process.Signal(syscall.SIGHUP))
	deadline := time.After(startTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for said() <= before {
		select {
		case <-p.ended:
			ts.Fatalf("%s ended\n%s", name, ts.ReadFile(name+".err"))
		case <-deadline:
			ts.Fatalf("%s does not say %q\n%s", name, args[0], ts.ReadFile(name+".err"))
		case <-tick.C:
		}
	}
}
