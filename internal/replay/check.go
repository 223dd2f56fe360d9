package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/selection"
)

// Defaults and bounds of a Request.
const (
	defaultHops         = 3
	defaultInFlight     = 20_000
	defaultHTTPInFlight = 64
	mostInFlight        = 1_000_000
	mostHops            = 100
)

// complete fills in what a Request leaves to us.
func (e *Engine) complete(req *Request) {
	if req.MaxHops == 0 {
		req.MaxHops = defaultHops
	}
	if req.Pace.MaxInFlight == 0 {
		req.Pace.MaxInFlight = defaultInFlight
		if req.To.Kind == ToHTTP {
			req.Pace.MaxInFlight = defaultHTTPInFlight
		}
	}
	s := &req.Select
	switch {
	case len(s.Topics) > 0 || req.FromFile != "":
	case req.To.Kind == ToRenormalize:
		s.Topics = []string{e.opt.Raw}
	default:
		s.Topics = slices.Clone(e.opt.Typed)
	}
	if e.opt.Hash == nil {
		return
	}
	// Where topics hold no addresses, nothing else of ours does.
	for _, address := range s.Recipients {
		s.RecipientHashes = append(s.RecipientHashes, e.opt.Hash(address))
	}
	s.Recipients = nil
}

// check tells everything that is wrong with a Request.
func (e *Engine) check(req *Request) error {
	var problems []string
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	if invalid, ok := errors.AsType[*selection.InvalidError](req.Select.Validate()); ok && (req.FromFile == "" || !noCondition(&req.Select)) {
		problems = append(problems, invalid.Problems...)
	}
	bad(req.By == "", "it must say who wants it (by)")
	bad(req.Pace.Rate < 0 || req.Pace.Speed < 0, "rate and speed cannot be negative")
	bad(req.Pace.MaxInFlight < 0 || req.Pace.MaxInFlight > mostInFlight, "max_in_flight must be from 1 to %d", mostInFlight)
	bad(req.MaxHops < 0 || req.MaxHops > mostHops, "max_hops must be from 1 to %d", mostHops)
	bad(req.Exact && req.FromFile == "", "only records from a file can be restored exactly")
	bad(req.Exact && req.To.Kind != ToTopic, "only in topics can records be restored exactly")
	problems = append(problems, e.checkTarget(req)...)
	if len(problems) > 0 {
		return &RequestError{problems}
	}
	return nil
}

// noCondition reports whether a Selection says nothing: an archive is all meant then,
// since it was chosen when it was written.
func noCondition(s *selection.Selection) bool {
	limit := *s
	limit.Limit, limit.Replayed, limit.Topics = 0, false, nil
	all := limit
	all.All = true
	return limit.Validate() != nil && all.Validate() == nil
}

// checkTarget tells what is wrong with where records go.
func (e *Engine) checkTarget(req *Request) []string {
	problem := ""
	switch t := &req.To; t.Kind {
	case ToTopic:
		if e.state(t.Topic) {
			problem = fmt.Sprintf("topic %s holds this software's own state; nothing can be replayed into it", t.Topic)
		}
	case ToHTTP:
		problem = e.checkHTTP(t)
	case ToFile:
		if t.File == "" {
			problem = "a file target needs the file's name"
		}
	case ToStdout:
	case ToRenormalize:
		return e.checkRenormalize(req)
	default:
		kinds := []string{ToTopic, ToHTTP, ToFile, ToStdout, ToRenormalize}
		problem = fmt.Sprintf("there is no target %q; there are %s", t.Kind, strings.Join(kinds, ", "))
	}
	if problem == "" {
		return nil
	}
	return []string{problem}
}

// checkHTTP tells what is wrong with an HTTP target.
func (e *Engine) checkHTTP(t *Target) string {
	_, known := e.opt.HTTP[t.Name]
	switch {
	case t.Name != "" && !known:
		return fmt.Sprintf("there is no target %q in replay.targets", t.Name)
	case t.Name != "":
		return ""
	case t.URL == "":
		return "an HTTP target needs a name of replay.targets or a URL"
	}
	if err := delivery.CheckURL(t.URL, t.Allow); err != nil {
		return "the URL of the HTTP target: " + err.Error()
	}
	return ""
}

// checkRenormalize tells what is wrong with a renormalization.
func (e *Engine) checkRenormalize(req *Request) (problems []string) {
	if e.opt.Renormalizer == nil {
		problems = append(problems, "nothing can be renormalized here")
	}
	for _, pattern := range req.Select.Topics {
		if pattern != e.opt.Raw {
			problems = append(problems, fmt.Sprintf("only raw requests can be renormalized: they are in %s, not in %s", e.opt.Raw, pattern))
		}
	}
	if len(req.Select.Types)+len(req.Select.MessageIDs)+len(req.Select.Recipients)+len(req.Select.RecipientHashes) > 0 {
		problems = append(problems, "a raw request has no type, message id or recipient before it is normalized; select by time, source, provider, offsets or the request's id")
	}
	return problems
}

// state reports whether a topic holds state of this software.
func (e *Engine) state(topic string) bool { return slices.Contains(e.opt.State, topic) }

// SameTopicError says that copies would go to a topic that they are read from.
type SameTopicError struct{ Topics []string }

// Error implements error.
func (e *SameTopicError) Error() string {
	return "replay: copies would go to the topic that they are read from (" + strings.Join(e.Topics, ", ") +
		"): its consumers would see every record twice, marked as a replay; say --allow-same-topic if that is meant"
}

// topics resolves the topics of a request, and refuses copies to where they are from.
func (e *Engine) topics(ctx context.Context, req *Request) ([]broker.TopicReport, error) {
	if req.FromFile != "" {
		return nil, nil // the archive tells; see mayGoBack
	}
	all, err := e.opt.Client.TopicNames(ctx)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	names := slices.DeleteFunc(slices.Clone(all), e.state)
	expanded, err := selection.ExpandTopics(e.readable(req.Select.Topics, all), names)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what was meant
	}
	if same := into(req, expanded); len(same) > 0 && !req.AllowSameTopic {
		return nil, &SameTopicError{same}
	}
	if len(expanded) == 0 {
		return nil, nil // without names it would be all
	}
	reports, err := e.opt.Client.Topics(ctx, expanded...)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return reports, nil
}

// readable leaves out topics of events that do not exist: those that a request names
// only because it named none, on a cluster where nobody made them.
func (e *Engine) readable(patterns, existing []string) []string {
	if !slices.Equal(patterns, e.opt.Typed) {
		return patterns
	}
	return slices.DeleteFunc(slices.Clone(patterns), func(name string) bool {
		return !slices.Contains(existing, name)
	})
}

// into lists the topics that copies go to and are read from.
func into(req *Request, topics []string) []string {
	switch {
	case req.To.Kind != ToTopic:
		return nil
	case req.To.Topic == "":
		return topics
	case slices.Contains(topics, req.To.Topic):
		return []string{req.To.Topic}
	}
	return nil
}

// checkPlan checks a plan before it is executed: it may have been kept, or come from
// somewhere else.
func (e *Engine) checkPlan(ctx context.Context, plan *Plan) error {
	e.complete(&plan.Request)
	if err := e.check(&plan.Request); err != nil {
		return err
	}
	reports, err := e.topics(ctx, &plan.Request)
	if err != nil {
		return err
	}
	problems := checkRanges(plan, reports)
	if len(problems) == 0 {
		if problems, err = e.checkEnds(ctx, plan); err != nil {
			return err
		}
	}
	if len(problems) > 0 {
		return &RequestError{problems}
	}
	return nil
}

// checkEnds holds a plan's ranges against what the topics hold: what is not there yet
// would be waited for.
func (e *Engine) checkEnds(ctx context.Context, plan *Plan) (problems []string, err error) {
	logs, topic := map[int]broker.OffsetRange(nil), ""
	for _, r := range plan.Ranges {
		if plan.Request.FromFile != "" {
			break
		}
		if r.Topic != topic {
			if logs, err = e.opt.Client.Offsets(ctx, r.Topic); err != nil {
				return nil, fmt.Errorf("replay: %w", err)
			}
			topic = r.Topic
		}
		if next := logs[r.Partition].Next; r.To > next {
			problems = append(problems, fmt.Sprintf("the plan reads %s/%d up to offset %d, and it ends at %d: was the topic made anew?", r.Topic, r.Partition, r.To, next))
		}
	}
	return problems, nil
}

// checkRanges holds a plan's ranges against the topics that its request selects.
func checkRanges(plan *Plan, topics []broker.TopicReport) (problems []string) {
	file := plan.Request.FromFile != ""
	if file && len(plan.Ranges) != 1 {
		return []string{"a plan of a file has one range"}
	}
	partitions := make(map[string]int, len(topics))
	for _, t := range topics {
		partitions[t.Name] = t.Partitions
	}
	seen := map[Range]bool{}
	for _, r := range plan.Ranges {
		at := Range{Topic: r.Topic, Partition: r.Partition}
		n, selected := partitions[r.Topic]
		switch {
		case r.From < 0 || r.To < r.From:
			problems = append(problems, fmt.Sprintf("%s/%d: the range from %d to %d is none", r.Topic, r.Partition, r.From, r.To))
		case seen[at]:
			problems = append(problems, fmt.Sprintf("%s/%d is there twice", r.Topic, r.Partition))
		case file:
		case !selected:
			problems = append(problems, fmt.Sprintf("the plan reads topic %s, which its request does not select", r.Topic))
		case r.Partition < 0 || r.Partition >= n:
			problems = append(problems, fmt.Sprintf("topic %s has no partition %d", r.Topic, r.Partition))
		}
		seen[at] = true
	}
	return problems
}

// ensureTarget makes the target's topic if there is none and it may be made, and
// tells the publisher its limit.
func (e *Engine) ensureTarget(ctx context.Context, plan *Plan) error {
	to := &plan.Request.To
	if to.Kind != ToTopic || to.Topic == "" {
		return e.learnLimits(ctx)
	}
	found, err := e.opt.Client.Topics(ctx, to.Topic)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if len(found) > 0 {
		return e.learnLimits(ctx)
	}
	if e.opt.CreateTopic == nil {
		return &RequestError{[]string{fmt.Sprintf("topic %s does not exist; make it first, with as many partitions as the topic that the records are from", to.Topic)}}
	}
	spec, err := e.madeTopic(ctx, plan)
	if err != nil {
		return err
	}
	if _, err := e.opt.Client.EnsureTopics(ctx, []broker.TopicSpec{spec}, true); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	return e.learnLimits(ctx)
}

// learnLimits tells the publisher what each topic takes.
func (e *Engine) learnLimits(ctx context.Context) error {
	reports, err := e.opt.Client.Topics(ctx)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	for _, t := range reports {
		e.opt.Publisher.SetLimit(t.Name, t.MaxMessageBytes)
	}
	return nil
}

// madeTopic describes the topic that a plan's copies go to, should it be missing: with
// as many partitions as the topic with the most that is read, so that records of one
// key lie as they lay. An archive does not say how many there were.
func (e *Engine) madeTopic(ctx context.Context, plan *Plan) (broker.TopicSpec, error) {
	var names []string
	for _, r := range plan.Ranges {
		if plan.Request.FromFile == "" && !slices.Contains(names, r.Topic) {
			names = append(names, r.Topic)
		}
	}
	n := 0
	if len(names) > 0 {
		reports, err := e.opt.Client.Topics(ctx, names...)
		if err != nil {
			return broker.TopicSpec{}, fmt.Errorf("replay: %w", err)
		}
		for _, t := range reports {
			n = max(n, t.Partitions)
		}
	}
	return e.opt.CreateTopic(plan.Request.To.Topic, n), nil
}
