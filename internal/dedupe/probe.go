package dedupe

// probe is what looking an event up takes, made before the window is locked and kept
// to the end of its claim.
type probe struct {
	other         [16]byte // the event's id, were it a conflict
	tag, otherTag uint32   // of its id, and of that
}

// keepProbes bounds the lists that are kept: what nearly all requests have.
const keepProbes = 4096

// probes makes the probes of events; release takes them back.
func (w *Window) probes(events []Event) *[]probe {
	list, ok := w.lists.Get().(*[]probe)
	if !ok {
		list = new([]probe)
	}
	for i := range events {
		e := &events[i]
		p := probe{other: ConflictID(e.ID, e.Content), tag: w.seen.tag(e.ID)}
		p.otherTag = w.seen.tag(p.other)
		*list = append(*list, p)
	}
	return list
}

// release takes back what probes made.
func (w *Window) release(list *[]probe) {
	if cap(*list) <= keepProbes {
		*list = (*list)[:0]
		w.lists.Put(list)
	}
}

// touch reads the places at which the search for each probe begins, in a table of
// millions of ids all of them out of the processor's caches. One after the other
// each would be waited for; these reads do not depend on each other and are under way
// at the same time. The sum is of no interest, but has to be used.
func (s *set) touch(list []probe) (sum uint64) {
	for i := range list {
		sum += s.table[list[i].tag>>s.shift] + s.table[list[i].otherTag>>s.shift]
	}
	return sum
}
