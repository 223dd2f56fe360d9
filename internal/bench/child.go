package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Patience with child processes.
const (
	readyPatience = 60 * time.Second
	readyPoll     = 10 * time.Millisecond
	stopPatience  = 20 * time.Second
	logTail       = 2000 // bytes of a child's output shown when it fails
)

// ready is what a child process writes to its ready file when it listens.
type ready struct {
	Listen string `json:"listen"` // host:port that takes webhooks
	Admin  string `json:"admin"`  // host:port of metrics; "" for none
}

// command says how to start a child process.
type command struct {
	path      string
	args      []string
	env       []string
	dir       string // to run in; "": this process's
	readyFile string // where it says that it listens
	listen    string // host:port that it listens on when it is ready; "": the file tells
	logFile   string // takes its output
	foreign   bool   // how it ends when asked to is its own affair
}

// child is a process under measurement.
type child struct {
	ready ready

	cmd     *exec.Cmd
	stdin   io.Closer
	cancel  context.CancelFunc
	done    chan struct{} // closed when the process has ended
	foreign bool
	logFile string
}

// startChild starts a process and waits until it listens.
func startChild(ctx context.Context, c command) (*child, error) {
	log, err := os.Create(c.logFile)
	if err != nil {
		return nil, fmt.Errorf("bench: output of a child: %w", err)
	}
	defer log.Close()
	if c.readyFile != "" {
		_ = os.Remove(c.readyFile) // an earlier start's; mostly there is none
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.env, c.dir, log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopPatience
	ch := &child{cmd: cmd, cancel: cancel, done: make(chan struct{}), foreign: c.foreign, logFile: c.logFile}
	// The pipe ends with this process, however it ends: the yardstick watches it.
	if ch.stdin, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("bench: start a child: %w", err)
	}
	go func() {
		_ = cmd.Wait() // stop looks at the exit code
		close(ch.done)
	}()
	if err := ch.await(ctx, c); err != nil {
		return nil, errors.Join(err, ch.stop())
	}
	return ch, nil
}

// pid is the process's id.
func (c *child) pid() int { return c.cmd.Process.Pid }

// await waits until the process listens.
func (c *child) await(ctx context.Context, how command) error {
	if how.listen == "" {
		return c.poll(ctx, "the ready file "+how.readyFile, func() (bool, error) { return c.readReady(how.readyFile) })
	}
	c.ready.Listen = how.listen
	return c.poll(ctx, how.listen, func() (bool, error) {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", how.listen)
		if err != nil {
			return false, nil //nolint:nilerr // it does not listen yet
		}
		return true, conn.Close() //nolint:wrapcheck // poll names what was waited for
	})
}

// readReady reads the ready file, if there is one.
func (c *child) readReady(file string) (bool, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return false, nil //nolint:nilerr // it is not there yet
	}
	return true, json.Unmarshal(b, &c.ready) //nolint:wrapcheck // poll names the file
}

// poll asks until something is there.
func (c *child) poll(ctx context.Context, what string, there func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		if ok, err := there(); err != nil {
			return fmt.Errorf("bench: %s: %w", what, err)
		} else if ok {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.done:
			return errors.New("bench: the child ended before it listened")
		case <-ctx.Done():
			return fmt.Errorf("bench: wait for %s: %w", what, ctx.Err())
		}
	}
}

// stop asks the process to end and waits for it. An exit code other than 0 is
// an error that holds the end of its output.
func (c *child) stop() error {
	c.cancel()
	<-c.done
	c.stdin.Close()
	if code := c.cmd.ProcessState.ExitCode(); code != 0 && !c.foreign {
		return fmt.Errorf("bench: %s ended with code %d; its output ends with:\n%s", c.cmd.Path, code, tail(c.logFile))
	}
	return nil
}

// kill ends the process without a goodbye, and waits until it has ended.
func (c *child) kill() error {
	err := c.cmd.Process.Kill()
	<-c.done
	c.cancel()
	c.stdin.Close()
	if err != nil {
		return fmt.Errorf("bench: kill %s: %w", c.cmd.Path, err)
	}
	return nil
}

// tail is the end of a text file.
func tail(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-logTail):])
}

// cleanEnvironment is this process's environment without settings of the
// program that is measured: its configuration comes from the generated file.
func cleanEnvironment(environment []string, more ...string) []string {
	var kept []string
	for _, e := range environment {
		if !strings.HasPrefix(e, "POSTRIDER_") {
			kept = append(kept, e)
		}
	}
	return append(kept, more...)
}
