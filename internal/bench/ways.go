package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// way is one way to do the same work with every record of a topic.
type way struct {
	name string
	does string // for people
	// do works until all is done, and tells meter of each record.
	do func(ctx context.Context, m *meter) error
}

// meter measures from the first record on: joining a group, and connecting, is no part
// of it.
type meter struct {
	want  int64
	seen  atomic.Int64
	begun time.Time
	cpu   number
	all   chan struct{} // closed with the last record
	took  time.Duration
	used  number
}

func newMeter(want int) *meter { return &meter{want: int64(want), all: make(chan struct{})} }

// tick counts a record. Safe for concurrent use.
func (m *meter) tick() { m.add(1) }

// add counts some.
func (m *meter) add(n int64) {
	now := m.seen.Add(n)
	if now == n {
		m.cpu, m.begun = processSeconds(os.Getpid()), time.Now()
	}
	if now == m.want {
		m.end()
	}
}

func (m *meter) end() {
	m.took, m.used = time.Since(m.begun), processSeconds(os.Getpid())-m.cpu
	close(m.all)
}

// result is what was measured; an error if records are missing, or came twice.
func (m *meter) result() (copied, error) {
	if seen := m.seen.Load(); seen != m.want {
		return copied{}, fmt.Errorf("%d records were seen, want %d", seen, m.want)
	}
	n, seconds := number(m.want), number(m.took.Seconds())
	return copied{Seconds: seconds, PerSecond: n / seconds, CPU: m.used / n * 100_000}, nil
}

// turn is every way once, one right after the other.
type turn struct {
	Round int               `json:"round"`
	First string            `json:"first"`
	Ways  map[string]copied `json:"ways"`
}

// turns measures rounds of all ways; who goes first takes turns, and a first round warms up
// and does not count.
func turns(ctx context.Context, c *copying, ways []way) ([]turn, error) {
	list := make([]turn, 0, c.options.rounds)
	for round := range c.options.rounds + 1 {
		t := turn{Round: round, First: ways[round%len(ways)].name, Ways: map[string]copied{}}
		for i := range ways {
			w := ways[(round+i)%len(ways)]
			m, err := c.meter(ctx, w)
			if err != nil {
				return nil, fmt.Errorf("bench: %s: %w", w.name, err)
			}
			t.Ways[w.name] = m
			fmt.Fprintf(c.progress, "round %d/%d  %-8s %8.0f a second\n", round, c.options.rounds, w.name, float64(m.PerSecond))
		}
		if round > 0 {
			list = append(list, t)
		}
	}
	return list, nil
}

// meter measures one way once.
func (c *copying) meter(ctx context.Context, w way) (copied, error) {
	stop, err := c.profile(w.name)
	if err != nil {
		return copied{}, err
	}
	defer stop()
	m := newMeter(c.options.records)
	if err := w.do(ctx, m); err != nil {
		return copied{}, err
	}
	return m.result()
}

// wayReport is what measuring ways found out.
type wayReport struct {
	Command string   `json:"command"`
	Commit  string   `json:"commit"`
	Machine machine  `json:"machine"`
	Notes   []string `json:"notes"`
	Marks   []mark   `json:"marks"`
	Turns   []turn   `json:"rounds"`

	names []string
}

func newWayReport(ctx context.Context, o options, args []string, ways []way, ts []turn) *wayReport {
	r := &wayReport{
		Command: strings.TrimSpace("go run ./internal/bench " + strings.Join(args, " ")), Commit: o.version(ctx), Machine: thisMachine(o.dir), Turns: ts,
		Notes: []string{fmt.Sprintf("%d records in %d partitions of %s; after one round that does not count, %d rounds, who goes first takes turns; "+
			"time and processor time are counted from the first record on", o.records, o.partitions, o.where(), len(ts))},
	}
	for _, w := range ways {
		r.names = append(r.names, w.name)
		r.Notes = append(r.Notes, w.name+": "+w.does)
	}
	return r
}

// speeds are the records a second of a way.
func (r *wayReport) speeds(name string) spread {
	return r.spread(func(t turn) number { return t.Ways[name].PerSecond })
}

// ratios compare a way with another, or with the fastest of several, round by round.
func (r *wayReport) ratios(name string, others ...string) spread {
	return r.spread(func(t turn) number {
		most := number(0)
		for _, o := range others {
			most = max(most, t.Ways[o].PerSecond)
		}
		return t.Ways[name].PerSecond / most
	})
}

func (r *wayReport) spread(of func(turn) number) spread {
	list := make([]number, len(r.Turns))
	for i, t := range r.Turns {
		list[i] = of(t)
	}
	return newSpread(list)
}

// write prints the report.
func (r *wayReport) write(w io.Writer, form string) error {
	heading := (&report{Command: r.Command, Commit: r.Commit, Machine: r.Machine}).heading()
	return writeSheet(w, form, r, sheet{heading, r.table(), r.remarks()})
}

// table has a row a round, and one of medians.
func (r *wayReport) table() [][]string {
	head, medians := []string{"round", "first"}, []string{"median", ""}
	for _, name := range r.names {
		head = append(head, name+"/s", name+" CPU-s/100k")
		medians = append(medians, r.speeds(name).median("%.0f"), r.spread(func(t turn) number { return t.Ways[name].CPU }).median("%.2f"))
	}
	rows := [][]string{head}
	for _, t := range r.Turns {
		row := []string{strconv.Itoa(t.Round), t.First}
		for _, name := range r.names {
			row = append(row, spread{Median: t.Ways[name].PerSecond}.median("%.0f"), spread{Median: t.Ways[name].CPU}.median("%.2f"))
		}
		rows = append(rows, row)
	}
	return append(rows, medians)
}

// remarks are the lines below the table.
func (r *wayReport) remarks() []string {
	var lines []string
	for _, m := range r.Marks {
		lines = append(lines, m.sentence(spread{Median: m.Got}.median("%.2f")))
	}
	return append(lines, r.Notes...)
}
