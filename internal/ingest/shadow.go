package ingest

import "github.com/postrider/postrider/pkg/webhook"

// Shadow is shown every request of a source that was proven or refused, to judge it
// otherwise for comparison. Whatever it does changes nothing here.
type Shadow interface {
	// Show must return at once. It may keep the request's memory; err is why the
	// request is refused, nil where it is proven.
	Show(req webhook.Request, proven webhook.Verified, err error)
}

// show shows a request to the source's shadow. A shadow that fails is none of the
// provider's business.
func (s *Source) show(req webhook.Request, proven webhook.Verified, err error) {
	if s.Shadow == nil {
		return
	}
	defer func() { _ = recover() }()
	s.Shadow.Show(req, proven, err)
}
