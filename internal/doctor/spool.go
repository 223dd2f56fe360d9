package doctor

import (
	"context"

	"github.com/postrider/postrider/internal/app"
)

// spool examines the folder in which accepted events wait while Kafka is away.
func (e *examination) spool(context.Context) {
	if !app.UsesSpool(e.Config) {
		e.found("spool", Note, "", "no source uses it: while Kafka is away webhooks are answered that they should come again, which not every provider does")
		return
	}
	s := e.Config.Spool
	there, missing := existing(s.Dir)
	if err := writable(there); err != nil {
		e.found("spool", Fail, "give this user the right to write there, or set spool.dir", "%s cannot be written to: %s", there, trimmed(err))
		return
	}
	what := s.Dir
	if missing {
		what += " (made at the first start)"
	}
	v, ok := volumeOf(there)
	switch {
	case !ok:
		e.found("spool", Note, "", "%s can be written to; this system does not tell how much is free", what)
	case v.free < uint64(max(s.MinFree, 0)):
		e.found("spool", Fail, "free some, or lower spool.min_free", "%s takes nothing: %d MiB are free, and spool.min_free keeps %d MiB for others", what, v.free>>20, s.MinFree>>20)
	case v.free < uint64(max(s.MinFree, 0)+s.MaxBytes): //nolint:gosec // both are positive
		e.found("spool", Warn, "free some, or lower spool.max_bytes", "%s can hold %d MiB, less than spool.max_bytes", what, (v.free-uint64(max(s.MinFree, 0)))>>20)
	default:
		e.found("spool", OK, "", "%s can be written to and has room for spool.max_bytes (%d MiB)", what, s.MaxBytes>>20)
	}
	if v.kind != "" {
		e.found("spool", Warn, "put a persistent volume there, or set spool.dir",
			"%s lies on %s: what was accepted while Kafka was away does not outlive the container or the machine", s.Dir, v.kind)
	}
}
