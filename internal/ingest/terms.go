package ingest

import (
	"context"
	"sync/atomic"
	"time"
)

// sharing is the part of their time in which requests share a context.
const sharing = 100

// terms gives requests their time: contexts that end a while after they were asked for,
// or up to a hundredth of it before that, never later. Requests that come within this
// hundredth have one context between them: one of its own, with its timer, costs a
// request more than its proof. Safe for concurrent use.
type terms struct {
	length  time.Duration
	current atomic.Pointer[term] // nil: the next request begins one
}

// term is the time of the requests of a moment.
type term struct {
	ctx context.Context //nolint:containedctx // it is what is handed out
}

// begin returns a context that ends with the time of a request that begins now.
func (t *terms) begin() context.Context {
	if shared := t.current.Load(); shared != nil {
		return shared.ctx
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.length)
	context.AfterFunc(ctx, cancel)
	own := &term{ctx: ctx}
	if t.current.CompareAndSwap(nil, own) {
		time.AfterFunc(t.length/sharing, func() { t.current.Store(nil) })
	}
	return ctx
}
