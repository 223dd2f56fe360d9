package shadow

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// Sample is one request that the shadow judged otherwise.
type Sample struct {
	At          time.Time    `json:"at"` // when the request came
	Result      string       `json:"result"`
	Error       string       `json:"error,omitempty"`
	Differences []Difference `json:"differences,omitempty"`
	More        int          `json:"more,omitempty"` // differences that are left out
}

// maxDifferences is how many differences a sample holds.
const maxDifferences = 20

// Report is what is known of one source's shadow.
type Report struct {
	Source  string           `json:"source"`
	Since   time.Time        `json:"since"`   // what this configuration was first compared
	Results map[string]int64 `json:"results"` // requests by result
	Proofs  []Proofs         `json:"proofs"`  // requests by what live keys and shadow's say; empty where they are not compared
	Fields  map[string]int64 `json:"fields"`  // differences by field
	Samples []Sample         `json:"samples"` // the latest last
}

// Proofs is how many requests were judged so: accepted, or the reason of the refusal.
type Proofs struct {
	Live   string `json:"live"`
	Shadow string `json:"shadow"`
	Count  int64  `json:"count"`
}

// tally is what was found of one source. Safe for concurrent use.
type tally struct {
	source *Source
	since  time.Time

	mu      sync.Mutex
	results map[string]int64
	proofs  map[[2]string]int64
	fields  map[string]int64
	samples []Sample
}

func newTally(s *Source, now time.Time) *tally {
	return &tally{source: s, since: now, results: make(map[string]int64), proofs: make(map[[2]string]int64), fields: make(map[string]int64)}
}

func (t *tally) count(result string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.results[result]++
}

func (t *tally) proof(live, other string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.proofs[[2]string{live, other}]++
}

// add counts a comparison, and keeps it where anything differed.
func (t *tally) add(s Sample, fields map[string]int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.results[s.Result]++
	for field, n := range fields {
		t.fields[field] += n
	}
	if s.Result == Same || t.source.Keep == 0 {
		return
	}
	if len(t.samples) >= t.source.Keep {
		t.samples = slices.Delete(t.samples, 0, len(t.samples)-t.source.Keep+1)
	}
	t.samples = append(t.samples, s)
}

func (t *tally) report() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := Report{
		Source: t.source.Name, Since: t.since, Results: maps.Clone(t.results), Fields: maps.Clone(t.fields),
		Proofs: []Proofs{}, Samples: append([]Sample{}, t.samples...),
	}
	for p, n := range t.proofs {
		out.Proofs = append(out.Proofs, Proofs{p[0], p[1], n})
	}
	slices.SortFunc(out.Proofs, func(a, b Proofs) int {
		return cmp.Or(cmp.Compare(a.Live, b.Live), cmp.Compare(a.Shadow, b.Shadow))
	})
	return out
}

// Report tells what is known of every source that has a shadow, by name.
func (r *Runner) Report() []Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Report, 0, len(r.tallies))
	for _, name := range slices.Sorted(maps.Keys(r.tallies)) {
		out = append(out, r.tallies[name].report())
	}
	return out
}
