package audit

import "time"

// Kinds of findings. What is missing is in the first two.
const (
	Incomplete = "incomplete" // a request lacks events or dead letters
	Orphaned   = "orphaned"   // events or dead letters lack their request
	Duplicate  = "duplicate"  // an event is there again without a mark
	Surplus    = "surplus"    // a request has more than it says
	Unreadable = "unreadable" // a record is none of ours, or damaged
)

// Finding is one thing that is not as it should be.
type Finding struct {
	Kind       string    `json:"kind"`
	Source     string    `json:"source,omitempty"`
	RawID      string    `json:"raw_id,omitempty"`
	Place      string    `json:"place"` // topic[partition]@offset
	ReceivedAt time.Time `json:"received_at,omitzero"`
	Expected   int       `json:"expected,omitempty"` // incomplete, surplus: events and dead letters of the request
	Found      int       `json:"found,omitempty"`    // those that are there; orphaned: records without their request
	Detail     string    `json:"detail"`             // a sentence for people
}

// Source counts what is known of one source, or of all.
type Source struct {
	Name        string `json:"source"`
	Requests    int    `json:"requests"`
	Events      int    `json:"events"`       // records in typed topics
	DeadLetters int    `json:"dead_letters"` // records
	Repeats     int    `json:"repeats"`      // events that were seen before and not published again
	Duplicates  int    `json:"duplicates"`   // of the events: there before, and not marked
	Conflicts   int    `json:"conflicts"`    // of the events: a known id with other content

	Incomplete int `json:"incomplete"` // requests that lack something
	Orphaned   int `json:"orphaned"`   // raw ids that events or dead letters name and no raw record has

	// Requests that lack something for a reason.
	Explained   int `json:"explained"`   // another request, the provider's retry, is whole
	Spooled     int `json:"spooled"`     // the rest is in the spool
	InProgress  int `json:"in_progress"` // received when the audit began
	Uncheckable int `json:"uncheckable"` // of a version that did not count, or retention may have taken the rest

	WithoutRaw int `json:"without_raw"` // events of requests too large for a raw copy
	Surplus    int `json:"surplus"`     // requests that have more than they say
}

// add adds the counts of another row.
func (s *Source) add(o *Source) {
	s.Requests += o.Requests
	s.Events += o.Events
	s.DeadLetters += o.DeadLetters
	s.Repeats += o.Repeats
	s.Duplicates += o.Duplicates
	s.Conflicts += o.Conflicts
	s.Incomplete += o.Incomplete
	s.Orphaned += o.Orphaned
	s.Explained += o.Explained
	s.Spooled += o.Spooled
	s.InProgress += o.InProgress
	s.Uncheckable += o.Uncheckable
	s.WithoutRaw += o.WithoutRaw
	s.Surplus += o.Surplus
}

// Report is the outcome of an audit.
type Report struct {
	From       time.Time      `json:"from,omitzero"`
	To         time.Time      `json:"to"`
	Sources    []Source       `json:"sources"` // by name
	Total      Source         `json:"total"`
	Unreadable int            `json:"unreadable"` // records
	Findings   []Finding      `json:"findings"`
	Omitted    map[string]int `json:"omitted,omitempty"` // findings by kind that are counted and not listed
}

// Missing is how many requests lack something, for no reason that is known.
func (r *Report) Missing() int { return r.Total.Incomplete + r.Total.Orphaned }
