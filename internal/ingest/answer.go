package ingest

import (
	"errors"
	"net/http"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/webhook"
)

// Result is what became of a request, in one word; the label of its metric.
type Result string

// The results.
const (
	ResultPublished     Result = "published"      // every record acknowledged
	ResultNothing       Result = "nothing"        // nothing to publish: an empty batch
	ResultRefused       Result = "refused"        // bad or missing proof
	ResultUnknownSource Result = "unknown_source" // no such source
	ResultProbe         Result = "probe"          // a question whether somebody is there, see provider.Definition.Probes
	ResultHandshake     Result = "handshake"      // proven, and about the webhook itself
	ResultMethod        Result = "method"         // one that carries no events
	ResultTooLarge      Result = "too_large"      // body over the limit
	ResultOverload      Result = "overload"       // a bound of ours is reached
	ResultIncomplete    Result = "incomplete"     // the client went away, or was too slow, before the body was complete
	ResultStopping      Result = "stopping"       // shutting down
	ResultUnavailable   Result = "unavailable"    // what is needed to judge it, or to answer a handshake, could not be fetched
	ResultUnpublished   Result = "unpublished"    // Kafka did not acknowledge in time
)

// answer is an HTTP answer; every one has an empty body but a handshake's.
type answer struct {
	code   int
	result Result
	shaken provider.Handshake
	retry  bool // add Retry-After
	close  bool // close the connection: the body was not read
}

// Errors of the handler that answerFor translates; others come from body,
// webhook and broker.
var (
	errUnknownSource = errors.New("ingest: unknown source")
	errMethod        = errors.New("ingest: method not allowed")
	errOverload      = errors.New("ingest: too many requests, or large batches, in progress")
)

// answerFor is the one place where a failure becomes a status. A 4xx tells
// several providers never to try again, so whatever may be trouble of ours, a
// body that came too slowly included, is busy (503, or what the provider's policy
// says), and a bad proof has the status the source is configured with.
func answerFor(err error, statuses provider.Answers) answer {
	var refusal *webhook.RefusedError
	var unavailable *webhook.UnavailableError
	switch {
	case errors.Is(err, errUnknownSource):
		return answer{code: http.StatusNotFound, result: ResultUnknownSource, close: true}
	case errors.Is(err, errMethod):
		return answer{code: http.StatusMethodNotAllowed, result: ResultMethod, close: true}
	case errors.As(err, &unavailable), errors.Is(err, errUnconfirmed):
		return answer{code: statuses.Busy, result: ResultUnavailable, retry: true}
	case errors.As(err, &refusal):
		return answer{code: statuses.Refused, result: ResultRefused, retry: asksToWait(statuses.Refused), close: true}
	case errors.Is(err, errTooLarge):
		return answer{code: http.StatusRequestEntityTooLarge, result: ResultTooLarge, close: true}
	case errors.Is(err, errMalformed):
		return answer{code: http.StatusBadRequest, result: ResultIncomplete, close: true}
	case errors.Is(err, errIncomplete):
		return answer{code: statuses.Busy, result: ResultIncomplete, retry: true, close: true}
	case errors.Is(err, errOverload), errors.Is(err, errOverBudget):
		return answer{code: statuses.Overload, result: ResultOverload, retry: true, close: true}
	case errors.Is(err, broker.ErrClosed):
		return answer{code: statuses.Busy, result: ResultStopping, retry: true, close: true}
	case errors.Is(err, broker.ErrOverloaded):
		return answer{code: statuses.Busy, result: ResultOverload, retry: true}
	}
	return answer{code: statuses.Busy, result: ResultUnpublished, retry: true}
}

// asksToWait reports whether a status is one that Retry-After belongs to.
func asksToWait(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}
