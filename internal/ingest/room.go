package ingest

import (
	"bytes"
	"context"
)

// Costs of a batch in memory: what a byte becomes (a body of many small members
// is the dearest), what an item becomes beyond its own bytes, and the most items
// a body is read for. Batches below smallBatch never wait.
const (
	byteCost   = 8
	itemCost   = 2 << 10
	mostItems  = 10_000
	smallBatch = 64 << 10
)

// batchCost is an upper bound, in bytes, of what a body becomes: small items
// grow many times over. Commas bound the items of an array without reading it.
func batchCost(body []byte) int64 {
	items := 1
	if first := bytes.TrimLeft(body, "\xef\xbb\xbf \t\r\n"); len(first) > 0 && first[0] == '[' {
		items = min(bytes.Count(body, []byte{','})+1, mostItems)
	}
	return int64(byteCost*len(body) + items*itemCost)
}

// makeRoom waits until a large batch's memory is free, at most until the
// deadline: a few large batches at a time, however many arrive, and single
// events past all of them. done gives the memory back.
func (s *Server) makeRoom(ctx context.Context, body []byte) (done func(), err error) {
	cost := min(batchCost(body), s.opt.Limits.MaxBufferedBytes)
	if cost <= smallBatch {
		return func() {}, nil
	}
	if err := s.large.Acquire(ctx, cost); err != nil {
		return nil, errOverload
	}
	return func() { s.large.Release(cost) }, nil
}
