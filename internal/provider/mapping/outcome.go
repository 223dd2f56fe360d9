package mapping

import (
	"fmt"
	"strings"

	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// outcome is what a word of the provider means.
type outcome struct {
	typ       event.Type
	direction event.Direction // "" where it is not said
	class     event.BounceClass
	category  event.BounceCategory
	reason    event.DropReason
	assumed   string // enhanced status code
	retry     *bool
	test      bool
	skip      bool // nothing to publish
}

// parseOutcome reads words in any order: a type (first, where typed says that there
// has to be one), a direction, and what qualifies a bounce or a drop. What is wrong is
// said for people, without a full stop; "" for nothing.
func parseOutcome(text string, typed bool) (o outcome, wrong string) {
	words := strings.Fields(text)
	if typed {
		rest, complaint := o.takeType(words)
		if complaint != "" || o.skip {
			return o, complaint
		}
		words = rest
	}
	for _, w := range words {
		if !o.qualify(w) {
			return o, fmt.Sprintf("%q is no bounce class or category, no drop reason, and none of retry, final, test and a code such as 5.1.1", w)
		}
	}
	return o, o.misfits(typed)
}

// takeType reads the type and the direction around it.
func (o *outcome) takeType(words []string) (rest []string, wrong string) {
	for _, w := range words {
		switch {
		case event.Direction(w).Valid() && o.direction == "":
			o.direction = event.Direction(w)
		case w == "skip" && len(words) == 1:
			o.skip = true
		case event.Type(w).Valid() && o.typ == "":
			o.typ = event.Type(w)
		default:
			rest = append(rest, w)
		}
	}
	if o.typ == "" && !o.skip {
		return nil, "names no type: one of " + typeList() + ", or skip"
	}
	return rest, ""
}

// qualify reads one word more.
func (o *outcome) qualify(w string) bool {
	known := true
	category, reason := event.BounceCategory(w), event.DropReason(w)
	switch {
	case event.BounceClass(w).Valid() && o.class == "":
		o.class = event.BounceClass(w)
	case smtpcode.Enhanced(w):
		o.assumed = w
	case w == "retry", w == "final":
		o.retry = new(w == "retry")
	case w == "test":
		o.test = true
	default:
		known = category.Valid() || reason.Valid()
		if category.Valid() {
			o.category = category
		}
		if reason.Valid() {
			o.reason = reason
		}
	}
	return known
}

// misfits says what of an outcome with a type has no place on events of that type.
func (o *outcome) misfits(typed bool) string {
	if !typed {
		return ""
	}
	if o.direction != "" && !o.typ.Allowed(o.direction) {
		return fmt.Sprintf("%s does not exist for %s messages", o.typ, o.direction)
	}
	return o.elsewhere()
}

// elsewhere says what of an outcome belongs to another type. Some words are a category
// and a reason: they go with either.
func (o *outcome) elsewhere() string {
	both := o.category != "" && o.reason != ""
	switch {
	case o.typ != event.Bounced && (o.bounces() || o.category != "" && !both):
		return "a bounce class, category or code belongs to bounced"
	case o.typ != event.Dropped && o.reason != "" && (o.typ != event.Bounced || !both):
		return "a drop reason belongs to dropped"
	}
	return ""
}

// bounces reports whether anything is said that only bounces have.
func (o *outcome) bounces() bool { return o.class != "" || o.assumed != "" || o.retry != nil }

func typeList() string {
	var names []string
	for _, t := range event.Types() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}
