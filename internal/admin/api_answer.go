package admin

import (
	"errors"
	"net/http"

	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// problem is an answer that is no success.
type problem struct {
	status   int
	text     string
	problems []string     // one by one, where there are several
	plan     *replay.Plan // that has to be confirmed
}

// Error implements error.
func (p *problem) Error() string { return p.text }

// invalid is the answer to a request that cannot be served as it is.
func invalid(text string, problems ...string) *problem {
	return &problem{status: http.StatusBadRequest, text: text, problems: problems}
}

// writeProblem answers with a problem.
func writeProblem(w http.ResponseWriter, p *problem) {
	if p.status == 0 { // nobody is there to read it
		return
	}
	writeJSON(w, p.status, struct {
		Error    string       `json:"error"`
		Problems []string     `json:"problems,omitempty"`
		Plan     *replay.Plan `json:"plan,omitempty"`
	}{p.text, p.problems, p.plan})
}

// explain turns an error into an answer.
func (a *API) explain(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if p := requestProblem(err); p != nil {
		return p
	}
	_, unknown := errors.AsType[*replay.UnknownRunError](err)
	_, running := errors.AsType[*replay.RunningError](err)
	_, ended := errors.AsType[*replay.EndedError](err)
	switch {
	case unknown:
		return &problem{status: http.StatusNotFound, text: err.Error()}
	case running || ended:
		return &problem{status: http.StatusConflict, text: err.Error()}
	case gone(err):
		return &problem{status: http.StatusServiceUnavailable, text: "the receiver is stopping"}
	case a.opt.Down(err):
		return &problem{status: http.StatusServiceUnavailable, text: err.Error()}
	}
	return &problem{status: http.StatusInternalServerError, text: err.Error()}
}

// requestProblem explains errors that a better request would not have met; nil for
// others.
func requestProblem(err error) *problem {
	if e, ok := errors.AsType[*replay.RequestError](err); ok {
		return invalid("the request cannot be executed", e.Problems...)
	}
	if e, ok := errors.AsType[*selection.InvalidError](err); ok {
		return invalid("the selection cannot be used", e.Problems...)
	}
	if e, ok := errors.AsType[*replay.SameTopicError](err); ok {
		return invalid("copies would go to a topic that they are read from, whose consumers would see every record twice: "+
			"set allow_same_topic if that is meant", e.Topics...)
	}
	_, expression := errors.AsType[*selection.ExpressionError](err)
	_, unmatched := errors.AsType[*selection.UnmatchedError](err)
	if expression || unmatched {
		return invalid(err.Error())
	}
	return nil
}
