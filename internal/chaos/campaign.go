package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// campaign is a whole run: build, and for each round a cluster, its phases and
// the report; for a soak again and again.
func campaign(ctx context.Context, o *options, args []string, out, progress io.Writer) (err error) {
	fmt.Fprintf(progress, "seed %d\n", o.seed)
	if o.planOnly {
		for _, round := range o.rounds() {
			fmt.Fprintf(out, "%d node(s)\n", round.nodes)
			writePlan(out, o.plan(round))
		}
		return nil
	}
	dir, err := os.MkdirTemp(o.dir, "postrider-chaos-")
	if err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	defer func() {
		if err != nil {
			fmt.Fprintf(progress, "journals and logs are kept in %s\n", dir)
		}
		err = errors.Join(err, removeAll(dir, o.keep || err != nil))
	}()
	rep := &report{Command: strings.TrimSpace("go run ./internal/chaos " + strings.Join(args, " ")), Machine: machine(), Kafka: "Apache Kafka on the same machine"}
	if rep.Commit, err = o.build(ctx, dir); err != nil {
		return err
	}
	end := time.Now().Add(time.Duration(o.hours * float64(time.Hour)))
	for n := 0; ; n++ {
		if err := o.once(ctx, filepath.Join(dir, fmt.Sprintf("run-%03d", n)), rep, out, progress); err != nil {
			return err
		}
		if o.profile != profileSoak || !time.Now().Before(end) {
			return nil
		}
		o.seed++
	}
}

// plan is what a round does, at the rate of the command line.
func (o *options) plan(round amounts) []phase {
	phases := plan(round, o.seed, o.phases)
	for i := range phases {
		if o.rate > 0 && phases[i].rate > 0 {
			phases[i].rate = o.rate
		}
	}
	return phases
}

// once runs every round of the profile, reports, and removes what a sound run
// leaves.
func (o *options) once(ctx context.Context, dir string, rep *report, out, progress io.Writer) error {
	begun := time.Now()
	rep.Seed, rep.Phases, rep.Faults = o.seed, nil, nil
	for _, round := range o.rounds() {
		if err := o.round(ctx, filepath.Join(dir, fmt.Sprintf("nodes-%d", round.nodes)), round, rep, progress); err != nil {
			return err
		}
	}
	rep.Took = time.Since(begun)
	if err := rep.write(out, o.output); err != nil {
		return err
	}
	if !rep.sound() {
		return errBreached
	}
	return removeAll(dir, o.keep)
}

// round runs one round on one cluster.
func (o *options) round(ctx context.Context, dir string, round amounts, rep *report, progress io.Writer) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	c, err := o.cluster(ctx, dir, round.nodes)
	if err != nil {
		return err
	}
	// Whatever ends this run must not leave frozen or forgotten nodes behind.
	defer func() { err = errors.Join(err, c.down(context.WithoutCancel(ctx))) }()
	if c.own {
		fmt.Fprintf(progress, "starting Kafka on %d node(s)\n", c.nodes)
		if err := c.up(ctx); err != nil {
			return err
		}
	}
	r, err := newRun(*o, dir, randomName(), c, progress)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.phases(ctx, o.plan(round)); err != nil {
		return err
	}
	rep.Phases = append(rep.Phases, r.results...)
	for _, f := range first(r.seen.ledger.invented) {
		rep.Faults = append(rep.Faults, f.what)
	}
	r.explain(progress)
	return nil
}

// explain shows the first breaches with their timelines.
func (r *run) explain(w io.Writer) {
	for _, res := range r.results {
		if len(res.Breaches) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s, seed %d: %s\n", res.Phase, r.opt.seed, strings.Join(res.Breaches, "; "))
		told := make(map[uint32]bool)
		for _, o := range res.worst() {
			fmt.Fprintf(w, "  event %d of request %d: %s\n", o.serial, o.request, o.what)
			if told[o.request] {
				continue
			}
			told[o.request] = true
			for _, line := range timeline(r.journal.file.Name(), o.request) {
				fmt.Fprintf(w, "    %s\n", line)
			}
		}
	}
}

// cluster describes the cluster to use.
func (o *options) cluster(ctx context.Context, dir string, nodes int) (*cluster, error) {
	if o.brokers != "" {
		port, err := o.port()
		return newCluster(o.scripts, o.kafkaDir, port, nodes, false), err
	}
	port, err := freeRange(ctx, portsOfNode*nodes)
	return newCluster(o.scripts, filepath.Join(dir, "kafka"), port, nodes, true), err
}

// build builds this checkout unless a binary is given, and says what it is.
func (o *options) build(ctx context.Context, dir string) (string, error) {
	if o.binary != "" {
		path, err := filepath.Abs(o.binary)
		if err != nil {
			return "", fmt.Errorf("chaos: %w", err)
		}
		o.binary = path
		return "that of a binary given", nil
	}
	o.binary = filepath.Join(dir, "postrider")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", o.binary, "github.com/postrider/postrider/cmd/postrider").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("chaos: build postrider: %w\n%s", err, out)
	}
	return commit(ctx), nil
}

// commit names the checkout, "unknown" outside of one.
func commit(ctx context.Context) string {
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	if changes, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output(); err != nil || len(changes) > 0 {
		name += ", with changes"
	}
	return name
}

// machine describes where the figures come from.
func machine() string {
	total := "memory unknown"
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		total = fmt.Sprintf("%.0f GB", kibibytes(string(b), "MemTotal:")/1000)
	}
	return fmt.Sprintf("%d cores, %s, %s", runtime.NumCPU(), total, runtime.GOOS)
}

// randomName tells this run's topics and events from others'.
func randomName() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
