package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// The tokens of the tests, by their roles.
const (
	readToken   = "r-5f0c2e9a7b3d41866e21"
	replayToken = "w-91b7d03c55ae4f28a0d4"
	adminToken  = "a-37ce81f2ba604d19b5e8"
)

var errDown = errors.New("kafka is away")

// engine is a stand-in that remembers what it was asked.
type engine struct {
	mu        sync.Mutex
	asked     []string
	planned   []replay.Request
	started   []*replay.Plan
	lives     context.Context // of the last run
	err       error
	plan      replay.Plan
	run       replay.Run
	watch     func(ctx context.Context, fn func(replay.Progress) error) error
	planBlock chan struct{}
}

func (e *engine) note(what string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, what)
	return e.err
}

func (e *engine) Plan(ctx context.Context, req replay.Request, o replay.PlanOptions) (*replay.Plan, error) {
	what := "plan"
	if o.Count {
		what = "count"
	}
	err := e.note(what)
	if e.planBlock != nil {
		select {
		case <-e.planBlock:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.planned = append(e.planned, req)
	p := e.plan
	p.Request = req
	return &p, nil
}

func (e *engine) Start(ctx context.Context, p *replay.Plan) (replay.Run, error) {
	if err := e.note("start"); err != nil {
		return replay.Run{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.started, e.lives = append(e.started, p), ctx
	return e.run, nil
}

func (e *engine) ResumeInBackground(ctx context.Context, id string) (replay.Run, error) {
	err := e.note("resume " + id)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lives = ctx
	return e.run, err
}

func (e *engine) Cancel(_ context.Context, id, by string) (replay.Run, error) {
	return e.run, e.note("cancel " + id + " by " + by)
}

func (e *engine) Runs(context.Context) ([]replay.Run, error) {
	return slices.Repeat([]replay.Run{e.run}, 60), e.note("runs")
}

func (e *engine) Run(_ context.Context, id string) (replay.Run, error) {
	if id != e.run.ID {
		return replay.Run{}, &replay.UnknownRunError{ID: id}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.run, nil
}

func (e *engine) Watch(ctx context.Context, _ string, fn func(replay.Progress) error) error {
	return e.watch(ctx, fn)
}

const runID = "0193f3a0-7d4e-7c21-9f00-3f2b8c1d5e6f"

// newEngine has one run and one plan, of two partitions.
func newEngine() *engine {
	return &engine{
		plan: replay.Plan{
			Ranges:  []replay.Range{{Topic: "email.bounced", Partition: 0, From: 5, To: 15}, {Topic: "email.bounced", Partition: 1, To: 10}},
			Records: 20, Matching: 7,
		},
		run: replay.Run{ID: runID, State: replay.Running, Plan: replay.Plan{Request: replay.Request{To: replay.Target{Kind: replay.ToTopic}}}},
	}
}

// rig is an admin listener with an API on a stand-in.
type rig struct {
	t      *testing.T
	url    string
	api    *admin.API
	engine *engine
	logs   *observer.ObservedLogs
	client *http.Client
}

func newRig(t *testing.T, change ...func(*admin.Server)) *rig {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	api, err := admin.NewAPI(admin.APIOptions{
		Tokens:       []admin.Token{{"grace", admin.RoleRead, readToken}, {"ada", admin.RoleReplay, replayToken}, {"root", admin.RoleAdmin, adminToken}},
		ConfirmAbove: 100, Now: time.Now, Log: zap.New(core),
		Down: func(err error) bool { return errors.Is(err, errDown) },
		CheckURL: func(address string) error {
			if !strings.HasPrefix(address, "https://") {
				return errors.New("use https")
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, api: api, engine: newEngine(), logs: logs, client: &http.Client{Transport: &http.Transport{}}}
	r.url = "http://" + serveAPI(t, "127.0.0.1:0", api, change...).String()
	t.Cleanup(r.client.CloseIdleConnections)
	api.Open(t.Context(), r.engine)
	return r
}

// request makes a request of a role's bearer.
func (r *rig) request(token, method, path, body string) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// do sends a request and returns the answer.
func (r *rig) do(req *http.Request) (status int, header http.Header, body string) {
	r.t.Helper()
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// call asks as a role's bearer.
func (r *rig) call(token, method, path, body string) (status int, answer string) {
	r.t.Helper()
	status, _, answer = r.do(r.request(token, method, path, body))
	return status, answer
}

const bounces = `{"select":{"topics":["email.bounced"],"providers":["jetemail"]},"to":{"kind":"topic","topic":"copies"}}`

// TestRolesDecide: each address by each role, and by nobody.
func TestRolesDecide(t *testing.T) {
	r := newRig(t)
	r.engine.watch = func(context.Context, func(replay.Progress) error) error { return nil }
	id := "/api/v1/replays/" + runID
	for _, c := range []struct {
		method, path, body         string
		none, read, replay, master int
	}{
		{"POST", "/api/v1/replays/plan", bounces, 401, 200, 200, 200},
		{"POST", "/api/v1/replays", bounces, 401, 403, 202, 202},
		{"GET", "/api/v1/replays", "", 401, 200, 200, 200},
		{"GET", id, "", 401, 200, 200, 200},
		{"GET", id + "/progress", "", 401, 200, 200, 200},
		{"POST", id + "/cancel", "", 401, 403, 202, 202},
		{"POST", id + "/resume", "", 401, 403, 202, 202},
		{"DELETE", id, "", 401, 405, 405, 405},
		{"GET", "/api/v1/replays/plan", "", 401, 405, 405, 405},
		{"GET", id + "/cancel", "", 401, 405, 405, 405},
		{"GET", "/api/v1/", "", 401, 404, 404, 404},
		{"GET", "/api/v1/replays/", "", 401, 404, 404, 404},
		{"GET", "/api/v2/replays", "", 401, 404, 404, 404},
	} {
		for token, want := range map[string]int{"": c.none, readToken: c.read, replayToken: c.replay, adminToken: c.master} {
			before := len(r.engine.asked)
			got, body := r.call(token, c.method, c.path, c.body)
			if got != want {
				t.Errorf("%s %s as %.1q: got %d (%s), want %d", c.method, c.path, token, got, body, want)
			}
			if want >= 400 && (len(r.engine.asked) != before || !strings.Contains(body, `"error":`)) {
				t.Errorf("%s %s as %.1q: refused with %s, and asked for %v", c.method, c.path, token, body, r.engine.asked[before:])
			}
		}
	}
}

// TestOnlyTheTokenItselfCounts: nothing that is nearly one, or elsewhere.
func TestOnlyTheTokenItselfCounts(t *testing.T) {
	r := newRig(t)
	var all sync.WaitGroup
	for name, change := range map[string]func(*http.Request){
		"none":           func(*http.Request) {},
		"empty":          func(q *http.Request) { q.Header.Set("Authorization", "Bearer ") },
		"short":          func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+readToken[:len(readToken)-1]) },
		"long":           func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+readToken+"0") },
		"upper case":     func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+strings.ToUpper(readToken)) },
		"basic":          func(q *http.Request) { q.SetBasicAuth("grace", readToken) },
		"without bearer": func(q *http.Request) { q.Header.Set("Authorization", readToken) },
		"the id":         func(q *http.Request) { q.Header.Set("Authorization", "Bearer grace") },
		"twice": func(q *http.Request) {
			q.Header["Authorization"] = []string{"Bearer " + readToken, "Bearer " + readToken}
		},
		"query":        func(q *http.Request) { q.URL.RawQuery = "access_token=" + readToken },
		"cookie":       func(q *http.Request) { q.AddCookie(&http.Cookie{Name: "token", Value: readToken}) },
		"other header": func(q *http.Request) { q.Header.Set("X-Api-Key", readToken) },
	} {
		all.Go(func() {
			req := r.request("", http.MethodGet, "/api/v1/replays", "")
			change(req)
			status, header, body := r.do(req)
			if status != http.StatusUnauthorized || !strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s: got %d %s", name, status, body)
			}
		})
	}
	all.Wait()
	for _, spelled := range []string{"Bearer ", "bearer ", "BEARER  "} {
		req := r.request("", http.MethodGet, "/api/v1/replays", "")
		req.Header.Set("Authorization", spelled+readToken)
		if status, _, body := r.do(req); status != http.StatusOK {
			t.Errorf("%q: got %d %s", spelled, status, body)
		}
	}
	for _, line := range r.logs.FilterMessage("admin api refused a request").All() {
		for _, v := range line.ContextMap() {
			if s, ok := v.(string); ok && strings.Contains(s, readToken[:10]) {
				t.Errorf("a token is logged: %v", line.ContextMap())
			}
		}
	}
}

// TestManyBadTokensAreTurnedAway at once, while a good one is let in.
func TestManyBadTokensAreTurnedAway(t *testing.T) {
	r := newRig(t)
	statuses := make(chan int, 64)
	var all sync.WaitGroup
	for range cap(statuses) {
		all.Go(func() {
			status, _ := r.call("not-a-token-of-anybody", http.MethodGet, "/api/v1/replays", "")
			statuses <- status
		})
	}
	if status, body := r.call(readToken, http.MethodGet, "/api/v1/replays", ""); status != http.StatusOK {
		t.Errorf("the good one: got %d %s", status, body)
	}
	all.Wait()
	close(statuses)
	count := map[int]int{}
	for s := range statuses {
		count[s]++
	}
	if count[401]+count[429] != 64 || count[401] == 0 || count[429] == 0 {
		t.Errorf("answers were %v, want some 401 and the rest 429", count)
	}
}

// TestTokensThatCannotBeUsed end the start.
func TestTokensThatCannotBeUsed(t *testing.T) {
	for name, tokens := range map[string][]admin.Token{
		"short": {{"a", admin.RoleRead, "0123456789abcde"}}, "empty": {{"a", admin.RoleRead, ""}}, "example": {{"a", admin.RoleRead, "changeme-changeme"}},
		"role": {{"a", "owner", readToken}}, "same id": {{"a", admin.RoleRead, readToken}, {"a", admin.RoleAdmin, adminToken}},
	} {
		if _, err := admin.NewAPI(admin.APIOptions{Tokens: tokens}); err == nil || strings.Contains(err.Error(), tokens[0].Value) && tokens[0].Value != "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestOtherSitesCannotUseTheAPI, not even with a token.
func TestOtherSitesCannotUseTheAPI(t *testing.T) {
	r := newRig(t)
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://page.example"} {
		req := r.request(adminToken, http.MethodPost, "/api/v1/replays", bounces)
		req.Header.Set(header, value)
		if status, _, body := r.do(req); status != http.StatusForbidden {
			t.Errorf("%s: got %d %s", header, status, body)
		}
	}
	req := r.request(adminToken, http.MethodGet, "/api/v1/replays", "")
	req.Host = "rebound.example"
	if status, _, body := r.do(req); status != http.StatusMisdirectedRequest {
		t.Errorf("a rebound name: got %d %s", status, body)
	}
	if len(r.engine.asked) > 0 {
		t.Errorf("the engine was asked for %v", r.engine.asked)
	}
}

// TestWithoutTokensTheAPIIsOff, and says how to switch it on.
func TestWithoutTokensTheAPIIsOff(t *testing.T) {
	addr := serve(t, "127.0.0.1:0")
	for _, path := range []string{"/api/v1/replays", "/api/", "/api/anything"} {
		status, _, body := ask(t, addr, "GET "+path+" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer x\r\nConnection: close\r\n\r\n")
		if status != http.StatusForbidden || !strings.Contains(body, "admin.tokens") {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
}

// TestBodiesAreReadStrictly: what a request says and we do not understand would
// change what is replayed.
func TestBodiesAreReadStrictly(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		body   string
		status int
		want   []string // in the answer
	}{
		{`{"select":{"topics":["a"],"provider":["x"]},"to":{"kind":"topic"},"dry":true}`, 400, []string{`"dry"`, `"select.provider"`}},
		{`{"Select":{"topics":["a"]},"to":{"Kind":"topic"}}`, 400, []string{`"Select"`, `"to.Kind"`}},
		{`{"select":{"headers":[{"name":"a","value":"b"},{"name":"a","valeu":"canary"}]},"to":{"kind":"topic"}}`, 400, []string{"select.headers[1].valeu"}},
		{`{"select":{"offsets":[{"partition":"canary"}]},"to":{"kind":"topic"}}`, 400, []string{"partition"}},
		{`{"select":{"from":"canary"},"to":{"kind":"topic"}}`, 400, []string{"RFC 3339"}},
		{`{"select":{}}{"canary":1}`, 400, []string{"no JSON"}},
		{`{"select":{},`, 400, []string{"no JSON"}},
		{`["canary"]`, 400, []string{"cannot be read"}},
		{`"canary"`, 400, []string{"cannot be read"}},
		{" ", 400, []string{"no JSON"}},
		{`{"reason":"` + strings.Repeat("canary", 200_000) + `"}`, 413, []string{"larger"}},
		{strings.Repeat(`[`, 100_000), 400, []string{"no JSON"}},
	} {
		for _, path := range []string{"/api/v1/replays/plan", "/api/v1/replays"} {
			status, body := r.call(adminToken, http.MethodPost, path, c.body)
			if status != c.status || strings.Contains(body, "canary") {
				t.Errorf("%.60s: got %d %.300s, want %d", c.body, status, body, c.status)
			}
			for _, w := range c.want {
				if !strings.Contains(body, w) {
					t.Errorf("%.60s: the answer %.300s lacks %s", c.body, body, w)
				}
			}
		}
	}
	req := r.request(adminToken, http.MethodPost, "/api/v1/replays/plan", bounces)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if status, _, body := r.do(req); status != http.StatusUnsupportedMediaType {
		t.Errorf("a form: got %d %s", status, body)
	}
	for _, path := range []string{"/api/v1/replays?limits=3", "/api/v1/replays?limit=0", "/api/v1/replays?limit=1&limit=2", "/api/v1/replays/" + runID + "?x=1"} {
		if status, body := r.call(adminToken, http.MethodGet, path, ""); status != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
	if status, body := r.call(adminToken, http.MethodPost, "/api/v1/replays/"+runID+"/cancel", bounces); status != http.StatusBadRequest {
		t.Errorf("cancel with a body: got %d %s", status, body)
	}
	if len(r.engine.asked) > 0 {
		t.Errorf("the engine was asked for %v", r.engine.asked)
	}
}

// TestWhatIsNotForRemoteHands: files of the server, and addresses that only it can
// reach.
func TestWhatIsNotForRemoteHands(t *testing.T) {
	r := newRig(t)
	for to, want := range map[string]string{
		`{"kind":"file","file":"/tmp/x"}`:                                 "to.file",
		`{"kind":"topic","topic":"a","file":"/tmp/x"}`:                    "to.file",
		`{"kind":"stdout"}`:                                               "to.kind",
		`{"kind":"http","url":"http://hooks.example/"}`:                   "to.url: use https",
		`{"kind":"http","url":"https://h/","allow":["10.0.0.0/8"]}`:       "to.allow",
		`{"kind":"http","url":"https://h/","secret_files":["/etc/motd"]}`: "to.secret_files",
		`{"kind":"http","url":"https://h/","name":"crm"}`:                 "to.url",
	} {
		body := `{"select":{"all":true},"to":` + to + `}`
		kept := `{"request":` + body + `,"created":"2026-11-22T00:00:00Z","ranges":[],"records":0,"matching":0,"exact":true,"looked":0,"takes":0}`
		for path, body := range map[string]string{"/api/v1/replays/plan": body, "/api/v1/replays": body, "/api/v1/replays?": kept} {
			if status, answer := r.call(adminToken, http.MethodPost, path, body); status != http.StatusBadRequest || !strings.Contains(answer, want) {
				t.Errorf("%s: got %d %s, want 400 about %s", to, status, answer, want)
			}
		}
	}
	if status, answer := r.call(adminToken, http.MethodPost, "/api/v1/replays/plan", `{"select":{"all":true},"from_file":"/etc/passwd","to":{"kind":"topic"}}`); status != http.StatusBadRequest || !strings.Contains(answer, "from_file") {
		t.Errorf("from a file: got %d %s", status, answer)
	}
	r.engine.run.Plan.Request.To = replay.Target{Kind: replay.ToFile, File: "/tmp/x"}
	if status, answer := r.call(adminToken, http.MethodPost, "/api/v1/replays/"+runID+"/resume", ""); status != http.StatusBadRequest {
		t.Errorf("resuming a run into a file: got %d %s", status, answer)
	}
	if len(r.engine.asked) > 0 {
		t.Errorf("the engine was asked for %v", r.engine.asked)
	}
}

// TestExecuteSmallRequests, in the name of the token and nobody else, for as long as
// the process lives.
func TestExecuteSmallRequests(t *testing.T) {
	r := newRig(t)
	forged := strings.Replace(bounces, "{", `{"by":"the boss","reason":"a fix","exact":false,`, 1)
	status, header, body := r.do(r.request(replayToken, http.MethodPost, "/api/v1/replays", forged))
	var run replay.Run
	if err := json.Unmarshal([]byte(body), &run); err != nil {
		t.Fatal(err)
	}
	if status != http.StatusAccepted || header.Get("Location") != "/api/v1/replays/"+runID || run.ID != runID {
		t.Errorf("got %d, %v, %s", status, header, body)
	}
	want := replay.Request{
		Select: selection.Selection{Topics: []string{"email.bounced"}, Providers: []string{"jetemail"}},
		To:     replay.Target{Kind: replay.ToTopic, Topic: "copies"}, By: "api:ada", Reason: "a fix",
	}
	if len(r.engine.started) != 1 || !cmp.Equal(r.engine.started[0].Request, want) {
		t.Fatalf("started %+v, want %+v", r.engine.started, want)
	}
	if err := r.engine.lives.Err(); err != nil {
		t.Errorf("the run lives no longer than its request: %v", err)
	}
}

// TestLargeRequestsWantTheirPlan: a request that matches more than is asked about is
// answered with its plan; the plan sent back is executed.
func TestLargeRequestsWantTheirPlan(t *testing.T) {
	r := newRig(t)
	r.engine.plan.Matching = 101
	status, body := r.call(replayToken, http.MethodPost, "/api/v1/replays", bounces)
	var answer struct{ Plan json.RawMessage }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusConflict || answer.Plan == nil || len(r.engine.started) > 0 {
		t.Fatalf("got %d %s (%v), want 409 with the plan", status, body, err)
	}
	if status, body := r.call(replayToken, http.MethodPost, "/api/v1/replays", string(answer.Plan)); status != http.StatusAccepted || len(r.engine.started) != 1 {
		t.Fatalf("the plan sent back: got %d %s", status, body)
	}
	if got := r.engine.started[0]; got.Request.By != "api:ada" || !cmp.Equal(got.Ranges, r.engine.plan.Ranges) || got.Records != 20 {
		t.Errorf("started %+v", got)
	}
}

// TestPlansAreNotTrusted: one that was changed on the way is held against what its
// request comes to now.
func TestPlansAreNotTrusted(t *testing.T) {
	r := newRig(t)
	_, good := r.call(readToken, http.MethodPost, "/api/v1/replays/plan", bounces)
	if !strings.Contains(good, `"by":"api:grace"`) {
		t.Errorf("the plan is not grace's: %s", good)
	}
	for change, want := range map[[2]string]string{
		{`"to":15`, `"to":16`}:                  "behind",
		{`"to":15`, `"to":9223372036854775807`}: "behind",
		{`"topic":"email.bounced","partition":1`, `"topic":"email.raw","partition":1`}: "no records there",
		{`"partition":1`, `"partition":7`}:                                             "no records there",
		{`"created"`, `"creator":"x","created"`}:                                       "creator",
		{`"kind":"topic"`, `"kind":"stdout"`}:                                          "to.kind",
	} {
		forged := strings.Replace(good, change[0], change[1], 1)
		if forged == good {
			t.Fatalf("no %s in %s", change[0], good)
		}
		if status, body := r.call(adminToken, http.MethodPost, "/api/v1/replays", forged); status != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%s: got %d %s, want 400 with %q", change[1], status, body, want)
		}
	}
	if len(r.engine.started) > 0 {
		t.Errorf("started %v", r.engine.started)
	}
	// What expired since is a gap of the run and no fault of the plan.
	earlier := strings.Replace(good, `"from":5`, `"from":2`, 1)
	if status, body := r.call(adminToken, http.MethodPost, "/api/v1/replays", earlier); status != http.StatusAccepted {
		t.Errorf("records that expired since: got %d %s", status, body)
	} else if by := r.engine.started[0].Request.By; by != "api:root" {
		t.Errorf("executed by %s, want who sent it", by)
	}
}

// TestErrorsHaveTheirStatus.
func TestErrorsHaveTheirStatus(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		err    error
		status int
		want   string
	}{
		{&replay.RequestError{Problems: []string{"one", "two"}}, 400, `"problems":["one","two"]`},
		{&selection.InvalidError{Problems: []string{"one"}}, 400, `"problems":["one"]`},
		{&selection.ExpressionError{Message: "no such field"}, 400, "no such field"},
		{&selection.UnmatchedError{Patterns: []string{"email.x"}}, 400, "email.x"},
		{&replay.SameTopicError{Topics: []string{"email.x"}}, 400, "allow_same_topic"},
		{&replay.RunningError{}, 409, "error"},
		{&replay.EndedError{}, 409, "error"},
		{&replay.UnknownRunError{}, 404, "error"},
		{errDown, 503, "kafka is away"},
		{errors.New("something else"), 500, "something else"},
	} {
		r.engine.err = c.err
		for path, body := range map[string]string{"/api/v1/replays/plan": bounces, "/api/v1/replays/" + runID + "/cancel": ""} {
			if status, answer := r.call(adminToken, http.MethodPost, path, body); status != c.status || !strings.Contains(answer, c.want) {
				t.Errorf("%s: %T: got %d %s, want %d with %s", path, c.err, status, answer, c.status, c.want)
			}
		}
	}
}

// TestListsAreBounded.
func TestListsAreBounded(t *testing.T) {
	r := newRig(t)
	for path, want := range map[string]int{"": 50, "?limit=3": 3, "?limit=1000": 60} {
		_, body := r.call(readToken, http.MethodGet, "/api/v1/replays"+path, "")
		var list struct {
			Runs  []replay.Run
			Total int
		}
		if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Runs) != want || list.Total != 60 {
			t.Errorf("%q: got %d of %d (%v), want %d of 60", path, len(list.Runs), list.Total, err, want)
		}
	}
}

// TestChangesAreAudited: who did what, and nothing of what the request says about
// people.
func TestChangesAreAudited(t *testing.T) {
	r := newRig(t)
	canary := strings.Replace(bounces, `"providers"`, `"recipients":["canary@example.com"],"providers"`, 1)
	canary = strings.Replace(canary, "{", `{"reason":"canary",`, 1)
	r.call(readToken, http.MethodPost, "/api/v1/replays/plan", canary)
	r.call(replayToken, http.MethodPost, "/api/v1/replays", canary)
	r.call(adminToken, http.MethodPost, "/api/v1/replays/"+runID+"/cancel", "")
	r.call(adminToken, http.MethodPost, "/api/v1/replays/nothing/cancel", "")
	var got []string
	for _, line := range r.logs.All() {
		fields := line.ContextMap()
		text, err := json.Marshal(fields)
		if err != nil || bytes.Contains(text, []byte("canary")) || fields["reason_code"] != "api_call" {
			t.Errorf("logged %s (%v)", text, err)
		}
		who, _ := fields["who"].(string)
		action, _ := fields["action"].(string)
		id, _ := fields["id"].(string)
		status, _ := fields["status"].(int64)
		got = append(got, strings.TrimSpace(who+" "+action+" "+http.StatusText(int(status))+" "+id))
	}
	want := []string{"ada execute Accepted " + runID, "root cancel Accepted " + runID, "root cancel Not Found"}
	if !cmp.Equal(got, want) {
		t.Errorf("audited %q, want %q", got, want)
	}
	if !slices.Contains(r.engine.asked, "cancel "+runID+" by api:root") {
		t.Errorf("the engine was asked for %v", r.engine.asked)
	}
}

// TestPlansAreBounded: few at once, and none for who is gone.
func TestPlansAreBounded(t *testing.T) {
	r := newRig(t)
	r.engine.planBlock = make(chan struct{})
	var all sync.WaitGroup
	statuses := make(chan int, 5)
	for range cap(statuses) {
		all.Go(func() {
			status, _ := r.call(readToken, http.MethodPost, "/api/v1/replays/plan?count=true", bounces)
			statuses <- status
		})
	}
	if first := <-statuses; first != http.StatusTooManyRequests {
		t.Errorf("one of five: got %d, want 429", first)
	}
	close(r.engine.planBlock)
	all.Wait()
	for range 4 {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("got %d", status)
		}
	}
	if !cmp.Equal(r.engine.asked, []string{"count", "count", "count", "count"}) {
		t.Errorf("asked for %v", r.engine.asked)
	}
}

// TestAPIWaitsForItsEngine: before Open and after Close the answer is to come back.
func TestAPIWaitsForItsEngine(t *testing.T) {
	api, err := admin.NewAPI(admin.APIOptions{Tokens: []admin.Token{{"grace", admin.RoleRead, readToken}}, Now: time.Now, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	addr := serveAPI(t, "127.0.0.1:0", api)
	get := func() int {
		status, _, _ := ask(t, addr, "GET /api/v1/replays HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "+readToken+"\r\nConnection: close\r\n\r\n")
		return status
	}
	before := get()
	api.Open(t.Context(), newEngine())
	open := get()
	api.Close()
	if after := get(); before != 503 || open != 200 || after != 503 {
		t.Errorf("got %d, %d, %d, want 503, 200, 503", before, open, after)
	}
}
