package dedupe

import (
	"context"
	"time"
)

// Recorded decides as it was decided once: by what is recorded of a request and
// without a window, so that taking a stored request through a mapping again leaves
// out, marks and renames what was left out, marked and renamed when it came. The
// zero value calls everything fresh. Not changed by Claim.
type Recorded struct {
	Repeat  func(item int) bool // the item was seen before; nil: none was
	Changed func(item int) bool // its event has another id than its own; nil: none has
	Reused  bool                // the request came under a signed id of another one
}

// Claim decides about events by their Item. There is no error, nothing to wait for,
// and ending the claim does nothing.
func (r *Recorded) Claim(_ context.Context, events []Event, _ time.Duration) (*Claim, error) {
	c := &Claim{events: events, reused: r.Reused, ended: true}
	c.verdicts = c.room[:0]
	if len(events) > len(c.room) {
		c.verdicts = make([]verdict, 0, len(events))
	}
	for i := range events {
		v := verdict{other: r.Changed != nil && r.Changed(events[i].Item)}
		switch {
		case r.Repeat != nil && r.Repeat(events[i].Item):
			v.Verdict = Repeat
		case v.other:
			v.Verdict = Conflict
		}
		c.verdicts = append(c.verdicts, v)
	}
	return c, nil
}
