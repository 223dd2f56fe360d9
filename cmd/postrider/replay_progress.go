package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/postrider/postrider/internal/replay"
)

// mostPartitions is how many partitions a terminal shows below the bar.
const mostPartitions = 12

// replayProgress shows how far a replay is: on a terminal a bar with the partitions
// below it, elsewhere a line of JSON now and then. Both go to standard error.
type replayProgress struct {
	cli   *cli
	what  string
	bar   *progressbar.ProgressBar // nil: no terminal
	total int64
	lines int // on the screen
	quiet bool
	every time.Duration
	told  time.Time
}

// newReplayProgress begins; a quiet one shows nothing but on a terminal.
func (c *cli) newReplayProgress(what string, quiet bool) *replayProgress {
	p := &replayProgress{cli: c, what: what, quiet: quiet, every: 5 * time.Second}
	if c.json() {
		p.every = time.Second
	}
	// A bar would run into records that go to the same screen.
	if terminal(c.errOut) && !c.json() && (what == "planning" || !quiet || !terminal(c.out)) {
		p.bar = newReplayBar()
	}
	return p
}

// newReplayBar is a bar that is asked for its text; it writes nothing by itself.
func newReplayBar() *progressbar.ProgressBar {
	return progressbar.NewOptions64(1, progressbar.OptionSetWriter(io.Discard), progressbar.OptionSetWidth(30),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false))
}

// show shows a progress.
func (p *replayProgress) show(now replay.Progress) {
	if p.bar != nil {
		p.draw(&now)
		return
	}
	if p.told.IsZero() {
		p.told = now.Time // what is over in no time needs no lines
	}
	last := now.State != replay.Running && p.cli.json()
	if p.quiet || !last && now.Time.Sub(p.told) < p.every {
		return
	}
	p.told = now.Time
	if err := json.NewEncoder(p.cli.errOut).Encode(progressLine{now}); err != nil {
		p.quiet = true // nobody reads it any more, which is no harm
	}
}

// progressLine is a line of progress.
type progressLine struct {
	Progress replay.Progress `json:"progress"`
}

// draw draws the bar and the partitions over those of before.
func (p *replayProgress) draw(now *replay.Progress) {
	var total, done int64
	for i := range now.Partitions {
		total += now.Partitions[i].To - now.Partitions[i].From
		done += now.Partitions[i].Next - now.Partitions[i].From
	}
	if total != p.total {
		p.total = total
		p.bar.ChangeMax64(max(total, 1))
	}
	_ = p.bar.Set64(min(done, max(total, 1)))
	lines := append([]string{p.what + " " + strings.TrimSpace(strings.TrimPrefix(p.bar.String(), "\r")) + "  " + rates(now)}, partitionLines(now)...)
	p.print(lines)
}

// rates is the line's end: what was delivered, how fast, and how long it takes.
func rates(p *replay.Progress) string {
	text := fmt.Sprintf("%d delivered", p.Delivered)
	if p.Failed > 0 {
		text += fmt.Sprintf(", %d refused", p.Failed)
	}
	text += fmt.Sprintf(", %.0f/s", p.Rate)
	if p.ETA >= 0 {
		text += ", " + spell(p.ETA.Round(time.Second)) + " left"
	}
	return text
}

// partitionLines are the lines below the bar.
func partitionLines(p *replay.Progress) []string {
	var lines []string
	for i := range p.Partitions {
		if i == mostPartitions {
			return append(lines, fmt.Sprintf("  and %s more", plural(len(p.Partitions)-i, "partition")))
		}
		q := &p.Partitions[i]
		lines = append(lines, fmt.Sprintf("  %s[%d]  %d of %d read, %d selected, %d delivered", q.Topic, q.Partition, q.Next-q.From, q.To-q.From, q.Selected, q.Delivered))
	}
	return lines
}

// print replaces what is on the screen.
func (p *replayProgress) print(lines []string) {
	var b strings.Builder
	if p.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dF", p.lines)
	}
	width := screenWidth(p.cli.errOut)
	for _, line := range lines {
		line = printable(line)
		if n := len([]rune(line)); width > 0 && n > width {
			line = cut(line, width)
		}
		b.WriteString(line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	p.lines = len(lines)
	_, _ = io.WriteString(p.cli.errOut, b.String())
}

// end takes the bar away.
func (p *replayProgress) end() {
	if p.lines > 0 {
		fmt.Fprintf(p.cli.errOut, "\x1b[%dF\x1b[J", p.lines)
		p.lines = 0
	}
}
