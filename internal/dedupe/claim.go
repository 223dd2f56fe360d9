package dedupe

import "time"

// Claim is one request's hold on its events. Its methods may be called from one
// goroutine at a time.
type Claim struct {
	w        *Window
	events   []Event
	verdicts []verdict
	window   time.Duration
	reused   bool
	probes   *[]probe // of events; nil after the end, and where no Window decided

	// Guarded by the window's lock.
	ended bool
	done  chan struct{} // closed at the end; nil while nobody waits

	room [2]verdict // most requests hold one event and a nonce
}

// verdict is a Verdict, and by which id.
type verdict struct {
	Verdict
	other bool // the one that also hashes the content
}

// Verdict is what became of an event.
func (c *Claim) Verdict(i int) Verdict { return c.verdicts[i].Verdict }

// Changed reports whether the id of ID is not the event's own.
func (c *Claim) Changed(i int) bool { return c.verdicts[i].other }

// Reused reports that the request is recorded as one that came under a signed id of
// another; see Recorded. What a Window knows of that is a verdict.
func (c *Claim) Reused() bool { return c.reused }

// ID is the id under which an event is published: its own, or where that one is
// known with another content, one that also hashes the content (ConflictID).
// Changed says that it is not the event's own, which the repeat of a conflict
// has too.
func (c *Claim) ID(i int) (id [16]byte, changed bool) {
	e := &c.events[i]
	if c.verdicts[i].other {
		return ConflictID(e.ID, e.Content), true
	}
	return e.ID, false
}

// Commit remembers the events, which are durable by now, and lets waiting claims
// go on. After the end of the claim it does nothing.
func (c *Claim) Commit() { c.CommitOnly(nil) }

// CommitOnly remembers those events of which keep says that they are durable
// (nil: all), gives up the others, and lets waiting claims go on. After the end
// of the claim it does nothing.
func (c *Claim) CommitOnly(keep func(i int) bool) {
	w := c.w
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.ended {
		return
	}
	defer c.end()
	now := stampOf(w.clock.read(w.now()))
	w.touched += w.seen.touch(*c.probes) // by now they are out of the caches again
	for i := range c.verdicts {
		if c.verdicts[i].Verdict == Repeat || keep != nil && !keep(i) {
			continue
		}
		id, tag := c.known(i)
		e := entry{id: id, content: head(c.events[i].Content), at: now}
		w.seen.add(e, tag, now)
		if w.journal != nil {
			w.journal.append(e)
		}
	}
}

// known is the id of ID and its tag, before the end of the claim.
func (c *Claim) known(i int) (id [16]byte, tag uint32) {
	p := &(*c.probes)[i]
	if c.verdicts[i].other {
		return p.other, p.otherTag
	}
	return c.events[i].ID, p.tag
}

// Abort gives the events up, as if they had never come, and lets waiting claims
// go on. After the end of the claim it does nothing.
func (c *Claim) Abort() {
	if c.w == nil {
		return
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if !c.ended {
		c.end()
	}
}

// end ends the claim. The window is locked.
func (c *Claim) end() {
	c.ended = true
	c.release()
	c.w.release(c.probes)
	c.probes = nil
	if c.done != nil {
		close(c.done)
	}
}

// release takes the claim's events out of those in flight. The window is locked.
func (c *Claim) release() {
	for i := range c.verdicts {
		switch c.verdicts[i].Verdict {
		case Repeat:
			continue
		case Fresh:
			delete(c.w.inFlight, c.events[i].ID) // which is nobody else's
			continue
		case Conflict:
		}
		c.let(c.events[i].ID)
		if c.verdicts[i].other {
			c.let((*c.probes)[i].other)
		}
	}
}

// let takes one id out of those in flight, if it is the claim's.
func (c *Claim) let(id [16]byte) {
	if c.w.inFlight[id].claim == c {
		delete(c.w.inFlight, id)
	}
}

// wait is closed at the end of the claim. The window is locked.
func (c *Claim) wait() <-chan struct{} {
	if c.done == nil {
		c.done = make(chan struct{})
	}
	return c.done
}
