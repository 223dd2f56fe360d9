package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go" //nolint:depguard // the cluster is watched past the code under test
)

// cluster is an Apache Kafka that internal/kafkatest/kafka-up.sh started, on
// this machine, so that its nodes can be killed and frozen. It belongs to one
// goroutine.
type cluster struct {
	scripts string // folder of kafka-up.sh
	dir     string // its -d
	port    int    // its -p
	nodes   int
	own     bool // started here, and removed at the end
	admin   *kafka.Client
	frozen  []int
}

// portsOfNode is how far kafka-up.sh keeps its nodes' ports apart.
const portsOfNode = 10

// newCluster describes a cluster, running or not.
func newCluster(scripts, dir string, port, nodes int, own bool) *cluster {
	c := &cluster{scripts: scripts, dir: dir, port: port, nodes: nodes, own: own}
	c.admin = &kafka.Client{Addr: kafka.TCP(c.brokers()...), Timeout: 10 * time.Second, Transport: &kafka.Transport{MetadataTTL: 200 * time.Millisecond}}
	return c
}

// brokers are the nodes' addresses.
func (c *cluster) brokers() []string {
	list := make([]string, c.nodes)
	for i := range list {
		list[i] = "127.0.0.1:" + strconv.Itoa(c.port+portsOfNode*i)
	}
	return list
}

// script runs one of the control scripts.
func (c *cluster) script(ctx context.Context, name string, args ...string) error {
	args = append([]string{filepath.Join(c.scripts, name), "-p", strconv.Itoa(c.port), "-d", c.dir}, args...)
	cmd := exec.CommandContext(ctx, "bash", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours to handle
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("chaos: %s: %w\n%s", name, err, out)
	}
	return nil
}

// up starts every node and waits until all answer.
func (c *cluster) up(ctx context.Context) error {
	return c.script(ctx, "kafka-up.sh", "-n", strconv.Itoa(c.nodes))
}

// startNode starts one node that was stopped and waits until it answers.
func (c *cluster) startNode(ctx context.Context, i int) error {
	return c.script(ctx, "kafka-up.sh", "-n", strconv.Itoa(c.nodes), "--only", strconv.Itoa(i))
}

// down lets frozen nodes go, and stops and removes the cluster if it is ours.
func (c *cluster) down(ctx context.Context) error {
	err := c.thaw()
	if !c.own {
		return err
	}
	return errors.Join(err, c.script(ctx, "kafka-down.sh", "--kill", "--wipe"))
}

// pid is a node's process, looked at twice: the id that kafka-up.sh wrote, and
// that process's command line.
func (c *cluster) pid(i int) (int, error) {
	node := filepath.Join(c.dir, "node"+strconv.Itoa(i))
	b, err := os.ReadFile(filepath.Join(node, "pid"))
	if err != nil {
		return 0, fmt.Errorf("chaos: node %d: %w", i, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("chaos: node %d: %w", i, err)
	}
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || !slices.Contains(strings.Split(string(line), "\x00"), filepath.Join(node, "server.properties")) {
		return 0, fmt.Errorf("chaos: node %d: process %d is not this node any more", i, pid)
	}
	return pid, nil
}

// signal sends a node a signal.
func (c *cluster) signal(i int, s syscall.Signal) error {
	pid, err := c.pid(i)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, s); err != nil {
		return fmt.Errorf("chaos: node %d: %v: %w", i, s, err)
	}
	return nil
}

// killNode is kill -9.
func (c *cluster) killNode(ctx context.Context, i int) error {
	if err := c.signal(i, syscall.SIGKILL); err != nil {
		return err
	}
	for c.alive(i) {
		if !pause(ctx, pollEvery) {
			return fmt.Errorf("chaos: node %d: %w", i, ctx.Err())
		}
	}
	return nil
}

// alive reports whether a node's process is there.
func (c *cluster) alive(i int) bool {
	_, err := c.pid(i)
	return err == nil
}

// freeze stops nodes without a word: their connections stay.
func (c *cluster) freeze(nodes ...int) error {
	for _, i := range nodes {
		if err := c.signal(i, syscall.SIGSTOP); err != nil {
			return err
		}
		c.frozen = append(c.frozen, i)
	}
	return nil
}

// thaw lets all frozen nodes go on.
func (c *cluster) thaw() error {
	var errs []error
	for _, i := range c.frozen {
		errs = append(errs, c.signal(i, syscall.SIGCONT))
	}
	c.frozen = nil
	return errors.Join(errs...)
}

// heal thaws and starts every node, after a phase that may have ended halfway.
func (c *cluster) heal(ctx context.Context) error {
	err := c.thaw()
	for i := range c.nodes {
		if !c.alive(i) {
			err = errors.Join(err, c.startNode(ctx, i))
		}
	}
	return err
}

// topics returns the topics whose names begin with prefix and a dot.
func (c *cluster) topics(ctx context.Context, prefix string) ([]kafka.Topic, error) {
	res, err := c.admin.Metadata(ctx, &kafka.MetadataRequest{Addr: c.admin.Addr})
	if err != nil {
		return nil, fmt.Errorf("chaos: metadata: %w", err)
	}
	return slices.DeleteFunc(res.Topics, func(t kafka.Topic) bool { _, ours := suffix(t.Name, prefix); return !ours }), nil
}

// awaitWhole waits until every partition has all its replicas in sync: one
// failure at a time is what replication is for.
func (c *cluster) awaitWhole(ctx context.Context, prefix string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		topics, err := c.topics(ctx, prefix)
		if err == nil && whole(topics) {
			return nil
		}
		if !pause(ctx, 200*time.Millisecond) {
			return fmt.Errorf("chaos: the cluster does not become whole: %w", errors.Join(ctx.Err(), err))
		}
	}
}

// whole reports whether every replica is in sync.
func whole(topics []kafka.Topic) bool {
	for _, t := range topics {
		for _, p := range t.Partitions {
			if len(p.Isr) < len(p.Replicas) || p.Error != nil {
				return false
			}
		}
	}
	return true
}

// leads counts the partitions that a node leads.
func (c *cluster) leads(ctx context.Context, prefix string, node int) (int, error) {
	topics, err := c.topics(ctx, prefix)
	n := 0
	for _, t := range topics {
		for _, p := range t.Partitions {
			if p.Leader.Port == c.port+portsOfNode*node {
				n++
			}
		}
	}
	return n, err
}
