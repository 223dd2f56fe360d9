package broker

import (
	"context"
	"iter"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// transport is kafka-go's connections to the cluster, with metadata of no more topics
// than its requests have named. By itself kafka-go v0.4.51 keeps that of every topic of
// the cluster and asks for all of it twice a second: 3,000 partitions of others cost 15 MiB and
// 1.5 % of a processor, and in a cluster that needs longer than metadataTTL to tell of all,
// it would never know any.
//
// A topic is known from the first request on that names it. The view begins anew then, with
// new connections, so that those that are sure to be named are better known from the start.
// Safe for concurrent use.
type transport struct {
	build func() *kafka.Transport
	mu    sync.Mutex // held to replace the view
	view  atomic.Pointer[view]
}

// view is a transport for certain topics.
type view struct {
	*kafka.Transport
	topics map[string]bool // not changed any more
}

// newTransport makes one that knows topics already. build makes kafka-go's.
func newTransport(build func() *kafka.Transport, topics []string) *transport {
	t := &transport{build: build}
	t.view.Store(t.newView(nil, slices.Values(topics)))
	return t
}

// newView makes a view of the topics of another and more.
func (t *transport) newView(topics map[string]bool, more iter.Seq[string]) *view {
	v := &view{Transport: t.build(), topics: map[string]bool{}}
	maps.Copy(v.topics, topics)
	for name := range more {
		v.topics[name] = true
	}
	v.MetadataTopics = slices.AppendSeq(make([]string, 0, len(v.topics)), maps.Keys(v.topics)) // nil would be all
	return v
}

// RoundTrip implements [kafka.RoundTripper].
func (t *transport) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	if m, ok := req.(*metadata.Request); ok && m.TopicNames == nil {
		return t.survey(ctx, addr, req)
	}
	return t.through(ctx, t.know(topicsOf(req)), addr, req)
}

// through makes a request by a view, which may be replaced at any moment: then nobody else
// closes what the request opens.
func (t *transport) through(ctx context.Context, v *view, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	res, err := v.RoundTrip(ctx, addr, req)
	if t.view.Load() != v {
		v.CloseIdleConnections()
	}
	return res, err //nolint:wrapcheck // the callers explain kafka-go's errors
}

// survey makes a request about all topics of the cluster, of which nothing is kept.
func (t *transport) survey(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	all := t.build()
	all.MetadataTTL = surveyTimeout
	defer all.CloseIdleConnections()
	return all.RoundTrip(ctx, addr, req) //nolint:wrapcheck // as above
}

// know returns the view that has these topics.
func (t *transport) know(names iter.Seq[string]) *view {
	v := t.view.Load()
	for name := range names {
		if !v.topics[name] {
			return t.widen(names)
		}
	}
	return v
}

// widen takes topics in.
func (t *transport) widen(names iter.Seq[string]) *view {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.view.Load()
	v := t.newView(old.topics, names)
	if len(v.topics) == len(old.topics) {
		return old // somebody else was faster
	}
	t.view.Store(v)
	old.CloseIdleConnections()
	return v
}

// CloseIdleConnections is kafka-go's.
func (t *transport) CloseIdleConnections() { t.view.Load().CloseIdleConnections() }

// topicsOf lists the topics whose partitions or existence a request is about.
func topicsOf(req kafka.Request) iter.Seq[string] {
	switch r := req.(type) {
	case *rawproduce.Request:
		return named(r.Topics, func(t *rawproduce.RequestTopic) string { return t.Topic })
	case *exchange:
		return topicsOf(&r.Request)
	case *fetch.Request:
		return named(r.Topics, func(t *fetch.RequestTopic) string { return t.Topic })
	case *listoffsets.Request:
		return named(r.Topics, func(t *listoffsets.RequestTopic) string { return t.Topic })
	case *createtopics.Request:
		return named(r.Topics, func(t *createtopics.RequestTopic) string { return t.Name })
	case *metadata.Request:
		return slices.Values(r.TopicNames)
	}
	return func(func(string) bool) {}
}

// named lists the names of parts of a request.
func named[T any](parts []T, name func(*T) string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range parts {
			if !yield(name(&parts[i])) {
				return
			}
		}
	}
}
