package dedupe

import "time"

// sameTime is how far apart two records of one acceptance may date it: a record
// whose publishing seemed to fail is written again.
const sameTime = time.Minute

// learn takes in what a record says; wall is the time by the receiver's clock.
// An id that is known keeps its content, unless it was accepted again since.
func (w *Window) learn(r *record, wall time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	elapsed := w.clock.read(w.now())
	now := stampOf(elapsed)
	for i := range r.len() {
		e := r.entry(i)
		age, ok := w.ageOf(e.at, wall)
		if !ok {
			continue
		}
		at := stampOf(elapsed - age)
		if known, _ := w.seen.find(e.id); known != nil && known.at.age(now)-age < sameTime {
			continue
		}
		w.seen.add(entry{id: e.id, content: e.content, at: at}, w.seen.tag(e.id), now)
	}
}

// ageOf is how long ago a moment was, by clocks that may have been wrong when it
// was written, or be wrong now: what seems to lie ahead is taken for new, and not
// believed at all, like what is too old, if it is a whole window ahead. Nothing
// that was read can therefore stay longer than a window.
func (w *Window) ageOf(at, wall time.Time) (age time.Duration, ok bool) {
	age = wall.Sub(at)
	if age >= w.seen.window || age <= -w.seen.window {
		return 0, false
	}
	return max(age, 0), true
}

// date adds to dst what is to be written of entries; wall is the time by the
// receiver's clock.
func (w *Window) date(dst []remembered, entries []entry, wall time.Time) []remembered {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := stampOf(w.clock.read(w.now()))
	for i := range entries {
		e := &entries[i]
		dst = append(dst, remembered{id: e.id, content: e.content, at: wall.Add(-e.at.age(now))})
	}
	return dst
}

// age is how long ago a moment was.
func (w *Window) age(at stamp) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return at.age(stampOf(w.clock.read(w.now())))
}
