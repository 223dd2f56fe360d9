package ingest_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
)

// policies are those of every provider that is built in, and of kinds of
// provider that are not.
func policies() map[string]provider.Policy {
	out := map[string]provider.Policy{
		"discards on 5xx": {Busy: 429, Again: []provider.Codes{{From: 429, To: 429}}},
		"stops on 406":    {Busy: 503, Stops: []int{406}, Again: []provider.Codes{{From: 400, To: 405}, {From: 407, To: 599}}},
		"discards on 4xx": {Busy: 503, Again: []provider.Codes{{From: 500, To: 599}}},
		"stops on 401":    {Busy: 503, Refused: 400, Stops: []int{401}, Again: []provider.Codes{{From: 400, To: 400}, {From: 402, To: 599}}},
	}
	for _, def := range all.Definitions() {
		out[def.ID] = def.Policy
	}
	return out
}

// outcome is something that can become of a request, and how to bring it about.
type outcome struct {
	fail    error               // of the publisher
	buffer  int64               // bytes of memory for bodies; 0: plenty
	request func(r *rig) answer // default: a proven one
	ours    bool                // trouble of ours: it must come again
	want    func(provider.Answers) int
}

// answer is what came back.
type answer struct {
	code  int
	retry string
}

// post sends a token request and returns the answer.
func post(path, body string) func(*rig) answer {
	return func(r *rig) answer {
		res := r.do(r.request(http.MethodPost, path, body))
		return answer{res.StatusCode, res.Header.Get("Retry-After")}
	}
}

// stalled sends half a body and waits.
func stalled(r *rig) answer {
	c := r.dial()
	defer c.close()
	c.write("POST /v1/webhooks/vfs/" + urlToken + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"type\":")
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	return answer{res.StatusCode, res.Header.Get("Retry-After")}
}

func outcomesOfARequest() map[string]outcome {
	busy := func(a provider.Answers) int { return a.Busy }
	overload := func(a provider.Answers) int { return a.Overload }
	const path, event = "/v1/webhooks/vfs/" + urlToken, `{"type":"Sent","eventId":"1"}`
	return map[string]outcome{
		"accepted":          {want: func(a provider.Answers) int { return a.Accepted }},
		"nothing":           {request: post(path, "[]"), want: func(a provider.Answers) int { return a.Accepted }},
		"refused":           {request: post("/v1/webhooks/vfs/"+strings.Repeat("0", 32), event), want: func(a provider.Answers) int { return a.Refused }},
		"too slow":          {request: stalled, ours: true, want: busy},
		"bodies in memory":  {buffer: 1, request: post(path, event+strings.Repeat(" ", 40<<10)), ours: true, want: overload},
		"kafka too slow":    {fail: broker.ErrDeadline, ours: true, want: busy},
		"stopping":          {fail: broker.ErrClosed, ours: true, want: busy},
		"publisher is full": {fail: broker.ErrOverloaded, ours: true, want: busy},
		"kafka says no":     {fail: errors.New("topic authorization failed"), ours: true, want: busy},
	}
}

// Every outcome has, for every provider, the status that makes it do the right
// thing next: what is our trouble comes again, and a bad proof never stops it.
func TestEveryOutcomeHasTheStatusTheProviderNeeds(t *testing.T) {
	t.Parallel()
	for name, policy := range policies() {
		for what, o := range outcomesOfARequest() {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				r := start(t, func(opt *ingest.Options, p *fakePublisher) { arrange(opt, p, policy, o) })
				request := o.request
				if request == nil {
					request = post("/v1/webhooks/vfs/"+urlToken, `{"type":"Sent","eventId":"1"}`)
				}
				checkAnswer(t, request(r), policy, o)
			})
		}
	}
}

// arrange brings an outcome about at a source of the policy.
func arrange(opt *ingest.Options, p *fakePublisher, policy provider.Policy, o outcome) {
	a, src := policy.Answers(), opt.Sources[1]
	src.Accepted, src.Busy, src.Overload, src.RefusedStatus = a.Accepted, a.Busy, a.Overload, a.Refused
	opt.Limits.ReadTimeout = 200 * time.Millisecond
	if o.buffer > 0 {
		opt.Limits.MaxBufferedBytes = o.buffer
	}
	if o.fail != nil {
		p.fail = func(broker.Record) error { return o.fail }
	}
}

func checkAnswer(t *testing.T, got answer, policy provider.Policy, o outcome) {
	t.Helper()
	if want := o.want(policy.Answers()); got.code != want {
		t.Errorf("answered %d, want %d", got.code, want)
	}
	if slices.Contains(policy.Stops, got.code) {
		t.Errorf("answered %d, which stops the provider for good", got.code)
	}
	if o.ours && (policy.GivesUp(got.code) || got.retry == "") {
		t.Errorf("answered %d, Retry-After %q: trouble of ours must bring the event again", got.code, got.retry)
	}
}

// A refusal that asks for another try says when.
func TestARefusalThatAsksForAnotherTrySaysWhen(t *testing.T) {
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Sources[0].RefusedStatus = http.StatusTooManyRequests })
	if res := r.want(r.request("POST", "/v1/webhooks/jet", "{}"), http.StatusTooManyRequests); res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}
