package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// cluster is one node of Apache Kafka on this machine.
type cluster struct {
	brokers []string
	scripts string // folder of kafka-up.sh
	dir     string // its -d; "": somebody else's, to be left alone
	own     bool   // started here, and removed at the end
}

// useCluster takes the Kafka that the options name, or starts one in a folder.
func useCluster(ctx context.Context, o options, root, dir string) (*cluster, error) {
	c := &cluster{brokers: o.brokers, scripts: filepath.Join(root, "internal", "kafkatest"), dir: o.kafkaDir}
	if len(c.brokers) > 0 {
		return c, nil
	}
	address, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	c.brokers, c.dir, c.own = []string{address}, filepath.Join(dir, "kafka"), true
	return c, c.start(ctx)
}

// mortal reports whether the node may be killed.
func (c *cluster) mortal() bool { return c.dir != "" && len(c.brokers) == 1 }

// start starts the node, again if need be, and waits until it answers.
func (c *cluster) start(ctx context.Context) error { return c.script(ctx, "kafka-up.sh", "-n", "1") }

// kill ends the node without a goodbye.
func (c *cluster) kill(ctx context.Context) error { return c.script(ctx, "kafka-down.sh", "--kill") }

// end removes a node that was started here.
func (c *cluster) end(ctx context.Context) error {
	if !c.own {
		return nil
	}
	return c.script(context.WithoutCancel(ctx), "kafka-down.sh", "--kill", "--wipe")
}

// script runs one of the scripts, in a group of its own: an interrupt is ours to handle.
func (c *cluster) script(ctx context.Context, name string, args ...string) error {
	_, port, err := net.SplitHostPort(c.brokers[0])
	if err != nil {
		return fmt.Errorf("bench: %s: %w", name, err)
	}
	cmd := exec.CommandContext(ctx, "bash", append([]string{filepath.Join(c.scripts, name), "-p", port, "-d", c.dir}, args...)...)
	cmd.Env = append(os.Environ(), "KAFKA_WAIT=300") // the machine is busy with the load
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("bench: %s: %w\n%s", name, err, out)
	}
	return nil
}

// sourceRoot is the folder of this module's sources, which the scripts and the peers'
// settings lie in.
func sourceRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	root := strings.TrimSpace(string(out))
	if err == nil && root == "" {
		err = errors.New("no module here")
	}
	if err != nil {
		return "", fmt.Errorf("bench: find the sources, run this inside of them: %w", err)
	}
	return root, nil
}
