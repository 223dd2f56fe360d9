// Package doctor examines an installation from outside: the configuration, its
// sources and secrets, the brokers and topics, the ports, the clock and the disk.
// It changes nothing. What it cannot find out it says so, rather than guess.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
)

// Status is how an examination ended.
type Status string

// The statuses.
const (
	OK   Status = "ok"
	Note Status = "note" // worth knowing, nothing to do
	Warn Status = "warn" // works, but somebody should look
	Fail Status = "fail" // does not work
)

// Check is one finding.
type Check struct {
	Area   string `json:"area"` // config, receiver, ports, kafka, topics, sources, clock, disk
	Status Status `json:"status"`
	Text   string `json:"text"`         // what was found; no secret, except in an address where asked for
	Do     string `json:"do,omitempty"` // what to do about it
}

// Options is what an examination needs.
type Options struct {
	Config *config.Config
	// Sources are the sources in force; nil with SourcesErr set if there are none.
	Sources    []*app.CompiledSource
	SourcesErr error
	Now        func() time.Time
	// HideTokens keeps tokens out of the sources' addresses.
	HideTokens bool
}

// timeout bounds each question to another process.
const timeout = 5 * time.Second

// examination is the state of one Run.
type examination struct {
	Options

	report  func(Check)
	running bool // our own receiver answers on the admin listener
	other   bool // somebody else's receiver does
}

// Run examines everything and reports each finding as it is made, in a fixed
// order. It ends early when ctx does.
func Run(ctx context.Context, o Options, report func(Check)) {
	e := &examination{Options: o, report: report}
	for _, examine := range []func(context.Context){
		e.configuration, e.receiver, e.ports, e.kafka, e.sources, e.publicURL, e.clock, e.disk, e.spool,
	} {
		if ctx.Err() != nil {
			return
		}
		examine(ctx)
	}
}

// found reports one finding.
func (e *examination) found(area string, s Status, do, format string, args ...any) {
	e.report(Check{Area: area, Status: s, Text: fmt.Sprintf(format, args...), Do: do})
}

// configuration reports what loading it had to say.
func (e *examination) configuration(context.Context) {
	from := e.Config.File
	if from == "" {
		from = "built-in defaults (there is no config.yaml here)"
	}
	e.found("config", OK, "", "read from %s; data folder %s", from, app.DataDir(e.Config))
	for _, n := range e.Config.Notices {
		e.found("config", Note, "", "%s", n)
	}
}
