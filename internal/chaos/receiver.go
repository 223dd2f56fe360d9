package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Patience with the receiver.
const (
	startPatience = 60 * time.Second
	stopPatience  = 40 * time.Second
	stopLimit     = 25 * time.Second // what an orderly stop may take, below Kubernetes' 30 s
	pollEvery     = 10 * time.Millisecond
)

// receiver is the program under test: one folder, one configuration, one pair of
// ports, and one process after the other. It belongs to one goroutine, except
// for its addresses, which do not change.
type receiver struct {
	dir     string
	binary  string
	listen  string // host:port
	admin   string
	prefix  string // of the topics
	brokers []string
	keys    *keyring
	keep    []int64        // generations of secrets in the configuration, newest first
	extra   string         // more configuration, YAML at the top level
	wrap    func() command // how to start it otherwise than directly

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// command is a program with its arguments.
type command struct {
	path string
	args []string
}

// newReceiver makes the folder and chooses ports.
func newReceiver(ctx context.Context, dir, binary, prefix string, brokers []string, keys *keyring) (*receiver, error) {
	r := &receiver{dir: dir, binary: binary, prefix: prefix, brokers: brokers, keys: keys, keep: []int64{0}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("chaos: receiver: %w", err)
	}
	ports, err := freePorts(ctx, 2)
	if err != nil {
		return nil, err
	}
	r.listen, r.admin = ports[0], ports[1]
	return r, nil
}

// plainEnviron is an environment without settings of the receiver: what it does is
// for its configuration to say.
func plainEnviron(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool { return strings.HasPrefix(v, "POSTRIDER_") })
}

// freePorts finds loopback ports that nothing listens on. A receiver keeps its
// own over all restarts, as one behind a provider's URL does.
func freePorts(ctx context.Context, n int) ([]string, error) {
	var found []string
	for range n {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("chaos: free port: %w", err)
		}
		defer l.Close()
		found = append(found, l.Addr().String())
	}
	return found, nil
}

// freeRange finds the first of n ports in a row that nothing listens on, below
// those that systems hand out by themselves.
func freeRange(ctx context.Context, n int) (int, error) {
	for range 50 {
		first := 20000 + rand.IntN(10000)
		if rangeIsFree(ctx, first, n) {
			return first, nil
		}
	}
	return 0, errors.New("chaos: no free ports found")
}

// rangeIsFree tries each port.
func rangeIsFree(ctx context.Context, first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// base is the address for senders.
func (r *receiver) base() string { return "http://" + r.listen }

// config is the configuration: what is not said is the default that users have.
func (r *receiver) config() string {
	var b strings.Builder
	fmt.Fprintf(&b, "server: {listen: %q}\nadmin: {listen: %q}\nlog: {format: json, level: info}\n", r.listen, r.admin)
	fmt.Fprintf(&b, "kafka:\n  brokers: [%s]\n  topics: {prefix: %q, partitions: 3}\n", quoted(r.brokers), r.prefix)
	b.WriteString(r.extra)
	b.WriteString("sources:\n")
	for _, s := range sources() {
		auth := "token"
		if s.provider == "jetemail" {
			auth = "jetemail"
		}
		fmt.Fprintf(&b, "  - name: %s\n    provider: %s\n    durability: %s\n    auth:\n      type: %s\n      secrets:\n", s.name, s.provider, s.durability, auth)
		for _, g := range r.keep {
			fmt.Fprintf(&b, "        - {id: g%d, value: %q}\n", g, r.keys.secret(s.name, g))
		}
	}
	return b.String()
}

// quoted writes a list of strings for YAML.
func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}

// writeConfig replaces the configuration file in one step.
func (r *receiver) writeConfig(text string) error {
	file := filepath.Join(r.dir, "config.yaml")
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		return fmt.Errorf("chaos: configuration: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("chaos: configuration: %w", err)
	}
	return nil
}

// start starts the process and waits until it says that it takes webhooks.
func (r *receiver) start(ctx context.Context) error {
	if err := r.writeConfig(r.config()); err != nil {
		return err
	}
	ready := filepath.Join(r.dir, "ready.json")
	_ = os.Remove(ready)
	log, err := os.OpenFile(filepath.Join(r.dir, "output.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("chaos: receiver: %w", err)
	}
	defer log.Close()
	c := command{r.binary, []string{"serve", "--config", filepath.Join(r.dir, "config.yaml")}}
	if r.wrap != nil {
		c = r.wrap()
	}
	cmd := exec.Command(c.path, c.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(plainEnviron(os.Environ()), "POSTRIDER_TEST_READY_FILE="+ready), log, log
	// A process that outlives this program would hold ports and the spool.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	done := make(chan struct{})
	if err := startLocked(cmd, done); err != nil {
		return err
	}
	r.cmd, r.done = cmd, done
	return r.awaitReady(ctx, ready)
}

// startLocked starts a process from a thread that lives as long as the process:
// the kernel sends Pdeathsig when the thread that started it ends.
func startLocked(cmd *exec.Cmd, done chan struct{}) error {
	started := make(chan error, 1)
	go func() {
		defer close(done)
		lockThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // stop looks at the exit code
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("chaos: receiver: %w", err)
	}
	return nil
}

// awaitReady waits for the ready file.
func (r *receiver) awaitReady(ctx context.Context, file string) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		if b, err := os.ReadFile(file); err == nil && json.Valid(b) {
			return nil
		}
		select {
		case <-r.done:
			return fmt.Errorf("chaos: the receiver ended at its start with code %d; its output ends with:\n%s", r.cmd.ProcessState.ExitCode(), r.tail())
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return fmt.Errorf("chaos: the receiver does not say that it listens: %w\n%s", ctx.Err(), r.tail())
		}
	}
}

// tail is the end of the receiver's output.
func (r *receiver) tail() string {
	b, err := os.ReadFile(filepath.Join(r.dir, "output.log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-3000):])
}

// pid is the process's id.
func (r *receiver) pid() int { return r.cmd.Process.Pid }

// running reports whether the process has not ended.
func (r *receiver) running() bool {
	if r.cmd == nil {
		return false
	}
	select {
	case <-r.done:
		return false
	default:
		return true
	}
}

// kill is kill -9. It returns when the process is gone.
func (r *receiver) kill() {
	if r.running() {
		_ = r.cmd.Process.Kill() // it may have ended by itself
		<-r.done
	}
}

// errStop says that an orderly stop was none.
var errStop = errors.New("chaos: the stop was not in order")

// terminate is SIGTERM; it returns how long the stop took.
func (r *receiver) terminate() (time.Duration, error) {
	begun := time.Now()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, fmt.Errorf("%w: SIGTERM: %w", errStop, err)
	}
	var once sync.Once
	timer := time.AfterFunc(stopPatience, func() { once.Do(func() { _ = r.cmd.Process.Kill() }) })
	defer timer.Stop()
	<-r.done
	took := time.Since(begun)
	if code := r.cmd.ProcessState.ExitCode(); code != 0 || took > stopLimit {
		return took, fmt.Errorf("%w: exit code %d after %.1f s; its output ends with:\n%s", errStop, code, took.Seconds(), r.tail())
	}
	return took, nil
}

// hangUp is SIGHUP: read the configuration again.
func (r *receiver) hangUp() error {
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("chaos: SIGHUP: %w", err)
	}
	return nil
}
