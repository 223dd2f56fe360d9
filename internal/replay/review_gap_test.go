//go:build unix

package replay_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// Offsets that are asked for and expired are told, whether or not there is a begin in
// time too; those that were there before it are none of the question.
func TestExpiredOffsetsOfAWindowOfTimeAreTold(t *testing.T) {
	onBrokers(t, func(r *rig) {
		topic := r.topic("a", 1, nil)
		recs := numbered(topic, 100)
		r.publish(recs)
		r.deleteBefore(topic, 0, 40)
		for name, tt := range map[string]struct {
			from time.Time
			span selection.Span
			want []replay.Gap
		}{
			"no time":     {time.Time{}, selection.Span{From: 10, To: 60}, []replay.Gap{{Topic: topic, From: 10, To: 40, Reason: replay.GapExpired}}},
			"lost":        {recs[20].Time, selection.Span{From: 10, To: 60}, []replay.Gap{{Topic: topic, From: 10, To: 40, Reason: replay.GapExpired}}},
			"all of it":   {recs[20].Time, selection.Span{From: 10, To: 30}, []replay.Gap{{Topic: topic, From: 10, To: 30, Reason: replay.GapExpired}}},
			"not lost":    {recs[50].Time, selection.Span{From: 10, To: 60}, nil},
			"not asked":   {recs[20].Time, selection.Span{From: 45, To: 60}, nil},
			"another one": {recs[20].Time, selection.Span{Topic: topic, From: 40}, nil},
		} {
			plan := r.plan(replay.Request{
				Select: selection.Selection{Topics: []string{topic}, From: tt.from, Offsets: []selection.Span{tt.span}},
				To:     replay.Target{Kind: replay.ToFile, File: "unused"},
			})
			if d := cmp.Diff(tt.want, plan.Gaps); d != "" {
				t.Errorf("%s: gaps (-want +got):\n%s", name, d)
			}
		}
	})
}
