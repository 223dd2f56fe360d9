package config

import (
	"path/filepath"
	"strings"
	"time"
)

// Bounds of what keeps events safe.
const (
	leastSegment = mebibyte
	mostSegment  = gibibyte // places inside a segment are told in 32 bits
	segmentsHeld = 2        // one that is written and one that is drained
)

// safety checks the spool, the window of repeats and the quarantine.
func (v *validator) safety() {
	v.spool(&v.cfg.Spool)
	v.dedupe(&v.cfg.Dedupe)
	v.quarantine(&v.cfg.Quarantine)
	v.folders()
}

func (v *validator) spool(s *Spool) {
	if s.Dir == "" {
		v.bad("spool.dir", "the folder is missing", "")
	}
	v.atLeast("spool.segment_bytes", s.SegmentBytes, leastSegment, "1MiB")
	if s.SegmentBytes > mostSegment {
		v.bad("spool.segment_bytes", "must be at most 1GiB", "")
	}
	if least := segmentsHeld * s.SegmentBytes; s.MaxBytes < least && s.SegmentBytes <= mostSegment {
		v.bad("spool.max_bytes", "is less than two segments", "raise it to at least "+formatSize(least)+", or lower spool.segment_bytes")
	}
	v.positive("spool.drain_timeout", s.DrainTimeout)
}

func (v *validator) dedupe(d *Dedupe) {
	v.positive("dedupe.window", d.Window)
	v.atLeast("dedupe.max_ids", int64(d.MaxIDs), 1, "1")
}

// dedupeWindow checks a source's own window: what the set has forgotten no source
// can recognise.
func (v *validator) dedupeWindow(path string, d time.Duration) {
	switch whole := v.cfg.Dedupe.Window; {
	case d < 0:
		v.bad(path, "must not be negative", "0 takes dedupe.window")
	case d > whole && whole > 0:
		v.bad(path, "is longer than dedupe.window", "raise dedupe.window to "+formatDuration(d)+", or leave this out")
	}
}

func (v *validator) quarantine(q *Quarantine) {
	if q.Dir == "" {
		v.bad("quarantine.dir", "the folder is missing", "")
	}
	v.atLeast("quarantine.max_bytes", q.MaxBytes, mebibyte, "1MiB")
	v.positive("quarantine.keep", q.Keep)
}

// folders checks that nothing writes into a folder of something else.
func (v *validator) folders() {
	type folder struct{ path, dir string }
	list := []folder{{"spool.dir", v.cfg.Spool.Dir}, {"quarantine.dir", v.cfg.Quarantine.Dir}}
	if v.cfg.EmbeddedBroker() {
		list = append([]folder{{"kafka.embedded.dir", v.cfg.Kafka.Embedded.Dir}}, list...)
	}
	for i, b := range list {
		for _, a := range list[:i] {
			if a.dir != "" && b.dir != "" && (inside(a.dir, b.dir) || inside(b.dir, a.dir)) {
				v.bad(b.path, "shares its folder with "+a.path, "give each a folder of its own")
			}
		}
	}
}

// inside reports whether a path is the folder or below it.
func inside(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
