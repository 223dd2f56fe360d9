//go:build unix

package downstream_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/postrider/postrider/pkg/consumer"
)

// shown is how many offenders of a kind are told.
const shown = 5

// judge holds a run against the promises.
func (r *run) judge() {
	r.Helper()
	if err := r.audit(); err != nil {
		r.Fatal(err)
	}
	log, overlap := r.store.story()
	if !r.scene.graceful {
		overlap = nil
	}
	for what, found := range map[string][]string{
		"committed and not handled":                  r.breach,
		"not exactly one effect":                     r.effects(),
		"dead letters":                               r.deadLetters(),
		"keys out of order":                          r.order(log),
		"keys with two handlers at once":             overlap,
		"processes that did not end as they were to": r.crew.troubles(),
	} {
		if len(found) > 0 {
			r.Errorf("%s: %d, such as\n%s", what, len(found), strings.Join(found[:min(len(found), shown)], "\n"))
		}
	}
	if r.audits < 2 {
		r.Errorf("the group's offsets could be looked at only %d times", r.audits)
	}
}

// effects returns the marks that had none or several, or were never published.
func (r *run) effects() []string {
	var found []string
	wanted, done := r.load.wanted(), r.store.done()
	for name, m := range wanted {
		want := 1
		if m.dead() {
			want = 0
		}
		if done[name] != want {
			found = append(found, fmt.Sprintf("%s (key %s, do %q, conflict %t): %d effects, want %d", name, m.key, m.do, m.conflict, done[name], want))
		}
	}
	for name := range done {
		if wanted[name] == nil {
			found = append(found, name+" was never published")
		}
	}
	return found
}

// deadLetters returns what is there and should not be, or the other way round.
func (r *run) deadLetters() []string {
	var found []string
	reasons := map[string]string{}
	for _, held := range r.library.held[r.aside[len(r.aside)-1]] {
		for _, rec := range held {
			reasons[rec.mark] = rec.reason
		}
	}
	for name, m := range r.load.wanted() {
		want := map[string]string{doAlways: consumer.DeadAttempts, doPermanent: consumer.DeadPermanent, doPoison: consumer.DeadPermanent}[m.do]
		if reasons[name] != want {
			found = append(found, fmt.Sprintf("%s (do %q): dead for %q, want %q", name, m.do, reasons[name], want))
		}
	}
	return found
}

// order returns the keys whose effects came in another order than they were
// published. Through retry topics that is so by nature.
func (r *run) order(log []effect) []string {
	if len(r.scene.delays) > 0 {
		return nil
	}
	var found []string
	last := map[string]int{}
	for _, e := range log {
		key := e.Topic + " " + e.Key
		if e.N < last[key] {
			found = append(found, fmt.Sprintf("%s: %s (%d) after %d, by %s", key, e.Mark, e.N, last[key], e.Member))
		}
		last[key] = e.N
	}
	return found
}

// report collects the figures of the runs.
type report struct {
	mu   sync.Mutex
	rows [][]string
}

func (p *report) add(r *run, drained time.Duration) {
	f := r.store.figures()
	delayed, dead := 0, 0
	for i, topic := range r.aside {
		for _, held := range r.library.held[topic] {
			if i < len(r.aside)-1 {
				delayed += len(held)
			} else {
				dead += len(held)
			}
		}
	}
	conflicts := 0
	for _, m := range r.load.wanted() {
		if m.conflict {
			conflicts++
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	row := []string{r.scene.name, strings.Join(r.notes, ", ")}
	for _, n := range []int{
		r.load.published, len(r.load.wanted()), r.load.repeats, conflicts, f.begun, f.skipped, f.undone, delayed, dead, f.effects, int(r.crew.assigned.Load()), r.audits,
	} {
		row = append(row, strconv.Itoa(n))
	}
	p.rows = append(p.rows, append(row, fmt.Sprintf("%.1f s", drained.Seconds())))
}

// write logs the table.
func (p *report) write(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortFunc(p.rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "scene\tdisturbed by\tpublished\tmarks\trepeats\tconflicts\thandlers begun\tskipped\tundone\tdelayed\tdead\teffects\tassignments\taudits\tdrained after")
	for _, row := range p.rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush()
	t.Logf("\n%s", b.String())
}
