// Package deadletter reads the topic of dead letters: which there are, grouped or
// one by one, which of them are resolved, and where their requests are. What a
// letter becomes today is not its business.
//
// In the order of the work:
//
//	deadletter.go  one letter, by its record's headers
//	filter.go      which letters are meant
//	scan.go        reading them, in the order of time
//	group.go       counting them
//	raw.go         the raw record of a letter's request
//	journal.go     the compacted topic that remembers which are resolved
//	lock.go        one redrive at a time
//
// Memory does not grow with the topic: a scan holds one answer of the broker for
// each partition, groups grow with the kinds of letters, and the journal with the
// letters that are resolved, a few dozen bytes each.
package deadletter

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay/stored"
)

// Reader reads topics; broker.Client is one.
type Reader interface {
	// Offsets is that of broker.Client.
	Offsets(ctx context.Context, topic string) (map[int]broker.OffsetRange, error)
	// OffsetsAt is that of broker.Client.
	OffsetsAt(ctx context.Context, topic string, t time.Time) (map[int]int64, error)
	// Read is that of broker.Client.
	Read(ctx context.Context, topic string, partition int, from, to int64, fn func(broker.Message) error) error
}

// Letter is one dead letter's record, and what its headers say. What a header
// does not say is "" or 0: somebody else may have written to the topic.
type Letter struct {
	broker.Message

	Reason, Stage, Provider, Source string

	RawID  string
	Mapper int // version of the mapping that gave up
}

// Of looks at a record's headers.
func Of(m *broker.Message) *Letter {
	l := &Letter{Message: *m}
	for _, h := range m.Headers {
		switch h.Key {
		case "reason":
			l.Reason = string(h.Value)
		case "stage":
			l.Stage = string(h.Value)
		case "provider":
			l.Provider = string(h.Value)
		case "source":
			l.Source = string(h.Value)
		case "id":
			l.RawID = string(h.Value)
		case "mapper-version":
			l.Mapper, _ = strconv.Atoi(string(h.Value))
		}
	}
	return l
}

// Place is where the letter is, as commands take it: topic/partition/offset.
func (l *Letter) Place() string {
	return fmt.Sprintf("%s/%d/%d", l.Topic, l.Partition, l.Offset)
}

// Open reads the letter's value. The error says what of it cannot be read.
func (l *Letter) Open() (stored.Letter, error) {
	opened, err := stored.DeadLetter(l.Value)
	if err != nil {
		return stored.Letter{}, fmt.Errorf("deadletter: %s: %w", l.Place(), err)
	}
	return opened, nil
}
