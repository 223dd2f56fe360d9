package docs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/event"
)

// redelivery is a group whose records became dead letters, and are handled again by
// the commands of the page.
type redelivery struct {
	*testing.T
	broker *consumertest.Broker

	mu   sync.Mutex
	said []string // about each call of the handler
}

// The commands of the page bring dead letters back to their group, and to nobody else.
func TestDeadLettersAreHandledAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	r := &redelivery{T: t, broker: consumertest.New(t)}
	r.check(r.broker.CreateTopics(t.Context(), append(consumer.EventTopics("email"), "email.replays")...))
	r.check(r.broker.Publish(t.Context(), event.Event{Type: event.Bounced, MessageID: "1"}, event.Event{Type: event.Bounced, MessageID: "2"}))

	store := consumer.NewMemory(consumer.MemoryOptions{})
	r.consume(store, consumer.Permanent(errors.New("the table is not there")))
	commands := regexp.MustCompile(`(?m)^postrider (replay --topic suppression\.dead [^#\n]+)`).FindAllStringSubmatch(text(t, "consumer.md"), -1)
	if len(commands) != 3 {
		t.Fatalf("found %d commands", len(commands))
	}
	postrider := r.build()
	for _, m := range commands {
		r.run(postrider, strings.Fields(m[1])...)
	}
	r.consume(store, nil)

	const want = "suppression.retry.1m, attempt 2, once in email.bounced"
	if got := r.said[2:]; got[0] != want || got[1] != want {
		t.Errorf("handled again: %q, want %q", got, want)
	}
	bounced, err := r.broker.Records(t.Context(), "email.bounced")
	if r.check(err); len(bounced) != 2 {
		t.Errorf("the topic of all groups has %d records, want 2", len(bounced))
	}
}

func (r *redelivery) check(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// consume runs the group until two more calls of its handler have ended as they
// should: dead letters for an error, or handled.
func (r *redelivery) consume(store consumer.Store, fails error) {
	r.Helper()
	ctx, done := context.WithTimeout(r.Context(), 30*time.Second)
	defer done()
	want, n := consumer.Handled, len(r.said)+2
	if fails != nil {
		want = consumer.Dead
	}
	c, err := consumer.New(consumer.Config{
		Kafka: r.broker.Kafka(), Group: "suppression", Topics: []string{"email.bounced"},
		Observe: func(s consumer.Result) {
			r.mu.Lock()
			defer r.mu.Unlock()
			m := s.Message // until this returns
			r.said = append(r.said, fmt.Sprintf("%s, attempt %d, once in %s", m.Topic, m.Attempt, m.Origin().Topic))
			if s.Outcome != want {
				r.Errorf("outcome %s: %v; want %s", s.Outcome, s.Err, want)
			}
			if len(r.said) == n {
				done()
			}
		},
	}, consumer.Chain(func(context.Context, *consumer.Message) error { return fails }, consumer.Once(store)))
	r.check(err)
	r.check(c.Run(ctx))
	if len(r.said) != n {
		r.Fatalf("%d calls, want %d", len(r.said), n)
	}
}

// build builds the program.
func (r *redelivery) build() string {
	r.Helper()
	program := filepath.Join(r.TempDir(), "postrider")
	if out, err := exec.CommandContext(r.Context(), "go", "build", "-o", program, "../cmd/postrider").CombinedOutput(); err != nil {
		r.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// run runs a command of the program on the test's broker.
func (r *redelivery) run(program string, args ...string) {
	r.Helper()
	dir := r.TempDir()
	const sources = "sources: [{name: a, provider: jetemail, auth: {type: jetemail, secrets: [{id: a, value: whsec_8f14e45fceea167a5a36dedd4bea2543}]}}]\n"
	r.check(os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(sources), 0o600))
	cmd := exec.CommandContext(r.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "POSTRIDER_KAFKA_BROKERS="+strings.Join(r.broker.Kafka().Brokers, ","))
	if out, err := cmd.CombinedOutput(); err != nil {
		r.Fatalf("postrider %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
