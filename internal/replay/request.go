// Package replay publishes records again: chosen, counted before anything is
// written, marked as copies, paced, and resumable without a gap.
//
// In the order of the work:
//
//	request.go   what is wanted: selection, target, pace, rules
//	plan.go      what it comes to: partitions, offsets, counts, gaps, a sample
//	run.go       one run: lanes of records, a window, progress, checkpoints
//	mark.go      the headers of a copy
//	journal.go   the compacted topic that remembers runs
//	sink_*.go    where records go
//
// A replay never joins a consumer group and commits no offset.
package replay

import (
	"net/netip"
	"time"

	"github.com/postrider/postrider/internal/selection"
)

// Request is what is wanted. Its JSON form is that of the admin interface and of
// a run's record.
type Request struct {
	// Select says which records. Relative times and patterns were resolved by
	// whoever made the Request, so that it means the same whenever it is read.
	Select selection.Selection `json:"select"`
	// FromFile is an archive (package archive) that takes the place of the topics.
	FromFile string `json:"from_file,omitempty"`
	To       Target `json:"to"`
	Pace     Pace   `json:"pace,omitzero"`

	By     string `json:"by"`               // who wants it
	Reason string `json:"reason,omitempty"` // why

	// AllowSameTopic lets copies go to a topic that they are read from.
	AllowSameTopic bool `json:"allow_same_topic,omitempty"`
	// MaxHops refuses copies of copies of copies; default 3.
	MaxHops int `json:"max_hops,omitempty"`
	// Exact publishes records of FromFile as they were, timestamps included and
	// without marks.
	Exact bool `json:"exact,omitempty"`
	// GoOn says what becomes of a run when the target refuses a record for good:
	// it goes on and counts, or it stops.
	GoOn bool `json:"go_on,omitempty"`
}

// The kinds of targets.
const (
	ToTopic       = "topic"       // Target.Topic, or without it the topics that the records are from
	ToHTTP        = "http"        // Target.URL, one POST a record
	ToFile        = "file"        // Target.File
	ToStdout      = "stdout"      // JSON Lines, for a pipe
	ToRenormalize = "renormalize" // raw requests through today's mapping, into typed topics
)

// Target is where records go.
type Target struct {
	Kind  string `json:"kind"`
	Topic string `json:"topic,omitempty"`

	// Name is a configured HTTP target (replay.targets); it has everything below.
	Name string `json:"name,omitempty"`
	URL  string `json:"url,omitempty"`
	// SecretFiles sign by Standard Webhooks; none: requests are not signed.
	SecretFiles []string `json:"secret_files,omitempty"`
	// Allow are addresses that are not public and may be called all the same.
	Allow []netip.Prefix `json:"allow,omitempty"`

	File string `json:"file,omitempty"` // JSON Lines; compressed by zstd if it ends in .zst
}

// Pace bounds how fast records go.
type Pace struct {
	Rate float64 `json:"rate,omitempty"` // records a second; 0: unbounded
	// Speed follows the records' own times: 1 as they came, 10 ten times as fast;
	// 0: as fast as possible.
	Speed float64 `json:"speed,omitempty"`
	// MaxInFlight is how many records may be delivered without being in a
	// checkpoint: what is repeated at most when a run is resumed. Default 20,000,
	// for HTTP 64.
	MaxInFlight int `json:"max_in_flight,omitempty"`
}

// Gap is offsets that should have been read and are not in the log.
type Gap struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"` // exclusive
	// Reason is GapExpired or GapCompacted.
	Reason string `json:"reason"`
}

// Why records are not in the log.
const (
	GapExpired   = "expired"   // deleted by retention, or by hand
	GapCompacted = "compacted" // taken by compaction (or an aborted transaction)
)

// Plan is what a Request comes to. Executing it does exactly this: the ends are
// fixed. Its JSON form can be kept and executed later.
type Plan struct {
	Request Request   `json:"request"`
	Created time.Time `json:"created"`
	Ranges  []Range   `json:"ranges"`
	Records int64     `json:"records"` // offsets in all ranges
	// Matching is how many records the selection has: counted if Exact, else
	// estimated from Looked of them.
	Matching int64 `json:"matching"`
	Exact    bool  `json:"exact"`
	Looked   int64 `json:"looked"`
	// Undecodable is how many of those looked at hold no event, where the selection
	// asks for an event's fields; such records are not selected.
	Undecodable int64 `json:"undecodable,omitempty"`
	// Replayed is how many of those looked at are copies, and are left out for it.
	Replayed int64         `json:"replayed,omitempty"`
	First    time.Time     `json:"first,omitzero"` // timestamps of matching records
	Last     time.Time     `json:"last,omitzero"`
	Samples  []Sample      `json:"samples,omitempty"` // at most three
	Gaps     []Gap         `json:"gaps,omitempty"`
	Takes    time.Duration `json:"takes"` // estimated; nanoseconds
	// Notes are sentences that a person should read before executing.
	Notes []string `json:"notes,omitempty"`
	Diff  *Diff    `json:"diff,omitempty"` // of a renormalization
}

// Range is a part of a partition that is read: offsets in [From, To).
type Range struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
	Matching  int64  `json:"matching"` // as Plan.Matching
}

// Sample is one matching record, for people.
type Sample struct {
	Topic     string    `json:"topic"`
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	Time      time.Time `json:"time"`
	Key       string    `json:"key"`
	Type      string    `json:"type,omitempty"`
	Provider  string    `json:"provider,omitempty"`
	Source    string    `json:"source,omitempty"`
	ID        string    `json:"id,omitempty"` // of the event or request
}

// Diff says what a renormalization would change.
type Diff struct {
	Exact    bool  `json:"exact"`    // every request was looked at, not a sample
	Requests int64 `json:"requests"` // looked at
	Events   int64 `json:"events"`   // that they become
	Equal    int64 `json:"equal"`    // events that are published just so
	Changed  int64 `json:"changed"`  // events with other fields, under the same id
	New      int64 `json:"new"`      // events that are not published yet
	Gone     int64 `json:"gone"`     // published events that the requests do not become any more
	// DeadLetters is how many items still are no event, Rescued how many were none
	// and now are.
	DeadLetters int64 `json:"dead_letters"`
	Rescued     int64 `json:"rescued"`
	// NotCompared is how many events were given up before what is published of them
	// was found, for want of memory. Failed is how many requests cannot be taken
	// through the mapping, for example since their source is not configured any more.
	NotCompared int64      `json:"not_compared,omitempty"`
	Failed      int64      `json:"failed,omitempty"`
	Types       []TypeDiff `json:"types,omitempty"` // of what is not equal; by type as published now
}

// TypeDiff is what changes in events of one type.
type TypeDiff struct {
	Type    string      `json:"type"`
	Changed int64       `json:"changed"`
	New     int64       `json:"new"`
	Gone    int64       `json:"gone"`
	Fields  []FieldDiff `json:"fields,omitempty"`
}

// FieldDiff is one field that changes. The values are of one example, as JSON, ""
// where the field is absent; those of personal fields are left out.
type FieldDiff struct {
	Field string `json:"field"` // path, such as bounce.class
	Count int64  `json:"count"`
	ID    string `json:"id"` // the example's event id
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}
