package app

import (
	"errors"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/normalize"
)

// StandIn makes the dead letter of a stored event that the broker refuses when
// its request was answered long ago. There is none for a raw request, a dead
// letter, or the copy of an event in the topic of all events, whose event went to
// its own topic all the same: the spool sets those aside.
func StandIn(t config.Topics) func(*broker.Record, error) (broker.Record, bool) {
	return func(rec *broker.Record, cause error) (broker.Record, bool) {
		if rec.Topic == t.Raw() || rec.Topic == t.Deadletter() || t.All && rec.Topic == t.AllEvents() {
			return broker.Record{}, false
		}
		reason := ingest.ReasonRefused
		if errors.Is(cause, broker.ErrTooLarge) {
			reason = ingest.ReasonTooLarge
		}
		letter, err := normalize.RefusedEvent(rec.Value, rec.Headers, reason, cause.Error())
		if err != nil {
			return broker.Record{}, false
		}
		return broker.Record{
			Topic: t.Deadletter(), Key: []byte(letter.Key), Value: letter.Value, Headers: letter.Headers, Time: rec.Time,
		}, true
	}
}
