package ingest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
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
// records, without HTTP and Kafka: verify, parse, normalize, validate, encode,
// count.
func BenchmarkAccept(b *testing.B) {
	m := metrics.New("bench")
	t := &testing.T{}
	src := newSource(t, m, "jet", "jetemail")
	topics := ingest.Topics{Typed: map[event.Route]string{{Direction: event.Outbound, Type: event.Delivered}: "d"}, Raw: "raw", Deadletter: "dead"}
	p := ingest.NewPipeline(ingest.PipelineOptions{
		Publisher: discard{}, Topics: topics, Key: "message", Outcomes: &outcomes{}, Log: zap.NewNop(), Now: time.Now,
	})
	body := []byte(jetEvent("evt_abc123"))
	req := webhook.Request{
		Method: http.MethodPost, Body: body, ReceivedAt: time.Now(),
		Header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"JetEmail"}, "Content-Length": {"250"}},
	}
	cfg := configs()["jet"]
	if err := webhook.Sign(cfg, cfg.Secrets[0], &req, time.Now()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		v, err := webhook.Verify(src.Verifier, req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Accept(b.Context(), src, v, "01890a5d-ac96-774b-bcce-b302099a8057"); err != nil {
			b.Fatal(err)
		}
	}
}
