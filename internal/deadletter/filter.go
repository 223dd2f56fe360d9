package deadletter

import (
	"slices"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// Filter says which letters are meant: those that fit every field that is set. It
// asks the records' places, times and headers only.
type Filter struct {
	Reasons, Stages, Providers, Sources []string

	Mappers []int // versions of the mapping that gave up

	// From and To are when the requests came: at or after From, before To.
	From, To time.Time
	// Places are these letters alone. The other fields do not count then.
	Places []broker.Position
}

// All reports whether every letter is meant.
func (f *Filter) All() bool {
	return len(f.Reasons) == 0 && len(f.Stages) == 0 && len(f.Providers) == 0 && len(f.Sources) == 0 && len(f.Mappers) == 0 &&
		f.From.IsZero() && f.To.IsZero() && len(f.Places) == 0
}

// takes reports whether a letter is meant, places aside.
func (f *Filter) takes(l *Letter) bool {
	return fits(f.Reasons, l.Reason) && fits(f.Stages, l.Stage) && fits(f.Providers, l.Provider) && fits(f.Sources, l.Source) &&
		fits(f.Mappers, l.Mapper) && !l.Time.Before(f.From) && (f.To.IsZero() || l.Time.Before(f.To))
}

// fits reports whether a list has v, or is empty.
func fits[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }
