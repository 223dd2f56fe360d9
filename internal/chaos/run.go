package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// Patience of a phase.
const (
	settlePatience = 90 * time.Second // until everything that was sent is accepted
	drainPatience  = 90 * time.Second // until the spool is empty
)

// run is one run of a plan on one cluster.
type run struct {
	opt      options
	dir      string
	progress io.Writer
	gen      *generator
	count    counters
	keys     keyring
	journal  *journal
	cluster  *cluster
	client   *broker.Client
	seen     *collector
	prefix   string
	results  []*result
}

// result is what a phase came to: the ledger's verdict, and what else was measured.
type result struct {
	verdict
	Notes    []string      `json:"notes,omitempty"`
	Breaches []string      `json:"breaches,omitempty"`
	Peak     float64       `json:"peak_mib"` // resident memory of the receiver
	Took     time.Duration `json:"took"`
	Nodes    int           `json:"nodes"` // of the cluster

	Goroutines int `json:"goroutines"` // at rest
	Files      int `json:"files"`      // open at rest

	safe         int      // events that the receiver's last process counted as safe
	extra        []string // breaches that the ledger does not know of
	times        map[string]time.Duration
	outageLimits bool // the answers during an outage have limits of their own
	leaders      int  // partitions whose leader was killed
}

// breach notes what is wrong beyond the ledger.
func (r *result) breach(format string, args ...any) {
	r.extra = append(r.extra, fmt.Sprintf(format, args...))
}

// note notes a figure.
func (r *result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// newRun prepares a run on a cluster that answers.
func newRun(o options, dir, name string, c *cluster, progress io.Writer) (*run, error) {
	begun := time.Now()
	j, err := openJournal(filepath.Join(dir, "journal.log"), begun)
	if err != nil {
		return nil, err
	}
	client, err := broker.Dial(broker.Options{Brokers: c.brokers(), ClientID: "chaos"})
	if err != nil {
		return nil, fmt.Errorf("chaos: %w", err)
	}
	r := &run{opt: o, dir: dir, progress: progress, gen: newGenerator(name, begun), journal: j, cluster: c, client: client, prefix: "chaos-" + name}
	r.keys.seed = name
	r.seen = newCollector(r.gen, client, c, j, r.prefix)
	return r, nil
}

// close lets go of what newRun took.
func (r *run) close() {
	r.client.Close()
	r.journal.file.Close()
}

// phases runs every phase and then reads everything a second time, from the
// beginning: what vanished in the meantime is lost too.
func (r *run) phases(ctx context.Context, phases []phase) error {
	done := make(chan struct{})
	defer close(done)
	go pulse(r.journal, done)
	for i, ph := range phases {
		fmt.Fprintf(r.progress, "%s: %s\n", ph.name, ph.about)
		begun := time.Now()
		res := &result{}
		r.results = append(r.results, res)
		if err := r.play(ctx, i, ph, res); err != nil {
			res.breach("the phase did not come to its end: %v", err)
		}
		if err := errors.Join(ctx.Err(), r.cluster.heal(ctx), r.journal.failed()); err != nil {
			return fmt.Errorf("phase %s: %w", ph.name, err)
		}
		if err := r.seen.collect(ctx); err != nil {
			return fmt.Errorf("phase %s: %w", ph.name, err)
		}
		res.Took, res.Nodes = time.Since(begun), r.cluster.nodes
		r.judge(r.seen.ledger, i)
		fmt.Fprintf(r.progress, "  %s\n", res.line())
	}
	return r.second(ctx)
}

// second reads the journal and all topics again and judges anew.
func (r *run) second(ctx context.Context) error {
	again := newCollector(r.gen, r.client, r.cluster, r.journal, r.prefix)
	if err := again.collect(ctx); err != nil {
		return fmt.Errorf("second reading: %w", err)
	}
	r.seen = again
	for i := range r.results {
		r.judge(again.ledger, i)
	}
	return nil
}

// judge takes the ledger's verdict of one phase.
func (r *run) judge(l *ledger, i int) {
	res := r.results[i]
	res.verdict = l.verdictOf(i, r.opt.slack)
	res.Breaches = append(res.breaches(), res.extra...)
	if res.oneProcess() && res.safe != res.Accepted {
		res.Breaches = append(res.Breaches, fmt.Sprintf("the receiver counts %d events as safe, and %d were accepted (I5)", res.safe, res.Accepted))
	}
	if p99 := res.OutageLater.P99; res.outageLimits && p99 > laterLimit+r.opt.slack {
		res.Breaches = append(res.Breaches, fmt.Sprintf("p99 of answers %s after Kafka went away is %s, more than %s and the slack of %s (I6)",
			outageFirst, ms(p99), laterLimit, r.opt.slack))
	}
}

// oneProcess reports whether one process of the receiver answered everything,
// and always with 200: then its counters must be those of the senders.
func (r *result) oneProcess() bool {
	return len(r.Breaches) == 0 && r.Faults[stepKill] == 0 && r.Faults[stepTerm] == 0 && r.Attempts == r.Statuses[http.StatusOK] && r.Retried == 0
}

// play runs one phase. Its error means that the phase could not be run to its
// end; what else the receiver did wrong is in res.
func (r *run) play(ctx context.Context, index int, ph phase, res *result) error {
	r.journal.phase(index, ph.name, ph.ordered)
	play, ok := map[string]func(context.Context, *stage) error{
		"": r.steps, sceneDrain: r.drain, sceneDisk: r.disk, sceneRolling: r.rolling, sceneOverload: r.overload, sceneLate: r.late,
	}[ph.scene]
	if !ok {
		return fmt.Errorf("chaos: no scene %q", ph.scene)
	}
	recv, err := newReceiver(ctx, filepath.Join(r.dir, ph.name), r.opt.binary, r.prefix, r.cluster.brokers(), &r.keys)
	if err != nil {
		return err
	}
	recv.extra, recv.keep = ph.extra, []int64{r.keys.current.Load()}
	s := &stage{phase: ph, index: index, receiver: recv, result: res}
	defer recv.kill()
	return play(ctx, s)
}

// stage is a phase while it runs.
type stage struct {
	phase
	index    int
	receiver *receiver
	result   *result
	load     *load
}

// options are the load of a stage.
func (s *stage) options(seed uint64, targets ...string) loadOptions {
	return loadOptions{phase: s.index, senders: s.senders, rate: s.rate, mix: s.mix, seed: seed, targets: targets}
}

// steps is the usual phase: load, and one step after the other.
func (r *run) steps(ctx context.Context, s *stage) error {
	if err := s.receiver.start(ctx); err != nil {
		return err
	}
	s.load = r.startLoad(ctx, s.options(r.opt.seed, s.receiver.base()))
	defer s.load.finish(0)
	pause(ctx, time.Second)
	for _, st := range s.todo {
		if !pause(ctx, st.after) {
			return ctx.Err()
		}
		if err := r.step(ctx, s, st); err != nil {
			return err
		}
	}
	pause(ctx, s.tail)
	return r.settle(ctx, s)
}

// settle ends a phase: everything is accepted, the spool is empty, the accounts
// are even, and the receiver stops in order.
func (r *run) settle(ctx context.Context, s *stage) error {
	s.load.finish(settlePatience)
	if err := ctx.Err(); err != nil {
		return err
	}
	r.rest(ctx, s, s.receiver)
	_, err := s.receiver.terminate()
	if errors.Is(err, errStop) {
		s.result.breach("%v", err)
		return nil
	}
	return err
}

// rest waits until a receiver has nothing left to do, and looks at its accounts.
func (r *run) rest(ctx context.Context, s *stage, recv *receiver) {
	if took, err := r.awaitDrained(ctx, recv); err != nil {
		s.result.breach("%v", err)
	} else if took > time.Second {
		s.result.note("the spool was empty %.1f s after the load ended", took.Seconds())
	}
	page, err := recv.scrape(ctx)
	if err != nil {
		s.result.breach("%v", err)
		return
	}
	s.result.Peak = max(s.result.Peak, memoryOf(recv.pid()).peak)
	if n := page.sum("postrider_events_unaccounted", ""); n != 0 || !page.has("postrider_events_unaccounted") {
		s.result.breach("postrider_events_unaccounted is %g at rest (I5), there: %v", n, page.has("postrider_events_unaccounted"))
	}
	s.result.Goroutines, s.result.Files = int(page.sum("go_goroutines", "")), openFiles(recv.pid())
	s.result.safe = 0
	for _, what := range []string{"published", "spooled", "dead_lettered"} {
		s.result.safe += int(page.sum("postrider_events_total", `result="`+what+`"`))
	}
	if n := page.sum("postrider_requests_in_flight", ""); n != 0 {
		s.result.breach("postrider_requests_in_flight is %g at rest (I5)", n)
	}
}

// awaitDrained waits until the spool is empty; it returns how long that took.
func (r *run) awaitDrained(ctx context.Context, recv *receiver) (time.Duration, error) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, drainPatience)
	defer cancel()
	for {
		page, err := recv.scrape(ctx)
		if err == nil && page.sum(metricSpool, "") == 0 {
			return time.Since(begun), nil
		}
		if !pause(ctx, 20*time.Millisecond) {
			return 0, fmt.Errorf("the spool still holds %g records after %.0f s: %w", page.sum(metricSpool, ""), time.Since(begun).Seconds(), errors.Join(err, ctx.Err()))
		}
	}
}

// laterLimit bounds p99 of the answers once the receiver knows that Kafka is away.
const laterLimit = 50 * time.Millisecond

// metricSpool is the number of records in the spool.
const metricSpool = "postrider_spool_records"

// depth is what a receiver's spool holds, 0 if it does not tell.
func (r *run) depth(ctx context.Context, recv *receiver) int {
	page, err := recv.scrape(ctx)
	if err != nil {
		return 0
	}
	return int(page.sum(metricSpool, ""))
}

// outage notes that Kafka is away, and back that it is on its way back: a broker
// that starts on the same machine takes the processors for some seconds, and
// what that does to answers is not what its absence does.
func (r *run) outage(kind string, node int) {
	r.journal.fault(time.Now(), kind, 0, fmt.Sprintf("node %d", node))
}
func (r *run) back(kind string) { r.journal.fault(time.Now(), kind+over, 0, "") }

// removeAll removes a run's folder unless it is to be kept.
func removeAll(dir string, keep bool) error {
	if keep {
		return nil
	}
	return os.RemoveAll(dir)
}
