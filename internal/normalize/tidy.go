package normalize

import (
	"maps"
	"slices"

	"github.com/postrider/postrider/pkg/event"
)

// tidy makes absent what is empty, as the schema asks, so that a parser need
// not look twice at what a provider sends as "". Lists that must change are copied:
// a parser may share them between items. Metadata is tidied by validate.
func tidy(e *event.Event) {
	e.Tags, e.Recipients = withoutEmpty(e.Tags), withoutEmpty(e.Recipients)
	if e.SMTP != nil && *e.SMTP == (event.SMTP{}) {
		e.SMTP = nil
	}
	if e.Complaint != nil && *e.Complaint == (event.Complaint{}) {
		e.Complaint = nil
	}
	if e.Engagement != nil && *e.Engagement == (event.Engagement{}) {
		e.Engagement = nil
	}
}

// validate reports every rule that an event breaks, after its metadata were tidied.
// Hardly any need that, and those that do break a rule: the values are gone through
// once where all are well.
func validate(e *event.Event) error {
	err := e.Validate()
	if err == nil {
		return nil
	}
	if tidied := withoutEmptyValues(e.Metadata); len(tidied) < len(e.Metadata) {
		e.Metadata = tidied
		err = e.Validate()
	}
	return err //nolint:wrapcheck // it is the event's own list
}

func withoutEmpty(list []string) []string {
	if !slices.Contains(list, "") {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
}

// withoutEmptyValues returns a copy without what is empty; m itself if nothing is.
func withoutEmptyValues(m map[string]string) map[string]string {
	for _, v := range m {
		if v == "" {
			m = maps.Clone(m)
			maps.DeleteFunc(m, func(_, v string) bool { return v == "" })
			return m
		}
	}
	return m
}
