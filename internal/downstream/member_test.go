//go:build unix

package downstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// memberVar makes the test binary a process that is one member of a group.
const memberVar = "POSTRIDER_TEST_MEMBER"

// member is what such a process is told.
type member struct {
	Name    string // also its client id
	Brokers []string
	Group   string
	Topics  []string
	Store   string // address
	Delays  []time.Duration
	Work    time.Duration // a handler takes up to that, at random
	// Session is as of consumer.Config.
	Session time.Duration
}

// How a handler treats a mark: what the event says in its metadata.
const (
	doFail      = "fail" // with a number: so many attempts fail
	doAlways    = "always"
	doPermanent = "permanent"
	doPanic     = "panic" // the first attempt does
)

// runMember is the process: a consumer as a user writes one. It prints a line for each
// assignment, and ends by SIGTERM, or with the process that started it.
func runMember(told string) error {
	var m member
	if err := json.Unmarshal([]byte(told), &m); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that counts
		cancel()
	}()
	log, err := zap.Config{
		Level: zap.NewAtomicLevelAt(zap.InfoLevel), Encoding: "console", EncoderConfig: zap.NewDevelopmentEncoderConfig(),
		OutputPaths: []string{"stderr"}, ErrorOutputPaths: []string{"stderr"}, DisableStacktrace: true, DisableCaller: true,
	}.Build()
	if err != nil {
		return err
	}
	h := consumer.Chain(m.handle, consumer.Once(&remote{addr: m.Store}))
	c, err := consumer.New(consumer.Config{
		Group: m.Group, Topics: m.Topics, Kafka: consumer.Kafka{Brokers: m.Brokers, ClientID: m.Name},
		Concurrency: 8, StopTimeout: time.Second, SessionTimeout: m.Session, CommitEvery: 200 * time.Millisecond,
		Retry: consumer.Retry{
			Attempts: 2, MinBackoff: 10 * time.Millisecond, MaxBackoff: 50 * time.Millisecond, Delays: m.Delays, Partitions: partitions,
		},
		Log: log.Named(m.Name),
	}, h)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { tellAssignments(c, done) }()
	err = c.Run(ctx)
	close(done)
	return err
}

// tellAssignments prints a line whenever the partitions are others.
func tellAssignments(c *consumer.Consumer, done <-chan struct{}) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		s := c.State()
		var names []string
		for i := range s.Partitions {
			names = append(names, s.Partitions[i].Topic+"/"+strconv.Itoa(s.Partitions[i].Partition))
		}
		slices.Sort(names)
		now := fmt.Sprintf("assigned %t %d", s.Assigned, len(names))
		if key := now + strings.Join(names, " "); key != last {
			last = key
			_, _ = fmt.Fprintln(os.Stdout, now)
		}
	}
}

// handle does the effect of a record, or fails as the event says.
func (m *member) handle(ctx context.Context, msg *consumer.Message) error {
	e, err := msg.Event()
	if err != nil {
		return consumer.Permanent(err)
	}
	if err := m.misbehave(e, msg.Attempt); err != nil {
		return err
	}
	n, err := strconv.Atoi(e.Metadata[metaN])
	if err != nil {
		return consumer.Permanent(err)
	}
	err = tell(ctx, effect{Mark: e.Metadata[metaMark], Topic: msg.Origin().Topic, Key: string(msg.Key), N: n, Member: m.Name})
	if err != nil {
		return err
	}
	if m.Work == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(rand.N(m.Work)):
		return nil
	}
}

// errAsked is a failure that the event asks for.
var errAsked = errors.New("the event asks for a failure")

func (m *member) misbehave(e *event.Event, attempt int) error {
	what, number, _ := strings.Cut(e.Metadata[metaDo], " ")
	switch what {
	case doFail:
		if n, err := strconv.Atoi(number); err != nil || attempt <= n {
			return errors.Join(errAsked, err)
		}
	case doAlways:
		return errAsked
	case doPermanent:
		return consumer.Permanent(errAsked)
	case doPanic:
		if attempt == 1 {
			panic("the event asks for a panic")
		}
	}
	return nil
}
