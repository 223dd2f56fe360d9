package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// startTimeout bounds the wait for a receiver to be ready, or to end.
const startTimeout = 60 * time.Second

// process is one running `postrider serve`.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// startServe starts a command that runs until it is stopped, with args, and waits until
// its ready file is there. Output goes to files named after name.
func startServe(dir, name string, env, args []string) (*process, error) {
	ready := filepath.Join(dir, name+".ready")
	if err := os.RemoveAll(ready); err != nil {
		return nil, err
	}
	out, err := os.Create(filepath.Join(dir, name+".out"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	errs, err := os.Create(filepath.Join(dir, name+".err"))
	if err != nil {
		return nil, err
	}
	defer errs.Close()
	p := &process{cmd: exec.CommandContext(context.Background(), filepath.Join(binary, "postrider"), args...), ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, errs
	p.cmd.Env = append(env, "POSTRIDER_TEST_READY_FILE="+ready)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState tells
		close(p.ended)
	}()
	return p, p.await(ready)
}

// await returns when the file is there. It fails when the process ends first.
func (p *process) await(file string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(file); err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("it ended before it was ready: %v", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("it was not ready in %s", startTimeout)
		case <-tick.C:
		}
	}
}

// signal sends signals and waits for the end.
func (p *process) signal(signals ...syscall.Signal) (exit int, err error) {
	for _, s := range signals {
		if err := p.cmd.Process.Signal(s); err != nil {
			return 0, err
		}
	}
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(startTimeout):
		return 0, fmt.Errorf("serve did not end in %s", startTimeout)
	}
}

// kill ends the process whatever it does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// processes are a script's, by name.
type processes map[string]*process

type processesKey struct{}

// running are the script's processes.
func running(ts *testscript.TestScript) processes {
	all, ok := ts.Value(processesKey{}).(processes)
	if !ok {
		ts.Fatalf("setupScript was not called")
	}
	return all
}

// cmdServe starts the receiver.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! serve; use ! exec postrider serve")
	}
	cmdStart(ts, "serve", args)
}

// cmdForward starts the forwarder.
func cmdForward(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! forward; use ! exec postrider forward")
	}
	cmdStart(ts, "forward", args)
}

// cmdStart starts a command, by default under its own name.
func cmdStart(ts *testscript.TestScript, command string, args []string) {
	name := command
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	p, err := startServe(ts.MkAbs("."), name, scriptEnv(ts), append([]string{command}, args...))
	if p != nil {
		ts.Defer(p.kill)
		running(ts)[name] = p
	}
	if err != nil {
		ts.Fatalf("%v\n%s", err, ts.ReadFile(name+".err"))
	}
}

// scriptEnv is the script's environment as far as the program reads it.
func scriptEnv(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{
		"PATH", "HOME", "POSTRIDER_SERVER_LISTEN", "POSTRIDER_ADMIN_LISTEN", "POSTRIDER_KAFKA_EMBEDDED_LISTEN",
		"POSTRIDER_KAFKA_BROKERS", "POSTRIDER_KAFKA_PUBLISH_BUDGET", "POSTRIDER_KAFKA_TOPICS_MAX_MESSAGE_BYTES",
		"POSTRIDER_KAFKA_TOPICS_PREFIX", "POSTRIDER_KAFKA_TOPICS_KEY", "POSTRIDER_PII_PEPPER", "POSTRIDER_PII_RECIPIENT",
		"POSTRIDER_LOG_LEVEL", "POSTRIDER_FORWARD_LISTEN", "JETEMAIL_SECRET", "TARGET",
	} {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// cmdStop stops the receiver in order.
func cmdStop(ts *testscript.TestScript, neg bool, args []string) {
	cmdSignal(ts, neg, append([]string{"TERM"}, args...))
}

// cmdSignal sends signals, comma-separated. Unless one is KILL the receiver has
// to exit 0.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: signal TERM,TERM [NAME]")
	}
	name := "serve"
	if len(args) == 2 {
		name = args[1]
	}
	known := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}
	var signals []syscall.Signal
	for word := range strings.SplitSeq(args[0], ",") {
		signals = append(signals, known[word])
	}
	p := running(ts)[name]
	if p == nil {
		ts.Fatalf("no process %s was started", name)
	}
	exit, err := p.signal(signals...)
	ts.Check(err)
	if exit != 0 && signals[0] != syscall.SIGKILL {
		ts.Fatalf("%s: exit code %d\n%s", name, exit, ts.ReadFile(name+".err"))
	}
}

// cmdHold takes a port for the rest of the script.
func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold ADDRESS")
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", args[0])
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
}

// freeAddresses finds loopback ports that are free at the moment.
func freeAddresses(n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		addresses[i] = l.Addr().String()
	}
	return addresses, nil
}
