package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/delivery"
)

// httpSink posts records to an HTTP target, several at once. Records of one key go one
// after the other.
//
// The body is the record's value, and its content type is the record's. The delivery's
// id, by which the target can tell repeats, is the event's (ce_id), or the request's
// (id), or else the record's place. Headers of the record follow as "Record-" and
// their name, the record's key and the marks of the copy among them.
type httpSink struct {
	client *delivery.Client
	marker *Marker
	room   chan struct{} // deliveries in progress
}

func newHTTPSink(o delivery.Options, m *Marker, inFlight int) (*httpSink, error) {
	o.MaxConcurrent = inFlight
	client, err := delivery.New(o)
	if err != nil {
		return nil, fmt.Errorf("replay: the HTTP target: %w", err)
	}
	return &httpSink{client: client, marker: m, room: make(chan struct{}, inFlight)}, nil
}

// Deliver implements Sink.
func (s *httpSink) Deliver(ctx context.Context, recs []broker.Message) ([]Failure, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var (
		wg     sync.WaitGroup
		failed = make([]*Failure, len(recs))
		first  sync.Once
		broken error
	)
	for _, line := range byKey(recs) {
		wg.Go(func() {
			for _, i := range line {
				f, err := s.deliver(ctx, &recs[i])
				if err != nil {
					first.Do(func() { broken = err; stop(err) })
					return
				}
				failed[i] = f
			}
		})
	}
	wg.Wait()
	var list []Failure
	for _, f := range failed {
		if f != nil {
			list = append(list, *f)
		}
	}
	return list, broken
}

// byKey lists the places of records of one key together, in order.
func byKey(recs []broker.Message) [][]int {
	lines := make([][]int, 0, len(recs))
	of := make(map[string]int, len(recs))
	for i := range recs {
		line, known := of[string(recs[i].Key)]
		if !known || recs[i].Key == nil {
			line = len(lines)
			of[string(recs[i].Key)] = line
			lines = append(lines, nil)
		}
		lines[line] = append(lines[line], i)
	}
	return lines
}

// deliver posts one record. The error ends the run; a Failure is the record's own.
func (s *httpSink) deliver(ctx context.Context, m *broker.Message) (*Failure, error) {
	select {
	case s.room <- struct{}{}:
		defer func() { <-s.room }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	_, err := s.client.Deliver(ctx, s.message(m))
	if err == nil {
		return nil, nil //nolint:nilnil // neither failed nor broken
	}
	if refused, ok := errors.AsType[*delivery.RefusedError](err); ok && !refused.Gone && !wantsUs(refused.Status) {
		f := failureOf(m, err)
		return &f, nil
	}
	return nil, fmt.Errorf("replay: deliver %s: %w", Place(m.Topic, m.Partition, m.Offset), err)
}

// wantsUs tells answers that are about us or the address, and not about the record:
// all others would fare the same.
func wantsUs(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		return true
	}
	return status >= 300 && status < 400
}

// message is what is posted for a record.
func (s *httpSink) message(m *broker.Message) delivery.Message {
	d := delivery.Message{ID: Place(m.Topic, m.Partition, m.Offset), Body: m.Value, Header: http.Header{}}
	for _, h := range m.Headers {
		switch h.Key {
		case "content-type":
			d.ContentType = string(h.Value)
		case "ce_id", "id":
			d.ID = string(h.Value)
		}
	}
	// Full stops separate what is signed; places have them in their topic's name,
	// and no colons.
	d.ID = strings.ReplaceAll(d.ID, ".", ":")
	copied := s.marker.Copy(m, m.Topic)
	for _, h := range copied.Headers {
		if h.Key != "content-type" && headerText(h.Key) && headerText(string(h.Value)) {
			d.Header.Add("Record-"+h.Key, string(h.Value))
		}
	}
	if headerText(string(m.Key)) && len(m.Key) > 0 {
		d.Header.Set("Record-Key", string(m.Key))
	}
	return d
}

// headerText reports whether a text can be sent as part of an HTTP header: printable
// ASCII, as RFC 9110 section 5.5 asks of new ones.
func headerText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Flush implements Sink.
func (s *httpSink) Flush(context.Context) (json.RawMessage, error) { return nil, nil }

// Close implements Sink.
func (s *httpSink) Close(context.Context) error {
	s.client.Close()
	return nil
}
