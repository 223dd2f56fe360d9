package app_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool"
)

// TestAStopNamesWhatIsStillToBeTakenIn: a record put back in line just before the
// end is left in the spool, whether it was taken in by then or not.
func TestAStopNamesWhatIsStillToBeTakenIn(t *testing.T) {
	cfg := settings(t, "POSTRIDER_SPOOL_DRAIN_TIMEOUT=200ms POSTRIDER_KAFKA_BROKERS="+freeAddress(t))
	s, err := spool.Open(spool.Options{Dir: cfg.Spool.Dir, Now: time.Now, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	refs, err := s.Append(t.Context(), []broker.Record{{Topic: "email.delivered", Value: []byte("{}"), Time: time.Now()}})
	if err != nil {
		t.Fatal(err)
	}
	s.Settle(refs, errors.New("refused"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := run(t, cfg)
	if n, err := spool.Requeue(cfg.Spool.Dir, refs[0].Seq); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	r.stop()
	if log := r.log.String(); !strings.Contains(log, `"reason_code":"spool_left","records":1`) {
		t.Errorf("the log does not name the record:\n%s", log)
	}
}
