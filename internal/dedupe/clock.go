package dedupe

import "time"

// clock counts the time that passed. It never runs backwards: where the clock
// it reads is set back, no time passes until that one moves on, so that nothing
// is kept longer than its window plus what really went by meanwhile. Where it is
// set forward, time passed: ids are forgotten early, which costs a duplicate and
// nothing else. time.Now has a monotonic reading (package time), and is not
// moved by either.
type clock struct {
	last    time.Time
	elapsed time.Duration
	most    time.Duration // that counts at once: the window, after which all is forgotten
}

// read takes a reading of the clock and returns the time that passed.
func (c *clock) read(now time.Time) time.Duration {
	if d := now.Sub(c.last); d > 0 {
		c.elapsed += min(d, c.most)
	}
	c.last = now
	return c.elapsed
}
