package doctor

import (
	"testing"
	"time"
)

// TestClockState: a kernel that does not know is worth a warning, except where it
// is not the kernel's business.
func TestClockState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		synced, known, contained bool
		want                     Status
	}{
		{true, true, false, OK},
		{true, true, true, OK},
		{false, true, false, Warn},
		{false, true, true, Note},
		{false, false, false, Note},
	} {
		var got []Check
		e := &examination{
			Options: Options{Now: func() time.Time { return time.Unix(0, 0) }},
			report:  func(found Check) { got = append(got, found) },
		}
		e.clockState(c.synced, c.known, c.contained)
		if len(got) != 1 || got[0].Status != c.want || got[0].Area != "clock" {
			t.Errorf("%+v: got %+v", c, got)
		}
	}
}
