// Package selection says which records are meant: by topic, time, offset, and by
// what the records say, down to an expression on the fields of their events.
//
// It is pure: who reads the topics asks Match of every record. What can be told
// from a record's place, time, key and headers is told from them; a value is
// decoded only where nothing else can tell.
//
//	selection.go    what is wanted, as people and the admin interface write it
//	validate.go     whether that makes sense
//	topics.go       which topics a pattern means
//	time.go         which time a text means
//	match.go        whether a record is meant
//	told.go         what a record's headers and key tell of its event
//	where.go        the expression on its fields
//	environment.go  the names in that expression
package selection

import (
	"time"

	"github.com/postrider/postrider/pkg/event"
)

// Selection says which records are meant. Every condition that is given must hold;
// of several values of one condition any will do. The zero Selection selects
// nothing: All must be said.
//
// Its JSON form is that of the admin interface and of the record of a replay.
type Selection struct {
	Topics []string `json:"topics,omitempty"` // names, or patterns of path.Match
	All    bool     `json:"all,omitempty"`    // every record of the topics, no other condition

	// From and To bound the records' timestamps: [From, To). Zero is no bound.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Late bounds how far behind its neighbours' time a record may lie in its
	// partition (a spool that was drained late): reading stops that long after To.
	// Zero is no bound: everything up to the end is looked at.
	Late time.Duration `json:"late,omitempty"`

	Partitions []int `json:"partitions,omitempty"`
	// Offsets leave out what lies in none of them, other partitions included.
	Offsets []Span `json:"offsets,omitempty"`

	Providers []string `json:"providers,omitempty"`
	Sources   []string `json:"sources,omitempty"`
	Types     []string `json:"types,omitempty"` // as TypeNames has them
	// Recipients are addresses, compared without regard to letter case or display name.
	Recipients []string `json:"recipients,omitempty"`
	// RecipientHashes are event.recipient_hash values; where topics hold no
	// addresses, Recipients are turned into them before they are kept anywhere.
	// They and Recipients are one condition: a record that has any of them is meant.
	RecipientHashes []string `json:"recipient_hashes,omitempty"`
	MessageIDs      []string `json:"message_ids,omitempty"`
	EventIDs        []string `json:"event_ids,omitempty"` // of events, or of raw requests
	Headers         []Header `json:"headers,omitempty"`
	Where           string   `json:"where,omitempty"` // an expression, see Fields

	// Limit is how many records are selected at most, the earliest by time; 0 is
	// no limit. It is no condition.
	Limit int64 `json:"limit,omitempty"`
	// Replayed says that copies that an earlier replay put there are meant too.
	Replayed bool `json:"replayed,omitempty"`
}

// Span is a part of a partition: offsets in [From, To).
type Span struct {
	Topic     string `json:"topic,omitempty"` // "": every selected topic
	Partition int    `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to,omitempty"` // 0: up to the end
}

// Header is a condition on a record header: one of that name has that value. Of
// several conditions on one name any will do; each name must be satisfied.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Record is what of a record conditions can be put on. It is not kept.
type Record struct {
	Topic     string
	Partition int
	Offset    int64
	Time      time.Time // the record's timestamp
	Key       []byte
	Value     []byte
	Headers   []event.Header

	// Decoded decodes the value in place of Match, so that several Matchers and whoever
	// asks them share one decoding; nil: Match does it itself.
	Decoded func() (*event.Event, error)
}

// decoded is the record's event.
func (r *Record) decoded() (*event.Event, error) {
	if r.Decoded != nil {
		return r.Decoded()
	}
	e, err := event.Decode(r.Value)
	return &e, err //nolint:wrapcheck // only whether there is one counts
}
