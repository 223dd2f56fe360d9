package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/postrider/postrider/internal/replay"
)

const (
	// heartbeat is how long a stream may be silent.
	heartbeat = 15 * time.Second
	// streamWrite is how long a client may take to read one event.
	streamWrite = 10 * time.Second
	// streamEnd bounds the last look at a run.
	streamEnd = 2 * time.Second
)

// progress tells a run's progress as server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html) until it ends:
// "progress" with a Progress, then once "end" with the Run, or "error". It ends when
// the client is gone, cannot follow, or the receiver stops.
func (c *call) progress() error {
	run, err := c.run()
	if err != nil {
		return err
	}
	free, err := place(c.api.streams, "streams of progress")
	if err != nil {
		return err
	}
	defer free()
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // a proxy that collects would hold it back
	c.w.WriteHeader(http.StatusOK)
	s := &stream{call: c, control: http.NewResponseController(c.w)}
	_ = s.control.Flush() // the client knows at once that it is heard
	s.last(run.ID, s.follow(run.ID))
	return nil
}

// stream writes events to one client.
type stream struct {
	*call

	control *http.ResponseController
}

// follow writes progress until the run ends.
func (s *stream) follow(id string) error {
	ctx, cancel := context.WithCancel(s.ctx)
	news := make(chan replay.Progress)
	ended := make(chan error, 1)
	var watcher sync.WaitGroup
	defer watcher.Wait()
	defer cancel()
	watcher.Go(func() {
		ended <- s.replays.Watch(ctx, id, func(p replay.Progress) error {
			select {
			case news <- p:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	return s.relay(news, ended)
}

// relay writes what the watcher tells, and a comment where it is silent.
func (s *stream) relay(news <-chan replay.Progress, ended <-chan error) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case p := <-news:
			err = s.send("progress", p)
			beat.Reset(heartbeat)
		case <-beat.C:
			err = s.write(": still there\n\n")
		case err := <-ended:
			return err
		}
		if err != nil {
			return err
		}
	}
}

// last tells how a run ended, or why its progress is not told any more.
func (s *stream) last(id string, err error) {
	if s.r.Context().Err() != nil {
		return // nobody listens
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), streamEnd)
	defer cancel()
	run, failed := s.replays.Run(ctx, id)
	if failed == nil && run.State != replay.Running {
		_ = s.send("end", run) // if the client is gone, it is gone
		return
	}
	text := "the receiver is stopping"
	if err := cmp.Or(err, failed); err != nil {
		text = s.api.explain(err).text
	}
	_ = s.send("error", map[string]string{"error": text})
}

// send writes one event.
func (s *stream) send(event string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	return s.write("event: " + event + "\ndata: " + string(data) + "\n\n")
}

// write writes text at once, or gives the client up.
func (s *stream) write(text string) error {
	_ = s.control.SetWriteDeadline(s.api.opt.Now().Add(streamWrite)) // else the kernel's bound counts
	if _, err := s.w.Write([]byte(text)); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	return nil
}
