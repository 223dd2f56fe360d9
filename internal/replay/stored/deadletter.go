package stored

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"time"

	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Letter is a dead letter that was read back.
type Letter struct {
	Reason string // machine-readable
	Stage  string // parse, normalize, validate or publish
	Detail string // for people

	Source   string // name of the source the request came to
	Provider string // the source's provider then
	RawID    string // names the request in the raw topic; "" where it is not there
	Mapper   int    // version of the mapping that gave up; 0 where it is not known
	Index    int    // place in the payload, from 0; -1 for the whole body

	ReceivedAt time.Time // milliseconds
	// Body is the item, the whole body, or, if Event says so, an event's JSON.
	Body []byte
	// Complete says that the letter has its request's headers and query; else only
	// the raw record has them.
	Complete bool
	// Verified is a request that has Body alone, with the headers and query that the
	// letter has. It means nothing if Event or BodyLost says so.
	Verified webhook.Verified
}

// The parts of a dead letter that say what its body is.
const (
	stagePublish    = "publish"
	reasonEmptyBody = "empty_body"
)

// Event reports that the body is not what the provider sent but the event that
// was made of it, in its published form: the broker refused it after its request
// had been answered.
func (l *Letter) Event() bool { return l.Stage == stagePublish && l.Index < 0 }

// BodyLost reports that the letter was published without its body, since it would
// have been over its topic's limit. The raw record has it.
func (l *Letter) BodyLost() bool { return len(l.Body) == 0 && l.Reason != reasonEmptyBody }

// letterJSON is the value of a dead letter's record.
type letterJSON struct {
	Reason     string              `json:"reason"`
	Stage      string              `json:"stage"`
	Detail     string              `json:"detail"`
	Provider   string              `json:"provider"`
	Source     string              `json:"source"`
	ReceivedAt string              `json:"received_at"`
	Mapper     int                 `json:"mapper"`
	RawID      string              `json:"raw_id"`
	Index      *int                `json:"index"`
	Headers    map[string][]string `json:"headers"`
	Query      map[string][]string `json:"query"`
	Body       *[]byte             `json:"body"`
}

// DeadLetter reads the value of a dead letter's record back. The error says which
// member is missing or cannot be read, and no value.
//
// The request in it is the item as if it had come alone: what a batch says of an
// item does not depend on its neighbours. Bytes of headers that are not UTF-8 are
// not what they were; the raw record has them as they came.
func DeadLetter(value []byte) (Letter, error) {
	var j letterJSON
	if err := json.Unmarshal(value, &j); err != nil {
		return Letter{}, fmt.Errorf("stored: dead letter: %w", notJSON(err))
	}
	at, err := j.check()
	if err != nil {
		return Letter{}, fmt.Errorf("stored: dead letter: %w", err)
	}
	l := Letter{
		Reason: j.Reason, Stage: j.Stage, Detail: j.Detail, Source: j.Source, Provider: j.Provider, RawID: j.RawID,
		Mapper: j.Mapper, Index: -1, ReceivedAt: at, Body: *j.Body, Complete: j.Headers != nil && j.Query != nil,
	}
	body := l.Body
	if j.Index != nil {
		l.Index, body = *j.Index, asBody(l.Body)
	}
	l.Verified = webhook.AssumeProvenForReplayAndTests(webhook.Request{
		Method: http.MethodPost, Header: canonical(j.Headers), Query: url.Values(j.Query), Body: body, ReceivedAt: at,
	})
	return l, nil
}

// notJSON says what is wrong with a value without showing any of it.
func notJSON(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return fmt.Errorf("member %s: it is no %s", wrong.Field, wrong.Type)
	}
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("the value is no JSON, at byte %d", wrong.Offset)
	}
	return errors.New("the value is no JSON object of a dead letter, or its body no base64")
}

// check finds what is missing, and reads the time.
func (j *letterJSON) check() (time.Time, error) {
	for _, m := range [...]struct{ name, value string }{
		{"reason", j.Reason}, {"stage", j.Stage}, {"provider", j.Provider}, {"source", j.Source}, {"received_at", j.ReceivedAt},
	} {
		if m.value == "" {
			return time.Time{}, fmt.Errorf("member %s: %w", m.name, errMissing)
		}
	}
	switch {
	case j.Body == nil:
		return time.Time{}, fmt.Errorf("member body: %w", errMissing)
	case j.Index != nil && (*j.Index < 0 || *j.Index >= maxIndex):
		return time.Time{}, errors.New("member index: it is no place in a payload")
	case j.Mapper < 0:
		return time.Time{}, errors.New("member mapper: it is negative")
	}
	at, err := event.ParseTime(j.ReceivedAt)
	if err != nil {
		return time.Time{}, fmt.Errorf("member received_at: %w", err)
	}
	return at.Time(), nil
}

// canonical spells the names of headers as net/http does.
func canonical(headers map[string][]string) http.Header {
	h := make(http.Header, len(headers))
	for name, values := range headers {
		name = textproto.CanonicalMIMEHeaderKey(name)
		h[name] = append(h[name], values...)
	}
	return h
}
