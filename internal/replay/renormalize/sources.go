package renormalize

import (
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/internal/replay/stored"
)

// source is a configured source in the two ways in which repeats were treated when
// a request came, whatever the configuration says today.
type source struct{ drop, mark *ingest.Source }

// sources finds the source of a stored request. Not changed after newSources.
type sources struct {
	byName map[string]*source
	byID   map[string]*source // of those that are called otherwise now
}

func newSources(list []*ingest.Source) *sources {
	s := &sources{byName: make(map[string]*source, len(list)), byID: make(map[string]*source)}
	counted := metrics.New("") // nobody asks it
	for _, src := range list {
		m := counted.Source(src.Name, src.Normalize.Provider)
		as := func(mode dedupe.Mode) *ingest.Source {
			c := *src
			c.Metrics, c.Durability, c.Dedupe, c.DedupeWindow = m, broker.BrokerOnly, mode, 0
			return &c
		}
		both := &source{drop: as(dedupe.Drop), mark: as(dedupe.Mark)}
		s.byName[src.Name] = both
		if src.Normalize.ID != src.Name {
			s.byID[src.Normalize.ID] = both
		}
	}
	return s
}

// of returns the source that a request came to: the one of that name, or the one
// that was renamed and kept the name as its id. The error is an
// *UnknownSourceError.
func (s *sources) of(r *stored.Request) (*source, error) {
	found := s.byName[r.Source]
	if found != nil && found.provider() == r.Provider {
		return found, nil
	}
	if renamed := s.byID[r.Source]; renamed != nil && renamed.provider() == r.Provider {
		return renamed, nil
	}
	unknown := &UnknownSourceError{Source: r.Source, Provider: r.Provider}
	if found != nil {
		unknown.Now = found.provider()
	}
	return nil, unknown
}

func (s *source) provider() string { return s.drop.Normalize.Provider }
