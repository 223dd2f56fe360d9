package broker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A log that is damaged, or of which a broker gives nothing, ends a scan, which
// would ask for ever.
func TestScanEndsAtDamage(t *testing.T) {
	t.Parallel()
	batch := kmsg.RecordBatch{Length: 49, Magic: 2, CRC: 7, PartitionLeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1}
	for name, tt := range map[string]struct {
		records []byte
		want    string
	}{
		"a wrong checksum": {batch.AppendTo(nil), "decode " + testTopic + "[0] at offset 0"},
		"nothing":          {nil, "there is nothing at offset 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, PublisherOptions{})
			r.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
				r.cluster.KeepControl()
				res := req.ResponseKind().(*kmsg.FetchResponse) //nolint:errcheck // it is that of a fetch
				topic, part := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
				topic.Topic, part.HighWatermark, part.RecordBatches = testTopic, 5, tt.records
				topic.Partitions = append(topic.Partitions, part)
				res.Topics = append(res.Topics, topic)
				return res, nil, true
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var got scanned
			err := r.client.Scan(ctx, testTopic, 0, 0, 5, ScanOptions{}, got.take)
			if errors.Is(err, context.DeadlineExceeded) || err == nil || !strings.Contains(err.Error(), tt.want) || got.values != nil || got.gaps != nil {
				t.Errorf("Scan = %+v, %v, want an error: %s", got, err, tt.want)
			}
		})
	}
}
