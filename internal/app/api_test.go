package app_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/replay"
)

const apiToken = "5b1d0c7e9f3a48264a6e"

// withAPI is settings with one token.
const withAPI = "POSTRIDER_ADMIN_TOKENS_0_ID=ada POSTRIDER_ADMIN_TOKENS_0_ROLE=replay POSTRIDER_ADMIN_TOKENS_0_VALUE=" + apiToken

// ask asks the API and decodes the answer.
func (r *running) ask(method, path, body string, want int, into any) {
	r.t.Helper()
	status, answer := r.do(r.apiRequest(method, path, body))
	if status != want {
		r.t.Fatalf("%s %s: got %d %s, want %d\n%s", method, path, status, answer, want, r.log)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(answer), into); err != nil {
		r.t.Fatalf("%s %s: %v: %s", method, path, err, answer)
	}
}

func (r *running) apiRequest(method, path, body string) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.Info().Admin+"/api/v1/replays"+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+apiToken)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// watch reads a stream of progress until fn wants no more, and returns the run that
// the stream ends with, if it came so far.
func (r *running) watch(id string, fn func(replay.Progress) bool) (ended replay.Run) {
	r.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport, Timeout: patience}).Do(r.apiRequest(http.MethodGet, "/"+id+"/progress", ""))
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	event := ""
	for lines := bufio.NewReader(res.Body); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			r.t.Fatalf("the stream ended early: %v\n%s", err, r.log)
		}
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "event: "); ok {
			event = name
		}
		data, ok := strings.CutPrefix(line, "data: ")
		switch {
		case !ok:
		case event == "progress":
			var p replay.Progress
			if err := json.Unmarshal([]byte(data), &p); err != nil {
				r.t.Fatal(err)
			}
			if !fn(p) {
				return replay.Run{}
			}
		case event == "end":
			if err := json.Unmarshal([]byte(data), &ended); err != nil {
				r.t.Fatal(err)
			}
			if rest, err := io.ReadAll(lines); err != nil || strings.TrimSpace(string(rest)) != "" {
				r.t.Errorf("after the end: %q, %v", rest, err)
			}
			return ended
		default:
			r.t.Fatalf("%s: %s", event, data)
		}
	}
}

func everything(replay.Progress) bool { return true }

// withEvents starts a receiver and sends it events.
func withEvents(t *testing.T, n int) *running {
	t.Helper()
	r := run(t, settings(t, withAPI))
	for i := range n {
		if status := r.post(jetEvent(fmt.Sprintf("evt_%d", i))); status != http.StatusOK {
			t.Fatalf("got %d\n%s", status, r.log)
		}
	}
	return r
}

// copies counts the events of a topic by their ids.
func (r *running) copies(topic string) map[string]int {
	r.t.Helper()
	count := map[string]int{}
	for _, e := range events(r.t, r.cfg, r.Info().Brokers, topic) {
		count[e.ProviderEventID]++
	}
	return count
}

// TestReplayByAPI: a plan, its execution, its progress, its record.
func TestReplayByAPI(t *testing.T) {
	const n = 12
	r := withEvents(t, n)
	var plan json.RawMessage
	r.ask("POST", "/plan?count=true", `{"select":{"topics":["email.delivered"],"sources":["jet"]},"to":{"kind":"topic","topic":"copies"},"reason":"a test"}`, 200, &plan)
	var planned replay.Plan
	if err := json.Unmarshal(plan, &planned); err != nil || planned.Matching != n || !planned.Exact || planned.Request.By != "api:ada" {
		t.Fatalf("planned %s (%v), want %d records", plan, err, n)
	}
	if status := r.post(jetEvent("evt_later")); status != http.StatusOK {
		t.Fatal(status)
	}
	var begun replay.Run
	r.ask("POST", "", string(plan), 202, &begun)
	run := r.watch(begun.ID, everything)
	if run.State != replay.Completed || run.Progress.Delivered != n || run.ID != begun.ID {
		t.Errorf("ended as %+v", run)
	}
	if got := r.copies("copies"); len(got) != n || got["evt_later"] > 0 {
		t.Errorf("copied %v, want the %d events of the plan", got, n)
	}
	var shown replay.Run
	r.ask("GET", "/"+begun.ID[:13], "", 200, &shown)
	if shown.State != replay.Completed || shown.Plan.Request.Reason != "a test" || shown.Plan.Request.By != "api:ada" {
		t.Errorf("shows %+v", shown)
	}
	var list struct{ Runs []replay.Run }
	r.ask("GET", "", "", 200, &list)
	if len(list.Runs) != 1 || list.Runs[0].ID != begun.ID {
		t.Errorf("lists %+v", list)
	}
	r.ask("POST", "/"+begun.ID+"/cancel", "", 409, nil)
	r.ask("POST", "/plan", `{"select":{"topics":["email.nothing"],"all":true},"to":{"kind":"topic","topic":"copies"}}`, 400, nil)
	r.ask("POST", "/plan", `{"select":{"topics":["email.delivered"],"all":true},"to":{"kind":"http","url":"https://127.0.0.1/"}}`, 400, nil)
}

const slowly = `{"select":{"topics":["email.delivered"],"sources":["jet"]},"to":{"kind":"topic","topic":"copies"},"pace":{"rate":8}}`

// moving reports a run that is under way.
func moving(p replay.Progress) bool { return p.Delivered == 0 }

// TestCancelByAPI ends a run for good.
func TestCancelByAPI(t *testing.T) {
	r := withEvents(t, 40)
	var begun replay.Run
	r.ask("POST", "", slowly, 202, &begun)
	r.watch(begun.ID, moving)
	r.ask("POST", "/"+begun.ID+"/cancel", "", 202, nil)
	run := r.watch(begun.ID, everything)
	if run.State != replay.Cancelled || run.CancelledBy != "api:ada" || run.Progress.Delivered >= 40 {
		t.Errorf("ended as %s by %q after %d", run.State, run.CancelledBy, run.Progress.Delivered)
	}
	r.ask("POST", "/"+begun.ID+"/resume", "", 409, nil)
}

// TestStopInterruptsReplays cleanly: the next process goes on, without a gap and
// without a record twice.
func TestStopInterruptsReplays(t *testing.T) {
	const n = 24
	first := withEvents(t, n)
	var begun replay.Run
	first.ask("POST", "", slowly, 202, &begun)
	first.watch(begun.ID, moving)
	ended := make(chan replay.Run, 1)
	opened := make(chan struct{}, 1)
	go func() {
		ended <- first.watch(begun.ID, func(replay.Progress) bool {
			select {
			case opened <- struct{}{}:
			default:
			}
			return true
		})
	}()
	<-opened
	first.stop()
	if run := <-ended; run.State != replay.Interrupted {
		t.Errorf("watchers were told %q", run.State)
	}

	second := run(t, first.cfg)
	var shown replay.Run
	second.ask("GET", "/"+begun.ID, "", 200, &shown)
	if shown.State != replay.Interrupted || shown.Progress.Delivered == 0 || shown.Progress.Delivered >= n {
		t.Fatalf("shows %s after %d", shown.State, shown.Progress.Delivered)
	}
	second.ask("POST", "/"+begun.ID+"/resume", "", 202, nil)
	if run := second.watch(begun.ID, everything); run.State != replay.Completed || run.Progress.Delivered != n {
		t.Errorf("ended as %s after %d, want all %d", run.State, run.Progress.Delivered, n)
	}
	got := second.copies("copies")
	for id, times := range got {
		if times != 1 {
			t.Errorf("%s was copied %d times", id, times)
		}
	}
	if len(got) != n {
		t.Errorf("%d were copied, want %d", len(got), n)
	}
}
