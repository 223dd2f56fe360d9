package admin_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/replay"
)

// open opens a stream of progress.
func (r *rig) open(ctx context.Context) (*bufio.Reader, io.Closer) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/api/v1/replays/"+runID+"/progress", http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+readToken)
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		r.t.Errorf("the content type is %q", got)
	}
	return bufio.NewReader(res.Body), res.Body
}

// next reads one event.
func next(t *testing.T, b *bufio.Reader) (event, data string) {
	t.Helper()
	for {
		line, err := b.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		switch line = strings.TrimSuffix(line, "\n"); {
		case line == "" && event != "":
			return event, data
		case strings.HasPrefix(line, "event: "):
			event = strings.TrimPrefix(line, "event: ")
		case strings.HasPrefix(line, "data: "):
			data = strings.TrimPrefix(line, "data: ")
		}
	}
}

// done sets the state of the engine's run.
func (e *engine) done(s replay.State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.run.State = s
}

// bound is what hastened bounds a server's reading and writing by. A machine that
// stands still for a while must not reach it.
const bound = 2 * time.Second

func hastened(s *admin.Server) { s.Hasten(bound) }

// TestProgressIsTold as it happens, past the server's bounds for other answers, and
// then how the run ended.
func TestProgressIsTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, hastened)
	tell := make(chan replay.Progress)
	r.engine.watch = func(_ context.Context, fn func(replay.Progress) error) error {
		for p := range tell {
			if err := fn(p); err != nil {
				return err
			}
		}
		return nil
	}
	b, body := r.open(t.Context())
	defer body.Close()
	tell <- replay.Progress{State: replay.Running, Delivered: 1}
	if event, data := next(t, b); event != "progress" || !strings.Contains(data, `"delivered":1,`) {
		t.Errorf("got %s %s", event, data)
	}
	<-time.After(bound + bound/2) // what the server's bounds would have cut off
	tell <- replay.Progress{State: replay.Running, Delivered: 2}
	if event, data := next(t, b); event != "progress" || !strings.Contains(data, `"delivered":2,`) {
		t.Errorf("got %s %s", event, data)
	}
	r.engine.done(replay.Completed)
	close(tell)
	if event, data := next(t, b); event != "end" || !strings.Contains(data, `"state":"completed"`) || !strings.Contains(data, runID) {
		t.Errorf("got %s %s", event, data)
	}
	if _, err := b.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

// TestLongPlansAreAnswered, past the server's bounds, well or not.
func TestLongPlansAreAnswered(t *testing.T) {
	t.Parallel()
	r := newRig(t, hastened)
	for want, err := range map[int]error{http.StatusOK: nil, http.StatusServiceUnavailable: errDown} {
		r.engine.err, r.engine.planBlock = err, make(chan struct{})
		time.AfterFunc(bound+bound/2, func() { close(r.engine.planBlock) })
		if status, body := r.call(readToken, http.MethodPost, "/api/v1/replays/plan", bounces); status != want {
			t.Errorf("got %d %s, want %d", status, body, want)
		}
	}
}

// TestStreamsEndWithTheirClient.
func TestStreamsEndWithTheirClient(t *testing.T) {
	r := newRig(t)
	ended := make(chan error)
	r.engine.watch = func(ctx context.Context, fn func(replay.Progress) error) error {
		if err := fn(replay.Progress{}); err != nil {
			return err
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	ctx, leave := context.WithCancel(t.Context())
	b, body := r.open(ctx)
	defer body.Close()
	next(t, b)
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestStreamsEndWithTheReceiver, and say how the run stands: interrupted if it was
// one of ours, which its watchers want to know.
func TestStreamsEndWithTheReceiver(t *testing.T) {
	for _, c := range []struct {
		state replay.State
		want  string
	}{{replay.Interrupted, "end"}, {replay.Running, "error"}} {
		state, want := c.state, c.want
		r := newRig(t)
		r.engine.watch = func(ctx context.Context, fn func(replay.Progress) error) error {
			if err := fn(replay.Progress{}); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}
		b, body := r.open(t.Context())
		next(t, b)
		r.engine.done(state)
		r.api.Close()
		if event, data := next(t, b); event != want {
			t.Errorf("%s: got %s %s, want %s", state, event, data, want)
		}
		if rest, err := io.ReadAll(b); err != nil || len(rest) > 0 {
			t.Errorf("%s: then %q, %v", state, rest, err)
		}
		body.Close()
	}
}

// TestStreamsTellWhatWentWrong.
func TestStreamsTellWhatWentWrong(t *testing.T) {
	r := newRig(t)
	r.engine.watch = func(context.Context, func(replay.Progress) error) error { return errDown }
	b, body := r.open(t.Context())
	defer body.Close()
	if event, data := next(t, b); event != "error" || !strings.Contains(data, errDown.Error()) {
		t.Errorf("got %s %s", event, data)
	}
	if status, answer := r.call(readToken, http.MethodGet, "/api/v1/replays/unknown/progress", ""); status != http.StatusNotFound {
		t.Errorf("of no run: got %d %s", status, answer)
	}
}
