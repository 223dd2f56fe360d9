//go:build unix

package downstream_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/postrider/postrider/internal/broker/embedded"
)

// site is where a proof runs: the embedded broker, or the nodes that kafka-up.sh started.
type site struct {
	brokers []string
	// dir is kafka-up.sh's -d; "" where nodes cannot be killed.
	dir string

	own *embedded.Broker
	at  embedded.Options
}

// realSite is the cluster of the environment; nil if there is none.
func realSite() *site {
	brokers := os.Getenv("POSTRIDER_TEST_BROKERS")
	if brokers == "" {
		return nil
	}
	return &site{brokers: strings.Split(brokers, ","), dir: os.Getenv("POSTRIDER_TEST_KAFKA_DIR")}
}

func embeddedSite(t *testing.T) *site {
	t.Helper()
	s := &site{at: embedded.Options{Listen: "127.0.0.1:0", Dir: t.TempDir()}}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	s.at.Listen = s.own.Addr()
	s.brokers = []string{s.own.Addr()}
	t.Cleanup(func() {
		if err := s.own.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *site) open() (err error) {
	s.own, err = embedded.Start(s.at)
	return err
}

// restart has a broker go, without a goodbye where it is a process of its own, and come
// back with what it had.
func (s *site) restart(ctx context.Context, node int) error {
	if s.own != nil {
		return errors.Join(s.own.Close(), s.open()) //nolint:contextcheck // the broker lives until it is closed
	}
	if err := s.script(ctx, "kafka-down.sh", "--only", strconv.Itoa(node), "--kill"); err != nil {
		return err
	}
	args := []string{"-n", strconv.Itoa(len(s.brokers)), "--only", strconv.Itoa(node)}
	if _, err := os.Stat(filepath.Join(s.dir, "node0", "scram")); err == nil {
		args = append(args, "--sasl")
	}
	return s.script(ctx, "kafka-up.sh", args...)
}

// freeze has a broker fall silent: its connections stay. Calling the function that it
// returns has it go on.
func (s *site) freeze(node int) (thaw func() error, err error) {
	folder := filepath.Join(s.dir, "node"+strconv.Itoa(node))
	b, err := os.ReadFile(filepath.Join(folder, "pid"))
	if err != nil {
		return nil, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, err
	}
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || !strings.Contains(string(line), filepath.Join(folder, "server.properties")) {
		return nil, fmt.Errorf("process %d is not node %d any more", pid, node)
	}
	return func() error { return syscall.Kill(pid, syscall.SIGCONT) }, syscall.Kill(pid, syscall.SIGSTOP)
}

func (s *site) script(ctx context.Context, name string, args ...string) error {
	_, port, err := net.SplitHostPort(s.brokers[0])
	if err != nil {
		return err
	}
	args = append([]string{filepath.Join("..", "kafkatest", name), "-p", port, "-d", s.dir}, args...)
	if out, err := exec.CommandContext(ctx, "bash", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
