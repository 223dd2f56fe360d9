// Package normalize turns one proven request into what will be published: its
// events, its dead letters and the record that keeps the request itself.
//
// It is pure: unless it is cut short, the same request, source and raw id give
// the same output, so that a stored request can be taken through it again. A provider's parser says what
// the payload means; this package adds what does not depend on the provider
// (identity, source, times, query parameters, the treatment of recipients) and
// makes sure that only valid events come out. One bad item never touches its
// neighbours.
package normalize

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Source is what normalizing needs to know of one configured endpoint. It is
// not changed after it was made and may be used concurrently.
type Source struct {
	Name     string // stands in events as their source
	ID       string // takes part in event ids; stays when the source is renamed
	Provider string // provider id
	Parser   provider.Parser
	Mapper   int // version of the provider's mapping

	QueryRecipient string   // query parameter that names the recipient; "" for none
	QueryMetadata  []string // query parameters that are copied to metadata
	SecretHeaders  []string // request headers that hold a secret of this source, in any case

	Pepper        []byte // key of recipient_hash; empty: events carry none
	HashRecipient bool   // events carry the hash instead of the address
}

// Output is what becomes of one request. Events and dead letters are each in
// the order of the payload.
type Output struct {
	Events      []Item
	DeadLetters []DeadLetter

	DuplicateNames int // members of the body that a later one of the same name hid
}

// Item is one event and where in the payload it came from.
type Item struct {
	Event event.Event
	Index int    // place in the payload, from 0
	Body  []byte // the item's bytes within the request's body

	query     []parameter // of the request
	compact   bool        // Body has no white space between its tokens
	addressed bool        // the event's recipient is the query's
	derived   string      // native id, where it is a hash of all the item says
}

// DeadLetter makes the dead letter of an event that cannot be published.
func (i *Item) DeadLetter(reason, stage, detail string) DeadLetter {
	return DeadLetter{Reason: reason, Stage: stage, Detail: detail, Index: i.Index, Item: i.Body, query: i.query}
}

// Normalize takes a proven request of source s to its output. rawID names the
// request's record in the raw topic. The error is that of ctx, which is looked
// at before the body is parsed and before each of its items; there is no output
// then. Normalize panics if v was not made by webhook.Verify, since nothing of an
// unproven request may reach a topic.
func Normalize(ctx context.Context, s *Source, v webhook.Verified, rawID string) (Output, error) {
	return new(Memory).Normalize(ctx, s, v, rawID)
}

// Normalize is the function of that name, with an output that is valid until m's Reset.
// Before the next one there has to be a Reset.
func (m *Memory) Normalize(ctx context.Context, s *Source, v webhook.Verified, rawID string) (Output, error) {
	if !v.OK() {
		panic("normalize: the request is not proven")
	}
	if err := ctx.Err(); err != nil {
		return Output{}, fmt.Errorf("normalize: before the body was read: %w", err)
	}
	query := pickQuery(s, v)
	results, broken := parse(s.Parser, &m.results, v)
	if broken != nil {
		broken.query = query
		return Output{DeadLetters: []DeadLetter{*broken}}, nil
	}
	r := v.Request()
	run := run{source: s, query: query, rawID: rawID, receivedAt: event.NewTime(r.ReceivedAt, 3), body: r.Body, memory: m}
	m.ids.Grow(2 * idBytes * len(results))
	out := Output{Events: slices.Grow(m.events, len(results))}
	for i := range results {
		if err := ctx.Err(); err != nil {
			return Output{}, fmt.Errorf("normalize: before item %d of %d: %w", i+1, len(results), err)
		}
		run.add(&out, &results[i])
	}
	m.events = out.Events
	return out, nil
}

// parse calls the parser; a panic becomes the dead letter of the whole body.
func parse(p provider.Parser, m *provider.Memory, v webhook.Verified) (results []provider.Result, broken *DeadLetter) {
	defer func() {
		if cause := recover(); cause != nil {
			broken = &DeadLetter{
				Reason: ReasonParserPanic, Stage: StageNormalize, Detail: panicText(cause),
				Index: -1, Item: v.Request().Body, Stack: debug.Stack(),
			}
		}
	}()
	if own, ok := p.(provider.Recycling); ok {
		return own.ParseIn(m, v), nil
	}
	return p.Parse(v), nil
}

// panicText names a panic without text of the payload, which a value of another
// kind than the runtime's own errors may hold.
func panicText(cause any) string {
	err, ok := cause.(error)
	var own runtime.Error
	if ok && errors.As(err, &own) {
		return own.Error()
	}
	return fmt.Sprintf("panic with a %T", cause)
}

// run is what the items of one request share.
type run struct {
	source     *Source
	query      []parameter
	rawID      string
	receivedAt event.Time
	body       []byte
	memory     *Memory
}

// add completes one result and files it as an event or a dead letter.
func (n *run) add(out *Output, r *provider.Result) {
	out.DuplicateNames += r.DuplicateNames
	if m := r.Malformed; m != nil {
		out.DeadLetters = append(out.DeadLetters, n.deadLetter(r, string(m.Reason), StageParse, m.Detail))
		return
	}
	if r.NativeID == "" {
		out.DeadLetters = append(out.DeadLetters, n.deadLetter(r, ReasonInvalidEvent, StageNormalize, "the parser gave the event no native id"))
		return
	}
	item := out.next()
	item.Event, item.Index, item.Body, item.query, item.compact = r.Event, r.Index, n.bytes(r), n.query, r.Compact
	item.addressed = n.complete(&item.Event, r.NativeID)
	if r.Derived {
		item.derived = r.NativeID
	}
	if err := validate(&item.Event); err != nil {
		out.DeadLetters = append(out.DeadLetters, n.deadLetter(r, ReasonInvalidEvent, StageValidate, err.Error()))
		*item = Item{}
		out.Events = out.Events[:len(out.Events)-1]
	}
}

// next adds an item, which is zero; events are copied into it and nowhere else on
// their way.
func (o *Output) next() *Item {
	o.Events = slices.Grow(o.Events, 1)[:len(o.Events)+1]
	return &o.Events[len(o.Events)-1]
}

// bytes are those of a result's item.
func (n *run) bytes(r *provider.Result) []byte {
	if r.Index < 0 && r.Item == nil {
		return n.body
	}
	return r.Item
}

func (n *run) deadLetter(r *provider.Result, reason, stage, detail string) DeadLetter {
	item := Item{Index: r.Index, Body: n.bytes(r), query: n.query}
	return item.DeadLetter(reason, stage, detail)
}

// complete fills in what the parser does not know. It reports whether the query
// named the recipient.
func (n *run) complete(e *event.Event, nativeID string) (addressed bool) {
	s := n.source
	e.Schema = event.Schema
	e.ID = n.memory.id(eventID(s.Provider, s.ID, nativeID, e.ProviderType))
	e.Provider, e.Source = s.Provider, s.Name
	e.ReceivedAt, e.RawID = n.receivedAt, n.rawID
	if e.Family == "" {
		e.Family = e.Type.Family()
	}
	addressed = addQuery(e, n.query)
	tidy(e)
	protectRecipient(e, s, addressed)
	return addressed
}

// EventID returns the id of an event: the first 128 bits of the SHA-256 over
// provider, source id, native id and the provider's type, separated by NUL, as
// 32 lower-case hex digits. It is the same on every delivery and replay of the
// event, and different for different sources.
//
// If a part itself holds a NUL, the lengths in bytes of the first three follow,
// in decimal and each after a NUL: the places of the separators are then known,
// and since there are more than three NULs, no text without is the same.
func EventID(providerID, sourceID, nativeID, providerType string) string {
	sum := eventID(providerID, sourceID, nativeID, providerType)
	return hex.EncodeToString(sum[:idBytes])
}

// idBytes is how much of the hash is an id.
const idBytes = 16

func eventID(providerID, sourceID, nativeID, providerType string) [sha256.Size]byte {
	buf := make([]byte, 0, 256)
	buf = append(append(buf, providerID...), 0)
	buf = append(append(buf, sourceID...), 0)
	buf = append(append(buf, nativeID...), 0)
	buf = append(buf, providerType...)
	if bytes.Count(buf, []byte{0}) > 3 {
		for _, part := range [...]string{providerID, sourceID, nativeID} {
			buf = strconv.AppendInt(append(buf, 0), int64(len(part)), 10)
		}
	}
	return sha256.Sum256(buf)
}
