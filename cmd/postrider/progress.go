package main

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress is how far a long command has come: a bar on a terminal, nothing
// elsewhere. The zero value shows nothing.
type progress struct{ bar *progressbar.ProgressBar }

// recordsBar is the progress over so many records.
func (c *cli) recordsBar(records int64) progress {
	if !terminal(c.errOut) || records == 0 {
		return progress{}
	}
	return progress{progressbar.NewOptions64(records, progressbar.OptionSetWriter(c.errOut), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString("records"), progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())}
}

// step is one record further.
func (p progress) step() {
	if p.bar != nil {
		_ = p.bar.Add(1)
	}
}

// at is so many records from the beginning.
func (p progress) at(records int64) {
	if p.bar != nil {
		_ = p.bar.Set64(records)
	}
}

// end takes the bar away.
func (p progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
