//go:build unix

package downstream_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/postrider/postrider/internal/broker"
)

// crew is the processes that are a group's members, dead and alive.
type crew struct {
	t      *testing.T
	member member // what all are told
	client *broker.Client

	mu       sync.Mutex
	alive    []*process
	started  int
	kills    int
	stops    int
	problems []string
	assigned atomic.Int64 // how often a member was given partitions, or lost them
	ending   sync.WaitGroup
}

// process is one of them.
type process struct {
	name  string
	cmd   *exec.Cmd
	stdin io.Closer
	said  *tail
	read  chan struct{} // closed when its output has ended
}

// tail keeps the end of what a process says.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// tailBytes is how much of it.
const tailBytes = 4000

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b)
	if over := t.buf.Len() - tailBytes; over > 0 {
		t.buf.Next(over)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// start starts a member.
func (c *crew) start() {
	c.t.Helper()
	c.mu.Lock()
	c.started++
	m := c.member
	m.Name = fmt.Sprintf("%s-%d", c.member.Name, c.started)
	c.mu.Unlock()
	told, err := json.Marshal(m)
	if err != nil {
		c.t.Fatal(err)
	}
	p := &process{name: m.Name, said: &tail{}, read: make(chan struct{})}
	p.cmd = exec.CommandContext(context.Background(), os.Args[0])
	p.cmd.Env = append(os.Environ(), memberVar+"="+string(told))
	p.cmd.Stderr = p.said
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		p.stdin, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	go func() {
		defer close(p.read)
		for in := bufio.NewScanner(out); in.Scan(); {
			if strings.HasPrefix(in.Text(), "assigned ") {
				c.assigned.Add(1)
			}
		}
	}()
	c.mu.Lock()
	c.alive = append(c.alive, p)
	c.mu.Unlock()
}

// pick takes a random member out of those alive; nil if there is none.
func (c *crew) pick() *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.alive) == 0 {
		return nil
	}
	i := rand.IntN(len(c.alive))
	p := c.alive[i]
	c.alive = slices.Delete(c.alive, i, i+1)
	return p
}

func (c *crew) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.alive)
}

// kill ends a random member without a goodbye.
func (c *crew) kill() *process {
	p := c.pick()
	if p == nil {
		return nil
	}
	_ = p.cmd.Process.Kill()
	<-p.read
	err := p.cmd.Wait()
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		c.problem("%s ended by itself: %v\n%s", p.name, err, p.said)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kills++
	return p
}

// evict has the group forget a dead member at once, as an operator can, instead of when
// its session ends.
func (c *crew) evict(ctx context.Context, p *process) {
	g, err := c.client.Group(ctx, c.member.Group)
	if err != nil {
		return // its session ends
	}
	for i := range g.Members {
		if g.Members[i].Client != p.name {
			continue
		}
		transport := &kafka.Transport{}
		api := &kafka.Client{Addr: kafka.TCP(c.member.Brokers...), Transport: transport, Timeout: 5 * time.Second}
		_, err := api.LeaveGroup(ctx, &kafka.LeaveGroupRequest{GroupID: c.member.Group, Members: []kafka.LeaveGroupRequestMember{{ID: g.Members[i].ID}}})
		if err != nil {
			c.t.Logf("%s is still a member until its session ends: %v", p.name, err)
		}
		transport.CloseIdleConnections()
	}
}

// stopOne asks a random member to end, and goes on.
func (c *crew) stopOne() {
	p := c.pick()
	if p == nil {
		return
	}
	c.mu.Lock()
	c.stops++
	c.mu.Unlock()
	c.ending.Go(func() { c.end(p) })
}

// stopWait is how long a member may take to end.
const stopWait = 20 * time.Second

// end asks a member to end, and waits.
func (c *crew) end(p *process) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(stopWait, func() {
		c.problem("%s does not end within %s of SIGTERM\n%s", p.name, stopWait, p.said)
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	})
	defer late.Stop()
	<-p.read
	if err := p.cmd.Wait(); err != nil {
		c.problem("%s: %v\n%s", p.name, err, p.said)
	}
	p.stdin.Close()
}

// stopAll ends what is left, and waits for all.
func (c *crew) stopAll() {
	for p := c.pick(); p != nil; p = c.pick() {
		c.ending.Go(func() { c.end(p) })
	}
	c.ending.Wait()
}

func (c *crew) problem(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// troubles are what went wrong with processes so far.
func (c *crew) troubles() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.problems)
}
