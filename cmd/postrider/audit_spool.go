package main

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"

	"github.com/postrider/postrider/internal/audit"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/spool"
)

// auditSpooled is what the local spool holds.
type auditSpooled struct {
	Dir     string `json:"dir"`
	Records int    `json:"records"` // that wait
	Dead    int    `json:"dead"`    // that Kafka refused for what they are
	Damaged int    `json:"damaged"` // parts that cannot be read
}

// auditSpool feeds an audit with what the local spool holds: those records are
// not missing. Without a spool it is nil.
func auditSpool(a *audit.Audit, cfg *config.Config) (*auditSpooled, error) {
	s := &auditSpooled{Dir: cfg.Spool.Dir}
	if _, err := os.Stat(s.Dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no spool is no error
	}
	kinds := auditKinds(cfg.Kafka.Topics)
	if err := s.feed(a, kinds, spool.Read(s.Dir), &s.Records); err != nil {
		return nil, err
	}
	if err := s.feed(a, kinds, spool.Requeued(s.Dir), &s.Records); err != nil {
		return nil, err
	}
	return s, s.feed(a, kinds, spool.Dead(s.Dir), &s.Dead)
}

// auditKinds says of each topic of what kind it is.
func auditKinds(t config.Topics) func(topic string) (audit.Kind, bool) {
	typed := typedTopics(t)
	return func(topic string) (audit.Kind, bool) {
		switch topic {
		case t.Raw():
			return audit.Raw, true
		case t.Deadletter():
			return audit.DeadLetter, true
		}
		return audit.Typed, slices.Contains(typed, topic)
	}
}

// feed passes records on and counts them.
func (s *auditSpooled) feed(a *audit.Audit, kinds func(string) (audit.Kind, bool), items iter.Seq2[spool.Item, error], count *int) error {
	for item, err := range items {
		if errors.Is(err, spool.ErrDamaged) {
			s.Damaged++
			continue
		}
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		*count++
		if kind, ok := kinds(item.Record.Topic); ok {
			r := &item.Record
			a.Add(&audit.Record{Kind: kind, Topic: r.Topic, Offset: audit.InSpool, Headers: r.Headers, Value: r.Value})
		}
	}
	return nil
}

// note says in a sentence what the spool holds; "" if that is nothing.
func (s *auditSpooled) note() string {
	if s == nil || s.Records+s.Dead+s.Damaged == 0 {
		return ""
	}
	text := fmt.Sprintf("the spool %s holds %s", nearby(s.Dir), plural(s.Records, "record")+" for Kafka")
	if s.Dead > 0 {
		text += fmt.Sprintf(", and %d that Kafka refused", s.Dead)
	}
	if s.Damaged > 0 {
		text += fmt.Sprintf("; %s cannot be read", plural(s.Damaged, "part"))
	}
	return text + ": see `postrider spool ls`"
}
