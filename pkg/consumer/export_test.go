package consumer

import "time"

// IsPermanent reports whether an error has its record be a dead letter at once.
func IsPermanent(err error) bool {
	a, _ := classify(err)
	return a == permanent
}

// LookEvery has topics that patterns mean be looked for so often.
func (c *Consumer) LookEvery(d time.Duration) { c.look = d }
