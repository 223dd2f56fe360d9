package normalize

import (
	"maps"
	"slices"

	"github.com/postrider/postrider/pkg/event"
)

// tidy makes absent what is empty, as the schema asks, so that a parser need
// not look twice at what a provider sends as "". Maps and lists that must
// change are copied: a parser may share them between items.
func tidy(e *event.Event) {
	e.Tags, e.Recipients = withoutEmpty(e.Tags), withoutEmpty(e.Recipients)
	e.Metadata = withoutEmptyValues(e.Metadata)
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

func withoutEmpty(list []string) []string {
	if !slices.Contains(list, "") {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
}

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
