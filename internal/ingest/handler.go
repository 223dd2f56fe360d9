package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/quarantine"
	"github.com/postrider/postrider/pkg/webhook"
)

// Source is one configured endpoint. It is not changed after New.
type Source struct {
	Name          string
	Verifier      webhook.Verifier
	Normalize     normalize.Source
	TakesToken    bool   // the last path segment may be a token
	Challenge     string // WWW-Authenticate of a refusal; "" for none
	Accepted      int    // status once every event is safe; 0: 200
	Busy          int    // status for our own trouble; 0: 503
	Overload      int    // status once a bound of ours is reached; 0: 429
	RefusedStatus int    // status for a bad proof; 0: 401
	MaxBodyBytes  int64  // as received
	Durability    broker.Durability
	Dedupe        dedupe.Mode         // what becomes of repeats
	DedupeWindow  time.Duration       // how old a repeat may be; 0: as the whole window
	Methods       []string            // that carry events beside POST; with GET the query is the body
	Probes        []string            // methods that are answered 200 to anybody
	Handshaker    provider.Handshaker // nil: nothing but events is asked for
	Metrics       *metrics.Source
	Answers       Answers // nil: nobody wants to know
	Shadow        Shadow  // nil: nothing is compared
}

// Answers is told whether a source's events are accepted. It is called for every
// request, from many at once, and does not block.
type Answers interface {
	// Answered is told true when a request was accepted, and false when its
	// provider was asked to send it again. Other answers say nothing of us.
	Answered(accepted bool)
}

// tell tells Answers what became of a request.
func (s *Source) tell(r Result) {
	if s.Answers == nil {
		return
	}
	switch r {
	case ResultPublished, ResultNothing, ResultDuplicate, ResultHandshake:
		s.Answers.Answered(true)
	case ResultOverload, ResultUnpublished, ResultUnavailable:
		s.Answers.Answered(false)
	case ResultRefused, ResultUnknownSource, ResultMethod, ResultTooLarge, ResultIncomplete, ResultStopping, ResultProbe:
		// These say nothing of whether events can be accepted.
	}
}

// answer is what a request is answered.
func (s *Source) answer(done outcome, err error) answer {
	if err != nil {
		return answerFor(err, s.answers())
	}
	return answer{code: cmp.Or(s.Accepted, http.StatusOK), result: done.result, shaken: done.shaken}
}

// answers are the source's statuses, none of them 0.
func (s *Source) answers() provider.Answers {
	usual := (&provider.Policy{}).Answers()
	return provider.Answers{
		Accepted: cmp.Or(s.Accepted, usual.Accepted), Busy: cmp.Or(s.Busy, usual.Busy),
		Overload: cmp.Or(s.Overload, usual.Overload), Refused: cmp.Or(s.RefusedStatus, usual.Refused),
	}
}

// handle answers one request to a webhook path.
func (s *Server) handle(c echo.Context) error {
	now := s.routing.Load()
	src, err := now.lookup(c)
	if err != nil {
		a := answerFor(err, provider.Answers{})
		s.opt.Metrics.UnknownSource(a.code)
		return s.write(c, nil, a)
	}
	if src.probed(c.Request()) {
		return s.probe(c, src)
	}
	src.Metrics.Begin()
	defer src.Metrics.End()
	done, err := s.receive(c, src, now)
	a := src.answer(done, err)
	src.Metrics.Answered(a.code, string(a.result))
	src.tell(a.result)
	s.logAnswer(src, a, err)
	return s.write(c, src, a)
}

// receive takes a request from its headers to its acknowledgement. A panic is
// answered as trouble of ours, so that the provider sends the request again.
func (s *Server) receive(c echo.Context, src *Source, now *routing) (done outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("ingest: panic: %s", panicText(p))
			s.opt.Log.Error("panic while handling a webhook", zap.String("source", src.Name), zap.ByteString("stack", debug.Stack()))
		}
	}()
	if err := s.admit(src, c.Request()); err != nil {
		return done, err
	}
	conn := memberOf(c.Request().Context())
	req := s.request(c, conn, now)
	if err := src.Verifier.Missing(&req); err != nil {
		src.show(req, webhook.Verified{}, err)
		return done, err
	}
	if c.Request().ContentLength > 0 {
		conn.lookAway()
	}
	lim := bodyLimits{received: src.MaxBodyBytes, inflated: s.opt.Limits.MaxInflatedBytes}
	b, err := readBody(c.Request(), lim, room{all: &s.buffered, each: s.arriving, client: clientNetwork(req.RemoteAddr)})
	if err != nil {
		return done, err
	}
	defer b.release()
	if !conn.work() {
		return done, errOverload
	}
	if !s.progress.take(1) {
		return done, errOverload
	}
	defer s.progress.give(1)
	req.Body = b.bytes
	src.readQuery(c.Request().URL.RawQuery, &req)
	src.Metrics.Body(len(req.Body))
	return s.prove(s.terms.begin(), src, req)
}

// panicText names a panic. Only the runtime's own errors are said in full: any
// other value may hold text of the payload.
func panicText(cause any) string {
	if err, ok := cause.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a %T", cause)
}

// prove verifies the complete request and hands it to the pipeline. The time of ctx
// starts at the complete body, so that fetching what a proof needs is within it, and
// does not end with the client's connection: what was proven is published whether or
// not anybody waits for the answer.
func (s *Server) prove(ctx context.Context, src *Source, req webhook.Request) (outcome, error) {
	v, err := webhook.Verify(src.Verifier, req)
	src.show(req, v, err)
	if err != nil {
		s.keep(src, req, err)
		return outcome{}, err
	}
	src.Metrics.Verified(v.Proof().KeyID)
	if shaken, done, err := s.shake(ctx, src, v); done {
		return outcome{ResultHandshake, shaken}, err
	}
	leave, err := s.makeRoom(ctx, req.Body)
	if err != nil {
		return outcome{}, err
	}
	defer leave()
	result, err := s.opt.Pipeline.Accept(ctx, src, v, s.opt.NewID(src.Name))
	return outcome{result: result}, err
}

// outcome is what became of a request that was accepted.
type outcome struct {
	result Result
	shaken provider.Handshake // of ResultHandshake
}

// keep puts a refused request that carried all its proof into the quarantine:
// should the fault be ours, it is not lost. Many of them raise an alarm.
func (s *Server) keep(src *Source, req webhook.Request, err error) {
	refusal, ok := errors.AsType[*webhook.RefusedError](err)
	if !ok || !refusal.Complete {
		return
	}
	if s.opt.Quarantine != nil {
		s.opt.Quarantine.Put(quarantine.Entry{Source: src.Name, Reason: refusal.Reason, Request: req})
	}
	if s.bursts.refused(src.Name, s.opt.Now()) {
		s.opt.Log.Error("many webhooks carry all the proof their source asks for and are refused: is the secret still the provider's?",
			zap.String("reason_code", "auth_failure_burst"), zap.String("source", src.Name), zap.String("auth_reason", string(refusal.Reason)),
			zap.String("hint", "after correcting the secret, bring them back with: postrider redrive --quarantine"))
	}
}

// admit does the checks that cost nothing, before a byte of the body is read. A
// place among the requests in progress is taken only with the whole body: a
// thousand clients that send theirs byte by byte, with no proof yet, would else
// keep everybody out.
func (s *Server) admit(src *Source, r *http.Request) error {
	switch {
	case !src.takes(r.Method):
		return errMethod
	case s.progress.full():
		return errOverload
	}
	return nil
}

// request is the unproven request, body still to come.
func (s *Server) request(c echo.Context, conn *member, now *routing) webhook.Request {
	r := c.Request()
	req := webhook.Request{
		Method:     r.Method,
		URL:        now.url(s.opt.PublicURL, r.URL),
		Header:     r.Header,
		PathToken:  pathToken(c),
		RemoteAddr: clientIP(conn, r, now.trusted),
		ReceivedAt: s.opt.Now(),
	}
	if r.URL.RawQuery != "" {
		req.Query = r.URL.Query()
	}
	return req
}

// pathToken is the last path segment as it was meant: Echo leaves escapes alone
// where the path has unusual ones.
func pathToken(c echo.Context) string {
	token := c.Param("token")
	if c.Request().URL.RawPath == "" {
		return token
	}
	if plain, err := url.PathUnescape(token); err == nil {
		return plain
	}
	return token
}

// write sends the answer: a status, the headers that belong to it, and no body but
// what a handshake asks for. The answer's headers are looked at only to add to them:
// net/http makes a copy of what a handler has seen.
func (s *Server) write(c echo.Context, src *Source, a answer) error {
	h := c.Response().Header
	if a.retry {
		h().Set("Retry-After", s.retry)
	}
	if a.code == http.StatusMethodNotAllowed {
		h().Set("Allow", src.allowed())
	}
	if src != nil && a.result == ResultRefused && src.Challenge != "" {
		h().Set("WWW-Authenticate", src.Challenge)
	}
	if len(c.Request().TransferEncoding) > 0 {
		// Where Content-Length came beside it, net/http has dropped that and says
		// nothing. A proxy that went by it would take what follows for another
		// request than we do (RFC 9112, section 6.1): nothing follows.
		h().Set(echo.HeaderConnection, "close")
	}
	if a.close {
		return s.hangUp(c, a.code)
	}
	if reply := a.shaken; reply.Reply != nil {
		return c.Blob(a.code, reply.ContentType, reply.Reply)
	}
	return c.NoContent(a.code)
}

// How long, and how much of, a body that nobody will look at is still read, so
// that its sender sees the answer: closing a connection with unread bytes resets it.
const (
	lingerTime  = time.Second
	lingerBytes = 256 << 10
)

// hangUp answers with a status and ends the connection.
func (s *Server) hangUp(c echo.Context, code int) error {
	c.Response().Header().Set(echo.HeaderConnection, "close")
	if err := c.NoContent(code); err != nil {
		return err
	}
	control := http.NewResponseController(c.Response().Writer)
	if control.Flush() == nil && control.SetReadDeadline(s.opt.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.Request().Body, lingerBytes)
	}
	return nil
}

// logAnswer says why a request was not accepted. Neither the path nor the query
// is logged: they may carry a token.
func (s *Server) logAnswer(src *Source, a answer, err error) {
	if err == nil {
		return
	}
	log := s.opt.Log.With(zap.String("source", src.Name), zap.Int("status", a.code), zap.String("reason_code", string(a.result)))
	if refusal, ok := errors.AsType[*webhook.RefusedError](err); ok {
		src.Metrics.Refused(string(refusal.Reason))
		log.Warn("webhook refused", zap.String("auth_reason", string(refusal.Reason)), zap.String("where", refusal.Where), zap.String("hint", refusal.Hint))
		return
	}
	ours := a.code >= http.StatusInternalServerError || a.result == ResultOverload
	if ours && a.result != ResultIncomplete {
		log.Error("webhook not accepted, the provider is asked to send it again", zap.Error(err))
		return
	}
	log.Info("webhook not accepted", zap.Error(err))
}

// URL is the address to paste into a provider's dashboard; token is "" for
// sources that need none in the path.
func URL(publicURL, source, token string) string {
	u := strings.TrimSuffix(publicURL, "/") + Path + source
	if token != "" {
		u += "/" + token
	}
	return u
}
