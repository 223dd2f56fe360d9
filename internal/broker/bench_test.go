package broker

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// BenchmarkPublish publishes pairs like a webhook's: the raw bytes and the typed
// event, on two topics of three partitions. One iteration is one pair
// acknowledged. With POSTRIDER_TEST_BROKERS it runs against those brokers.
func BenchmarkPublish(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) { benchPublish(b, callers) })
	}
}

func benchPublish(b *testing.B, callers int) {
	b.Helper()
	r := benchRig(b)
	raw, typed := r.newTopic(3), r.newTopic(3)
	if err := r.Warm(context.Background(), raw, typed); err != nil {
		b.Fatal(err)
	}
	body, event := bytes.Repeat([]byte("r"), 500), bytes.Repeat([]byte("t"), 700)
	headers := []Header{{Key: "ce_id", Value: []byte("0123456789abcdef")}, {Key: "ce_type", Value: []byte("delivered")}, {Key: "ce_source", Value: []byte("/sources/test")}}
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				key := fmt.Appendf(nil, "message-%d", n)
				recs := [2]Record{
					{Topic: raw, Key: key, Value: body, Headers: headers, Time: time.UnixMilli(n)},
					{Topic: typed, Key: key, Value: event, Headers: headers, Time: time.UnixMilli(n)},
				}
				if err := r.Publish(context.Background(), recs[:]); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
}

func benchRig(b *testing.B) *rig {
	b.Helper()
	if os.Getenv("POSTRIDER_TEST_BROKERS") != "" {
		return realRig(b, PublisherOptions{})
	}
	return newRig(b, PublisherOptions{}, kfake.BlackholeProduce())
}

// BenchmarkEncode encodes one group of 100 records, checksum included.
func BenchmarkEncode(b *testing.B) {
	rec := Record{Key: []byte("message-1234"), Value: bytes.Repeat([]byte("t"), 700), Time: time.UnixMilli(1), Headers: []Header{{Key: "ce_id", Value: []byte("0123456789abcdef")}}}
	batch := new(batches).get()
	b.ReportAllocs()
	for b.Loop() {
		batch.reset()
		for range 100 {
			batch.add(&rec, rec.Time)
		}
		batch.seal(identity{producer: 1}, 0)
	}
	b.SetBytes(int64(len(batch.buf)))
}
