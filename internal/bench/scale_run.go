package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/broker/embedded"
)

// growth measures dimensions, one after the other.
type growth struct {
	options  options
	dir      string
	binary   string
	signs    credentials
	progress io.Writer
}

// sized is one measurement of one end of a dimension.
type sized struct {
	measurement
	Dimension string `json:"dimension"`
	Size      string `json:"size"`
	Events    number `json:"events_per_second"`
	Cost      number `json:"cpu_us_per_event"`       // of the receiver
	Elsewhere number `json:"other_cpu_us_per_event"` // of all but receiver and generator: the brokers, and whatever else runs
	Batch     number `json:"records_per_batch"`
	Batches   number `json:"batches_per_event"`
	Bytes     number `json:"produced_bytes_per_event"` // raw and typed record, with their share of batches
}

// started says how an end came up.
type started struct {
	Dimension string `json:"dimension"`
	Size      string `json:"size"`
	Seconds   number `json:"start_seconds"` // until ready, with all ids in the window
	IDs       int    `json:"ids"`
	Memory    number `json:"rss_mib"` // before the load
}

// ending is an end that runs.
type ending struct {
	end
	dimension string
	target    *target
	campaign  *campaign
}

// prepareGrowth makes what -scale and -cluster begin with: credentials and a binary, in
// a temporary folder that the caller removes.
func prepareGrowth(ctx context.Context, o options, progress io.Writer) (*growth, error) {
	dir, err := os.MkdirTemp(o.dir, "postrider-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: temporary folder: %w", err)
	}
	g := &growth{options: o, dir: dir, progress: progress}
	if g.signs, err = newCredentials(); err == nil {
		g.binary, err = theBinary(ctx, o, dir, progress)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return g, nil
}

// scaleBenchmark is a whole run of -scale.
func scaleBenchmark(ctx context.Context, o options, args []string, out, progress io.Writer) (err error) {
	g, err := prepareGrowth(ctx, o, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(g.dir)) }()
	r := newScaleReport(ctx, o, args)
	for _, name := range o.dimensions() {
		d := dimensionOf(name, g.signs)
		if err := g.dimension(ctx, d, r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := r.write(out, o.output); err != nil {
		return err
	}
	return r.unsound()
}

// theBinary is the receiver that the options name, or that of this checkout.
func theBinary(ctx context.Context, o options, dir string, progress io.Writer) (string, error) {
	if o.binary != "" {
		return filepath.Abs(o.binary) //nolint:wrapcheck // says what it is
	}
	fmt.Fprintln(progress, "building postrider")
	return build(ctx, dir)
}

// dimension measures both ends of one, in turn, whoever goes first taking turns too. A
// first round warms up and does not count.
func (g *growth) dimension(ctx context.Context, d dimension, r *scaleReport) (err error) {
	var running [2]*ending
	defer func() {
		for _, e := range running {
			if e != nil {
				err = errors.Join(err, e.target.process.stop())
			}
		}
	}()
	for i, e := range d.ends {
		if running[i], err = g.start(ctx, d.name, e, r); err != nil {
			return fmt.Errorf("%s: %w", e.label, err)
		}
	}
	r.about(d)
	for round := range g.options.rounds + 1 {
		for i := range running {
			e := running[(i+round)%2]
			m, err := e.measure(ctx)
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", e.label, round, err)
			}
			m.Round = round
			g.tell(m)
			if round > 0 {
				r.Measurements = append(r.Measurements, m)
			}
		}
	}
	return nil
}

// tell writes a line about a measurement.
func (g *growth) tell(m sized) {
	fmt.Fprintf(g.progress, "round %d/%d  %-10s %9s  %8.0f events/s  %6.1f µs an event, elsewhere %6.1f  %5.1f records a batch  %s\n",
		m.Round, g.options.rounds, m.Dimension, m.Size, float64(m.Events), float64(m.Cost), float64(m.Elsewhere), float64(m.Batch), m.Fault)
}

// start brings up one end.
func (g *growth) start(ctx context.Context, name string, e end, r *scaleReport) (*ending, error) {
	s := &site{
		name: name + "-" + e.label, binary: g.binary, dir: filepath.Join(g.dir, name+"-"+e.label), brokers: g.options.brokers,
		prefix: "scale-" + randomHex()[:8], config: e.config,
	}
	if err := g.partition(ctx, s, e); err != nil {
		return nil, err
	}
	if err := g.fill(ctx, s, e); err != nil {
		return nil, err
	}
	begun := time.Now()
	t, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := awaitIDs(ctx, t.process.ready.Admin)
	if err == nil && ids != e.ids {
		err = fmt.Errorf("bench: the window holds %d ids after the start, want %d", ids, e.ids)
	}
	up := started{Dimension: name, Size: e.label, Seconds: number(time.Since(begun).Seconds()), IDs: ids, Memory: residentMemory(t.process.pid())}
	if err == nil {
		err = g.touch(ctx, s, e)
	}
	p := &pool{signs: g.signs, now: time.Now, write: e.write}
	if e.batches && g.options.batch > 0 {
		p.batch, t.events = g.options.batch, g.options.batch
	}
	p.requests = make([][]byte, g.options.requests())
	err = errors.Join(err, p.make(len(p.requests)))
	if err != nil {
		return nil, errors.Join(err, t.process.stop())
	}
	r.Starts = append(r.Starts, up)
	return &ending{end: e, dimension: name, target: t, campaign: &campaign{options: g.options, pool: p, progress: g.progress}}, nil
}

// partition makes the topics that the load goes to with the partitions of an end, before
// the receiver makes the others.
func (g *growth) partition(ctx context.Context, s *site, e end) (err error) {
	if e.topics == 0 {
		return nil
	}
	fmt.Fprintf(g.progress, "making topics of %d partitions\n", e.topics)
	brokers := s.brokers
	if len(brokers) == 0 {
		b, err := embedded.Start(embedded.Options{ //nolint:contextcheck // lives until it is closed
			Listen: "127.0.0.1:0", Dir: filepath.Join(s.dir, "data", "broker"), MaxBytesPerPartition: 16 << 20, SegmentBytes: 4 << 20,
		})
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		brokers = []string{b.Addr()}
	}
	return makeTopics(ctx, brokers, s.prefix, e.topics)
}

// touch writes to every partition of an end that runs, where there are many.
func (g *growth) touch(ctx context.Context, s *site, e end) error {
	if e.topics == 0 {
		return nil
	}
	brokers, err := s.kafka()
	if err != nil {
		return err
	}
	return touchTopics(ctx, brokers, s.prefix, e.topics)
}

// fill starts the receiver, writes ids where it keeps them, and stops it again.
func (g *growth) fill(ctx context.Context, s *site, e end) error {
	if e.ids == 0 {
		return nil
	}
	fmt.Fprintf(g.progress, "writing %d ids\n", e.ids)
	t, err := s.start(ctx)
	if err != nil {
		return err
	}
	brokers, err := s.kafka()
	if err == nil {
		err = writeIDs(ctx, brokers, s.prefix, e.ids)
	}
	return errors.Join(err, t.process.stop())
}

// measure puts the load on an end once.
func (e *ending) measure(ctx context.Context) (sized, error) {
	before, err := scrape(ctx, e.target.process.ready.Admin)
	if err != nil {
		return sized{}, err
	}
	m, err := e.campaign.measure(ctx, e.target, e.campaign.options.growthConns())
	if err != nil {
		return sized{}, err
	}
	after, err := scrape(ctx, e.target.process.ready.Admin)
	if err != nil {
		return sized{}, err
	}
	per := number(e.target.events)
	records, batches := batchesBetween(before, after)
	of := func(name string) number { return number(after[name] - before[name]) }
	answered := of("postrider_events_total")
	return sized{
		measurement: m, Dimension: e.dimension, Size: e.label, Events: m.PerSecond * per,
		Cost: m.CPU * 10 / per, Elsewhere: m.Others * 1e6 / (m.PerSecond * per),
		Batch: records / batches, Batches: batches / answered, Bytes: of("postrider_producer_bytes_total") / answered,
	}, nil
}

// batchesBetween counts the batches that were acknowledged between two scrapes, and the
// records in them.
func batchesBetween(before, after gauges) (records, batches number) {
	const name = "postrider_producer_batch_records"
	return number(after[name+"_sum"] - before[name+"_sum"]), number(after[name+"_count"] - before[name+"_count"])
}

// residentMemory is the resident set of a process in MiB.
func residentMemory(pid int) number {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return unknown()
	}
	kib, err := strconv.ParseFloat(strings.TrimSuffix(lineValue(string(b), "VmRSS:"), " kB"), 64)
	if err != nil {
		return unknown()
	}
	return number(kib / 1024)
}

// unsound is errUnsound if a request was not answered 200 or not published.
func (r *scaleReport) unsound() error {
	for _, m := range r.Measurements {
		if len(m.Errors) > 0 || m.Fault != "" {
			return errUnsound
		}
	}
	return nil
}

// sizes are the two labels of a dimension.
func (d dimension) sizes() string {
	return strings.Join([]string{d.ends[0].label, d.ends[1].label}, " and ")
}
