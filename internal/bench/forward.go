package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/forward"
	"github.com/postrider/postrider/pkg/consumer"
)

// markForward is how many deliveries a second a subscription should make to a target
// on the same two cores.
const markForward = 5000

// sinkRole is the -role of the process that is delivered to.
const sinkRole = "sink"

// The ways to deliver.
const (
	wayPost    = "post"
	wayForward = "forward"
)

// atOnce is how many deliveries are made at once.
const atOnce = 64

// sinkPoll is how often the target is asked how many requests it has seen.
const sinkPoll = 20 * time.Millisecond

// forwardBenchmark is a whole run of -forward.
func forwardBenchmark(ctx context.Context, o options, args []string, out, progress io.Writer) error {
	return withRecords(ctx, o, progress, func(c *copying) (err error) {
		sink, err := startSink(ctx, c.dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, sink.stop()) }()
		d := &delivering{c, "http://" + sink.ready.Listen}
		ways := []way{
			{wayPost, fmt.Sprintf("net/http posts values that are in memory, %d at once, unsigned", atOnce), d.post},
			{wayForward, fmt.Sprintf("a subscription from the topic, %d at once: read, filtered, signed, posted, committed", atOnce), d.forward},
		}
		ts, err := turns(ctx, c, ways)
		if err != nil {
			return err
		}
		return forwardReport(ctx, o, args, ways, ts).write(out, o.output)
	})
}

// forwardReport holds the forwarder against its goal, and shows it beside the client
// that it stands on.
func forwardReport(ctx context.Context, o options, args []string, ways []way, ts []turn) *wayReport {
	r := newWayReport(ctx, o, args, ways, ts)
	speed := r.speeds(wayForward)
	r.Marks = []mark{{wayForward, fmt.Sprintf("at least %d deliveries a second", markForward), speed.Median, speed.Median >= markForward}}
	r.Notes = append(r.Notes, "forward to post: "+r.ratios(wayForward, wayPost).show("%.2f"), "the target is a process of its own that reads the body and answers 204")
	return r
}

// delivering measures deliveries to a target.
type delivering struct {
	*copying
	url string
}

// follow tells the meter what the target has seen since it had seen some, until it is all.
func (d *delivering) follow(ctx context.Context, m *meter, before int64) error {
	tick := time.NewTicker(sinkPoll)
	defer tick.Stop()
	for m.seen.Load() < m.want {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		now, err := d.seen(ctx)
		if err != nil {
			return err
		}
		if now > before {
			m.add(min(now-before, m.want-m.seen.Load()))
			before = now
		}
	}
	return nil
}

// seen asks the target.
func (d *delivering) seen(ctx context.Context) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask the target: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(b), 10, 64)
}

// post is the least that delivers: what it sends was read before.
func (d *delivering) post(ctx context.Context, m *meter) error {
	value := d.record(1, time.Now()).Value
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	defer client.CloseIdleConnections()
	before, err := d.seen(ctx)
	if err != nil {
		return err
	}
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return d.follow(ctx, m, before) })
	var left atomic.Int64
	left.Store(int64(d.options.records))
	for range atOnce {
		all.Go(func() error {
			for left.Add(-1) >= 0 {
				if err := postOnce(ctx, client, d.url, value); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return all.Wait()
}

func postOnce(ctx context.Context, client *http.Client, url string, value []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(value))
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, res.Body) // so that the connection is used again
	return res.Body.Close()
}

// forward delivers every record by a new subscription.
func (d *delivering) forward(ctx context.Context, m *meter) error {
	f, err := forward.New(forward.Options{
		Subscriptions: []forward.Subscription{{
			Name: "bench", Group: d.prefix + "." + randomHex()[:8], Topics: []string{d.source}, URL: d.url, Format: forward.JSON,
			Secrets: []delivery.Secret{{ID: "bench", Key: "whsec_c2lnbmluZyBzZWNyZXQgb2YgMzIgYnl0ZXMhIQ=="}},
			Allow:   []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
			Timeout: time.Minute, Concurrency: atOnce, Attempts: 1,
		}},
		Kafka: consumer.Kafka{Brokers: d.brokers}, Log: zap.NewNop(), Now: time.Now, StopTimeout: 2 * time.Second,
	})
	if err != nil {
		return err
	}
	before, err := d.seen(ctx)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(running)
	}()
	err = d.follow(ctx, m, before)
	stop()
	<-done
	return err
}

// startSink starts this very program as the target of deliveries.
func startSink(ctx context.Context, dir string) (*child, error) {
	return startSelf(ctx, dir, sinkRole)
}

// serveSink is the target: it reads what is posted and counts it; who gets learns the
// count.
func serveSink(ctx context.Context, readyFile string, parent io.Reader) error {
	var seen atomic.Int64
	return serveChild(ctx, readyFile, parent, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, strconv.FormatInt(seen.Load(), 10))
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		seen.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
}

// serveChild serves on a port of its own; see serveChildAt.
func serveChild(ctx context.Context, readyFile string, parent io.Reader, h http.Handler) error {
	return serveChildAt(ctx, "127.0.0.1:0", readyFile, parent, h)
}

// serveChildAt serves until ctx ends, or the process that started this one.
func serveChildAt(ctx context.Context, listen, readyFile string, parent io.Reader, h http.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, parent) // its end is all that counts
		cancel()
	}()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("bench: listen: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := writeReady(readyFile, ready{Listen: l.Addr().String()}); err != nil {
		return err
	}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("bench: serve: %w", err)
	}
	return nil
}
