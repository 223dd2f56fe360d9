package webhook

import "time"

// window is how far the signed time of a request may be off.
type window struct {
	scheme    string
	where     string // the time stands, for refusals
	tolerance time.Duration
}

// check refuses a genuine request that was signed too long before or after it
// came, by the receiver's clock.
func (w window) check(signed, came time.Time) error {
	age := came.Sub(signed)
	switch {
	case age > w.tolerance:
		return w.untimely(ReasonStale, "before it came; a replay, a slow retry, or our clock")
	case age < -w.tolerance:
		return w.untimely(ReasonFuture, "ahead of our clock; check the clock")
	}
	return nil
}

// untimely is the refusal.
func (w window) untimely(reason Reason, hint string) error {
	e := refuse(w.scheme, reason, w.where, "the signature holds, but it was made more than "+w.tolerance.String()+" "+hint)
	e.Complete = true
	return e
}

// explain appends how old a request is; fits tells whether a key does.
func (w window) explain(e *explanation, signed time.Time, fits bool) {
	age := distance(e.req.ReceivedAt.Sub(signed))
	switch {
	case w.check(signed, e.req.ReceivedAt) != nil:
		e.add(w.where, OutcomeFailed, "made %s; the tolerance is %s both ways", age, w.tolerance)
	case fits:
		e.add(w.where, OutcomeOK, "made %s, within the tolerance of %s", age, w.tolerance)
	default:
		e.add(w.where, OutcomeNote, "made %s, if nobody changed it", age)
	}
}
