// Package shadow judges requests a second time, beside the live way: with other keys,
// or by another mapping. It counts and samples where the two differ, and nothing
// else: the answer and what is published are decided before it looks, and it looks on
// its own time. What it cannot take is left out and counted; a panic of the shadow is
// a result like any other.
package shadow

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/pkg/webhook"
)

// Source is what a source is compared by. It is not changed after it was made.
type Source struct {
	Name     string
	Verifier webhook.Verifier  // nil: proofs are not compared
	Live     *normalize.Source // what is published comes of it
	Read     *normalize.Source // nil: events are not compared
	Keep     int               // samples; the oldest make room
	// Config is what the source was made of: while it stays equal over reloads, counts
	// and samples go on.
	Config any
}

// Bounds of what waits to be compared, all sources together, and of one comparison.
const (
	maxWaiting      = 256
	maxWaitingBytes = 16 << 20
	timeout         = 10 * time.Second
	patience        = 2 * time.Second // at a stop
)

// Results of one comparison.
const (
	Same       = "same"         // nothing differs
	SameButIDs = "same_but_ids" // nothing but the ids of events
	Different  = "different"
	Failed     = "failed"  // the shadow panicked, or did not end in time
	Dropped    = "dropped" // not compared: too much was waiting
)

// Observer is told what came of comparisons. Every label has a small set of values.
type Observer interface {
	// ShadowRequest is told the result of one comparison.
	ShadowRequest(source, result string)
	// ShadowDifference is told how many differences of a field one comparison found.
	ShadowDifference(source, field string, n int64)
	// ShadowProof is told whether a request was accepted, or why it was refused, by
	// the live keys and by those of the shadow.
	ShadowProof(source, live, shadow string)
}

// Options is what a Runner needs.
type Options struct {
	Observer Observer
	Now      func() time.Time
	// Normalize reads a request; nil is normalize.Normalize.
	Normalize func(ctx context.Context, s *normalize.Source, v webhook.Verified, rawID string) (normalize.Output, error)
}

// Runner compares, one request after the other. Safe for concurrent use.
type Runner struct {
	opt     Options
	mask    masker
	jobs    chan job
	waiting atomic.Int64 // bytes of bodies

	mu      sync.Mutex
	tallies map[string]*tally
}

// New makes a Runner that keeps what it is shown until Run.
func New(o Options) *Runner {
	if o.Normalize == nil {
		o.Normalize = normalize.Normalize
	}
	return &Runner{opt: o, mask: newMasker(), jobs: make(chan job, maxWaiting), tallies: make(map[string]*tally)}
}

// job is one request to be compared.
type job struct {
	source   *Source
	tally    *tally
	request  webhook.Request
	verified webhook.Verified // by the live keys; not OK where they refused
	refused  *webhook.RefusedError
}

// Run compares until ctx ends; what waits then is left. A comparison in progress is
// given a moment, and then left as well: whatever it is stuck in stops nobody.
func (r *Runner) Run(ctx context.Context) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		r.work(ctx)
	}()
	<-ctx.Done()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-over:
	case <-t.C:
	}
}

// work compares one request after the other.
func (r *Runner) work(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case j := <-r.jobs:
			r.waiting.Add(-int64(len(j.request.Body)))
			r.compare(ctx, &j)
		}
	}
}

// Viewer is one source's side of a Runner, for the receiver.
type Viewer struct {
	runner *Runner
	source *Source
	tally  *tally
}

// Set makes sources those that are compared, and returns what the receiver shows
// their requests to, by name. Counts and samples of other sources are forgotten.
func (r *Runner) Set(sources []*Source) map[string]*Viewer {
	r.mu.Lock()
	defer r.mu.Unlock()
	views, tallies := make(map[string]*Viewer, len(sources)), make(map[string]*tally, len(sources))
	for _, s := range sources {
		t := r.tallies[s.Name]
		if t == nil || !reflect.DeepEqual(t.source.Config, s.Config) {
			t = newTally(s, r.opt.Now())
		}
		tallies[s.Name], views[s.Name] = t, &Viewer{runner: r, source: s, tally: t}
	}
	r.tallies = tallies
	return views
}

// Show takes a request that the live keys proved, or refused with err, for
// comparison. It returns at once and never changes the request; the body must not
// be changed afterwards.
func (v *Viewer) Show(req webhook.Request, proven webhook.Verified, err error) {
	refused, _ := errors.AsType[*webhook.RefusedError](err)
	if !v.interesting(&req, proven, refused) {
		return
	}
	r, size := v.runner, int64(len(req.Body))
	if r.waiting.Add(size) > maxWaitingBytes {
		r.waiting.Add(-size)
		v.drop()
		return
	}
	select {
	case r.jobs <- job{v.source, v.tally, req, proven, refused}:
	default:
		r.waiting.Add(-size)
		v.drop()
	}
}

// interesting reports whether there is anything to compare: of a refused request only
// the proof, where the shadow has all that its own needs; a ping and a proof that
// could not be checked are nothing.
func (v *Viewer) interesting(req *webhook.Request, proven webhook.Verified, refused *webhook.RefusedError) bool {
	if proven.OK() {
		return !proven.Proof().Ping
	}
	return refused != nil && v.source.Verifier != nil && v.source.Verifier.Missing(req) == nil
}

func (v *Viewer) drop() {
	v.runner.opt.Observer.ShadowRequest(v.source.Name, Dropped)
	v.tally.count(Dropped)
}

// compare does one comparison, whatever it does.
func (r *Runner) compare(ctx context.Context, j *job) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := r.differences(ctx, j)
	s := Sample{At: j.request.ReceivedAt, Result: Same, Differences: found.first, More: found.total - len(found.first)}
	switch {
	case err != nil:
		s.Result, s.Error = Failed, err.Error()
	case found.onlyIDs():
		s.Result = SameButIDs
	case found.total > 0:
		s.Result = Different
	}
	r.opt.Observer.ShadowRequest(j.source.Name, s.Result)
	for field, n := range found.counts {
		r.opt.Observer.ShadowDifference(j.source.Name, field, n)
	}
	j.tally.add(s, found.counts)
}

// differences finds where the shadow judges otherwise. The error says that it fails.
func (r *Runner) differences(ctx context.Context, j *job) (found findings, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("shadow: it panicked with a %T", p) // the value may hold text of the payload
		}
	}()
	if j.source.Verifier != nil {
		r.proof(j, &found)
	}
	if j.source.Read == nil || !j.verified.OK() {
		return found, nil
	}
	live, err := r.opt.Normalize(ctx, j.source.Live, j.verified, "")
	if err != nil {
		return found, fmt.Errorf("shadow: the live reading: %w", err)
	}
	other, err := r.opt.Normalize(ctx, j.source.Read, j.verified, "")
	if err != nil {
		return found, fmt.Errorf("shadow: %w", err)
	}
	for i := range other.DeadLetters {
		if d := &other.DeadLetters[i]; d.Reason == normalize.ReasonParserPanic {
			return found, fmt.Errorf("shadow: its parser panicked: %s", d.Detail)
		}
	}
	r.mask.compare(&live, &other, &found)
	return found, nil
}

// accepted is the word for a proof that holds.
const accepted = "accepted"

// proof compares what the live keys and the shadow's say.
func (r *Runner) proof(j *job, into *findings) {
	live, other := accepted, accepted
	d := Difference{Item: -1, Field: FieldProof, Live: accepted, Shadow: accepted}
	if j.refused != nil {
		live = string(j.refused.Reason)
		d.Live = "refused: " + live
	} else if key := j.verified.Proof().KeyID; key != "" {
		d.Live += " by key " + key
	}
	proven, err := webhook.Verify(j.source.Verifier, j.request)
	switch refused, ok := errors.AsType[*webhook.RefusedError](err); {
	case ok:
		other = string(refused.Reason)
		d.Shadow = "refused: " + other + ", " + refused.Where
	case err != nil:
		other = "unavailable"
		d.Shadow = "could not be checked"
	case proven.Proof().KeyID != "":
		d.Shadow += " by key " + proven.Proof().KeyID
	}
	r.opt.Observer.ShadowProof(j.source.Name, live, other)
	j.tally.proof(live, other)
	if (live == accepted) != (other == accepted) {
		into.add(d)
	}
}
