package provider

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// Policy is how the provider behaves towards an HTTP answer, as data. Package
// providertest holds every provider's against what must never happen: an answer
// for trouble of ours that the provider takes for the last word.
type Policy struct {
	Accepted int // status for "it is safe, never send it again"; 0: 200
	Busy     int // status for "our trouble, retry later": 503, or 429 where 5xx is discarded
	Refused  int // default status for a bad proof; 0: 401

	// Again is the answers after which the provider sends the same event again,
	// beside none at all; empty if it does not say.
	Again []Codes
	// Stops is the answers that the provider singles out as the last word: it
	// switches the webhook off, or gives up an event that it would send again
	// after any other refusal. None is ever answered by default.
	Stops []int

	RetryHorizon time.Duration // how long it keeps retrying after the first attempt; 0: unknown, counts as none
	Timeout      time.Duration // how long it waits for an answer; 0: unknown
	// SignsEachAttempt is true if a retry has a signed time of its own. Where it
	// has the first attempt's, that time may be as old as RetryHorizon.
	SignsEachAttempt bool
	Retries          string // one line for people: what is retried and when
}

// Codes is a range of HTTP statuses, both ends included.
type Codes struct{ From, To int }

// Answers are the statuses of one provider's policy, none of them 0.
type Answers struct {
	Accepted int // every event is safe
	Busy     int // our trouble
	Overload int // a bound of ours is reached: 429, or Busy where 429 is discarded
	Refused  int // bad proof
}

// Answers returns the policy's statuses with their defaults.
func (p *Policy) Answers() Answers {
	a := Answers{Accepted: cmp.Or(p.Accepted, 200), Busy: cmp.Or(p.Busy, 503), Overload: 429, Refused: cmp.Or(p.Refused, 401)}
	if p.GivesUp(a.Overload) {
		a.Overload = a.Busy
	}
	return a
}

// GivesUp reports whether the provider is known not to send an event again that
// was answered with a status. Where it does not say, nothing is known.
func (p *Policy) GivesUp(status int) bool {
	if slices.Contains(p.Stops, status) {
		return true
	}
	return len(p.Again) > 0 && !slices.ContainsFunc(p.Again, func(c Codes) bool { return c.From <= status && status <= c.To })
}

// WarnRefused says what is wrong with a status that was configured for bad
// proofs; "" if nothing is known to be.
func (p *Policy) WarnRefused(title string, status int) string {
	if !slices.Contains(p.Stops, status) {
		return ""
	}
	return fmt.Sprintf("%s takes %d for the last word: after a wrong secret of ours its events would not come again; %d is the default",
		title, status, p.Answers().Refused)
}

// slack is what is granted beyond the retry horizon: clocks that differ, and the
// time that attempts without an answer take.
const slack = webhook.DefaultTolerance

// signsAnew reports whether every attempt of a webhook has a signed time of its
// own: the provider says so, or its scheme asks for it, as Standard Webhooks does.
func (p *Policy) signsAnew(c webhook.Config) bool {
	return p.SignsEachAttempt || c.Type == "standard_webhooks"
}

// Tolerance is how far the signed time of a source's requests may be off: what
// the source is configured with, else five minutes, and where a retry keeps the
// first attempt's signature as long as the provider retries, so that an event
// that comes late is taken. It is 0 for a source whose proof signs no time.
func (p *Policy) Tolerance(c webhook.Config) time.Duration {
	switch {
	case !c.Covers().Time:
		return c.Tolerance // without effect, which the scheme itself says
	case c.Tolerance != 0:
		return c.Tolerance
	case p.signsAnew(c) || p.RetryHorizon == 0:
		return webhook.DefaultTolerance
	}
	return p.RetryHorizon + slack
}

// CheckTolerance says what is wrong with the tolerance that a source is
// configured with; "" if nothing is. title is the provider's.
func (p *Policy) CheckTolerance(title string, c webhook.Config) string {
	if c.Tolerance <= 0 || c.Tolerance >= p.RetryHorizon || !c.Covers().Time || p.signsAnew(c) {
		return ""
	}
	return fmt.Sprintf("%s is shorter than the %s for which %s sends an event again with its first signature: "+
		"events that come late would be refused; give %s or more, or leave it out, which means %s",
		brief(c.Tolerance), brief(p.RetryHorizon), title, brief(p.RetryHorizon), brief(p.RetryHorizon+slack))
}

// WarnTolerance says what a source should decide for itself: how old its
// requests may be where nothing is known of the provider's retries; "" if there
// is nothing to decide. title is the provider's.
func (p *Policy) WarnTolerance(title string, c webhook.Config) string {
	if c.Tolerance != 0 || p.RetryHorizon != 0 || !c.Covers().Time || p.signsAnew(c) {
		return ""
	}
	return fmt.Sprintf("not set, and how long %s retries is not known: a retry that still has its first signature is refused after %s; "+
		"set it to as long as it retries", title, brief(webhook.DefaultTolerance))
}

// brief writes a duration without parts that are zero: 8h, 5h13m, 5m.
func brief(d time.Duration) string {
	s := d.String()
	if d%time.Minute == 0 && d != 0 {
		s = s[:len(s)-len("0s")]
	}
	if d%time.Hour == 0 && d != 0 {
		s = s[:len(s)-len("0m")]
	}
	return s
}
