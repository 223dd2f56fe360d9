package ingest_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// discard is a publisher that acknowledges at once.
type discard struct{}

func (discard) Deliver(context.Context, []broker.Record, broker.Durability) ([]bool, error) {
	return nil, nil
}
func (discard) MaxRecordBytes(string) int { return 0 }

// BenchmarkAccept measures a signed JetEmail event from the complete body to its
// records, without HTTP and Kafka: verify, parse, normalize, validate, look for
// repeats, encode, count. Each event is new.
func BenchmarkAccept(b *testing.B) {
	b.Run("dedupe=drop", func(b *testing.B) { benchmarkAccept(b, dedupe.Drop) })
	b.Run("dedupe=off", func(b *testing.B) { benchmarkAccept(b, dedupe.Off) })
}

func benchmarkAccept(b *testing.B, mode dedupe.Mode) {
	b.Helper()
	m := metrics.New("bench")
	src := newSource(&testing.T{}, m, "jet", "jetemail")
	src.Dedupe = mode
	topics := ingest.Topics{Typed: map[event.Route]string{{Direction: event.Outbound, Type: event.Delivered}: "d"}, Raw: "raw", Deadletter: "dead"}
	p := ingest.NewPipeline(ingest.PipelineOptions{
		Publisher: discard{}, Topics: topics, Key: "message", Outcomes: &outcomes{}, Log: zap.NewNop(), Now: time.Now,
		Window: dedupe.New(dedupe.Options{Window: 72 * time.Hour, MaxIDs: 2_000_000, Now: time.Now}),
	})
	const many = 1 << 12 // requests that are signed beforehand; their ids are made new
	reqs := make([]webhook.Request, many)
	cfg := configs()["jet"]
	for i := range reqs {
		reqs[i] = webhook.Request{
			Method: http.MethodPost, Body: []byte(jetEvent("evt_" + strconv.Itoa(1e6+i))), ReceivedAt: time.Now(),
			Header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"JetEmail"}, "Content-Length": {"250"}},
		}
		if err := webhook.Sign(cfg, cfg.Secrets[0], &reqs[i], time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(reqs[0].Body)))
	for i := 0; b.Loop(); i++ {
		if i%many == 0 { // the ids are new again: another source
			src.Normalize.ID = strconv.Itoa(i)
		}
		v, err := webhook.Verify(src.Verifier, reqs[i%many])
		if err != nil {
			b.Fatal(err)
		}
		if r, err := p.Accept(b.Context(), src, v, "01890a5d-ac96-774b-bcce-b302099a8057"); err != nil || r != ingest.ResultPublished {
			b.Fatal(r, err)
		}
	}
}
