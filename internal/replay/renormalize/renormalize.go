// Package renormalize takes raw requests through today's mapping: into the typed
// topics, under the same ids (NewSink), or, before anything is written, into a
// report of what would change there (Diff).
//
// The requests go the way of the receiver: ingest.Pipeline itself normalizes them
// and makes their records. Only its publisher and its window are others. The
// publisher keeps back the raw record and the dead letters, which the topics have
// already. In place of the window stands what the raw record says became of its
// items: repeats that were left out are left out again, and events that were
// published under a changed id have that id again.
package renormalize

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/replay"
)

// Publisher publishes events.
type Publisher interface {
	// Publish is that of broker.Publisher.
	Publish(ctx context.Context, recs []broker.Record) error
}

// Options is what this package needs.
type Options struct {
	// Sources are the configured sources. They are not changed; their metrics,
	// durability and treatment of repeats mean nothing here.
	Sources []*ingest.Source
	Topics  ingest.Topics
	Key     string // kafka.topics.key
	Now     func() time.Time

	// Of NewSink.

	Publisher Publisher
	Marker    *replay.Marker
	State     json.RawMessage // Run.Sink: what the last checkpoint held; nil for a new run

	// Of Diff.

	Reader Reader
	// Runs are the replays there were, in any order; nil: none. What renormalizations
	// among them published is what events are compared with.
	Runs func(ctx context.Context) ([]replay.Run, error)
	// Sample is how many requests are looked at unless all are; default 10,000.
	Sample int
	// Held bounds the events that wait for their counterpart, in bytes; default 64 MiB.
	Held int
}

// UnknownSourceError says that a request came to a source that today's
// configuration does not have.
type UnknownSourceError struct {
	Source   string
	Provider string // the source's, when the request came
	Now      string // the provider that a source of that name has today; "" if there is none
}

// Error implements error.
func (e *UnknownSourceError) Error() string {
	if e.Now != "" {
		return fmt.Sprintf("renormalize: source %s belonged to %s when the request came and belongs to %s now: "+
			"configure a source of %s with `id: %s`, or leave such requests out by the selection", e.Source, e.Provider, e.Now, e.Provider, e.Source)
	}
	return fmt.Sprintf("renormalize: source %s (%s) is not configured any more: configure it again, or a renamed one with `id: %s`, "+
		"or leave its requests out by the selection", e.Source, e.Provider, e.Source)
}
