package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/pkg/webhook"
)

// Planner says what a replay comes to.
type Planner interface {
	Plan(ctx context.Context, req replay.Request, o replay.PlanOptions) (*replay.Plan, error)
}

// Executor begins and ends replays. What is begun lives until ctx ends.
type Executor interface {
	Start(ctx context.Context, plan *replay.Plan) (replay.Run, error)
	ResumeInBackground(ctx context.Context, id string) (replay.Run, error)
	Cancel(ctx context.Context, id, by string) (replay.Run, error)
}

// History knows replays, wherever they run or ran.
type History interface {
	Runs(ctx context.Context) ([]replay.Run, error)
	Run(ctx context.Context, id string) (replay.Run, error)
	Watch(ctx context.Context, id string, fn func(replay.Progress) error) error
}

// Replays is what the API does; replay.Engine is it.
type Replays interface {
	Planner
	Executor
	History
}

// The roles of a Token, each with the rights of those before it: looking; executing,
// resuming and cancelling replays; everything.
const (
	RoleRead   = "read"
	RoleReplay = "replay"
	RoleAdmin  = "admin"
)

// Token lets its bearer use the API.
type Token struct {
	ID    string // whom what is done is recorded under
	Role  string
	Value string // at least 16 bytes; only its SHA-256 is kept
}

// APIOptions is what an API is made of.
type APIOptions struct {
	Tokens []Token // none: the API is off
	// ConfirmAbove is how many records a request may match that is executed without
	// its plan.
	ConfirmAbove int64
	// CheckURL says what is wrong with an HTTP target that a request names by its
	// address.
	CheckURL func(address string) error
	// Shadows knows what shadows of sources judged otherwise; nil: there are none.
	Shadows Shadows
	// Down reports whether an error says that Kafka cannot be reached.
	Down func(error) bool
	Now  func() time.Time
	Log  *zap.Logger
}

// API is replays by HTTP: plan, execute, watch, cancel and resume, by the engine and
// the rules of the command line. Safe for concurrent use.
type API struct {
	opt      APIOptions
	verifier webhook.Verifier // nil: off
	roles    map[string]string
	routes   *http.ServeMux

	failures chan struct{} // requests with a bad token that are being held back
	plans    chan struct{} // plans being made
	streams  chan struct{} // progress being told

	life context.Context // of calls: until Close
	end  context.CancelFunc

	mu       sync.Mutex
	replays  Replays         // nil until Open, and again after Close
	runs     context.Context // what runs live in, which outlive requests
	inFlight sync.WaitGroup
}

// Bounds of what goes on at once.
const (
	maxFailures = 16
	maxPlans    = 4
	maxStreams  = 64
)

// NewAPI makes an API that answers that it is starting, until Open. The error says
// which token cannot be used.
func NewAPI(o APIOptions) (*API, error) {
	a := &API{
		opt: o, roles: make(map[string]string, len(o.Tokens)),
		failures: make(chan struct{}, maxFailures), plans: make(chan struct{}, maxPlans), streams: make(chan struct{}, maxStreams),
	}
	a.life, a.end = context.WithCancel(context.Background())
	a.routes = a.table()
	if len(o.Tokens) == 0 {
		return a, nil
	}
	cfg := webhook.Config{Type: "bearer"}
	for _, t := range o.Tokens {
		if !slices.Contains([]string{RoleRead, RoleReplay, RoleAdmin}, t.Role) {
			return nil, fmt.Errorf("admin: token %q has the unknown role %q", t.ID, t.Role)
		}
		a.roles[t.ID] = t.Role
		cfg.Secrets = append(cfg.Secrets, webhook.Secret{ID: t.ID, Value: []byte(t.Value)})
	}
	a.opt.Tokens = nil // their hashes are enough
	verifier, err := webhook.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("admin: the tokens of the API: %w", err)
	}
	a.verifier = verifier
	return a, nil
}

// Open lets requests in. Runs that they begin live until ctx ends.
func (a *API) Open(ctx context.Context, r Replays) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.runs, a.replays = ctx, r
}

// Close ends requests in progress and waits for them; from then on the answer is
// that the receiver is stopping. End Open's context first and wait for the runs, and
// those who watch them see how they end.
func (a *API) Close() {
	a.mu.Lock()
	a.replays = nil
	a.mu.Unlock()
	a.end()
	a.inFlight.Wait()
}

// call is one request of somebody who may make it.
type call struct {
	api     *API
	replays Replays
	runs    context.Context // as in API
	ctx     context.Context // ends with the request, and with the API
	who     string          // the token's id
	w       http.ResponseWriter
	r       *http.Request
	audited []zap.Field
}

// by is the caller's name in the record of a replay.
func (c *call) by() string { return "api:" + c.who }

// enter begins a call; leave has to follow.
func (a *API) enter(w http.ResponseWriter, r *http.Request, who string) (c *call, leave func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.replays == nil {
		return nil, nil, &problem{status: http.StatusServiceUnavailable, text: "the receiver is starting or stopping; try again in a few seconds"}
	}
	ctx, cancel := context.WithCancel(r.Context())
	forget := context.AfterFunc(a.life, cancel) //nolint:contextcheck // both end it
	a.inFlight.Add(1)
	c = &call{api: a, replays: a.replays, runs: a.runs, ctx: ctx, who: who, w: w, r: r}
	return c, func() {
		forget()
		cancel()
		a.inFlight.Done()
	}, nil
}

// ServeHTTP implements http.Handler for everything below /api/. Who has no token
// learns nothing, not even which addresses exist.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.verifier == nil {
		writeProblem(w, &problem{
			status: http.StatusForbidden,
			text:   "the API is off, since there are no tokens: configure admin.tokens, each with an id, a role (read, replay or admin) and a value or file, and restart",
		})
		return
	}
	who, err := a.authenticate(r)
	if err != nil {
		a.unauthorized(w, r, err)
		return
	}
	a.routes.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
}

// callerKey is where the caller's id lies in a request's context.
type callerKey struct{}

// endpoint is what is done for one method of one address.
type endpoint struct {
	role   string // that is needed
	action string // for the audit log; "": nothing is changed
	serve  func(*call) error
}

// table is every address of the API.
func (a *API) table() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, methods := range map[string]map[string]endpoint{
		"/api/v1/replays/plan": {http.MethodPost: {role: RoleRead, serve: (*call).plan}},
		"/api/v1/replays": {
			http.MethodGet:  {role: RoleRead, serve: (*call).list},
			http.MethodPost: {role: RoleReplay, action: "execute", serve: (*call).execute},
		},
		"/api/v1/shadow":                {http.MethodGet: {role: RoleRead, serve: (*call).shadow}},
		"/api/v1/replays/{id}":          {http.MethodGet: {role: RoleRead, serve: (*call).show}},
		"/api/v1/replays/{id}/progress": {http.MethodGet: {role: RoleRead, serve: (*call).progress}},
		"/api/v1/replays/{id}/cancel":   {http.MethodPost: {role: RoleReplay, action: "cancel", serve: (*call).cancel}},
		"/api/v1/replays/{id}/resume":   {http.MethodPost: {role: RoleReplay, action: "resume", serve: (*call).resume}},
	} {
		mux.Handle(pattern, a.dispatch(methods))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, &problem{status: http.StatusNotFound, text: "there is nothing at this address"})
	})
	return mux
}

// dispatch chooses by the method, and checks the role.
func (a *API) dispatch(methods map[string]endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, ok := methods[r.Method]
		if !ok {
			allowed(w, methods)
			return
		}
		who, _ := r.Context().Value(callerKey{}).(string)
		if role := a.roles[who]; !suffices(role, e.role) {
			writeProblem(w, &problem{status: http.StatusForbidden, text: fmt.Sprintf("the token %s has the role %s; this needs %s", who, role, e.role)})
			return
		}
		a.serve(w, r, who, e)
	})
}

// allowed answers a method that an address does not have.
func allowed(w http.ResponseWriter, methods map[string]endpoint) {
	for m := range methods {
		w.Header().Add("Allow", m)
	}
	writeProblem(w, &problem{status: http.StatusMethodNotAllowed, text: "this address does not take that method"})
}

// suffices reports whether one role has the rights of another.
func suffices(role, needed string) bool {
	order := []string{RoleRead, RoleReplay, RoleAdmin}
	return slices.Index(order, role) >= slices.Index(order, needed)
}

// serve does one call and tells the log what it changed.
func (a *API) serve(w http.ResponseWriter, r *http.Request, who string, e endpoint) {
	c, leave, err := a.enter(w, r, who)
	if err != nil {
		writeProblem(w, a.explain(err))
		return
	}
	defer leave()
	err = e.serve(c)
	status := http.StatusAccepted
	if err != nil {
		p := a.explain(err)
		status = p.status
		writeProblem(c.answers(), p)
	}
	if e.action != "" {
		a.opt.Log.Info("admin api", append([]zap.Field{
			zap.String("reason_code", "api_call"), zap.String("who", who), zap.String("action", e.action), zap.Int("status", status),
		}, c.audited...)...)
	}
}

// answerTime is how long a client may take to read an answer.
const answerTime = 30 * time.Second

// answers begins an answer. The server's bound began with the request, and a plan may
// take minutes; this one begins now.
func (c *call) answers() http.ResponseWriter {
	_ = http.NewResponseController(c.w).SetWriteDeadline(c.api.opt.Now().Add(answerTime)) // else a late answer is cut off, and no more
	return c.w
}

// place takes one of a bounded number of places; leave it by calling free.
func place(places chan struct{}, what string) (free func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, &problem{status: http.StatusTooManyRequests, text: fmt.Sprintf("%d %s are in progress already; try again later", cap(places), what)}
	}
}

// gone reports whether an error says that nobody waits for an answer any more.
func gone(err error) bool { return errors.Is(err, context.Canceled) }
