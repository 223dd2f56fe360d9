package brokertest_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/postrider/postrider/internal/broker"
)

// bound ends a test that hangs; every wait is on a condition.
const bound = time.Minute

// account is a user of a real Kafka that logs in with SCRAM-SHA-256, whose
// sessions end after two seconds there (see kafka-up.sh): what happens to the
// account is felt at once.
type account struct {
	t          *testing.T
	admin      *kafka.Client
	name       string
	topic      string // its name begins the names of the topics it may use
	brokers    string
	iterations int
}

// newAccount makes an account with password, and rights to what it needs.
func newAccount(t *testing.T, password string, rights ...right) *account {
	t.Helper()
	id := strings.ToLower(rand.Text()[:10])
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	a := &account{
		t: t, name: "account-" + id, topic: "account." + id, iterations: 4096,
		admin: &kafka.Client{
			Addr:    kafka.TCP(strings.Split(environment(t, "POSTRIDER_TEST_BROKERS"), ",")...),
			Timeout: 30 * time.Second, Transport: transport,
		},
		brokers: environment(t, "POSTRIDER_TEST_SASL_BROKERS"),
	}
	a.setPassword(password)
	t.Cleanup(a.remove)
	for _, r := range rights {
		a.grant(r)
	}
	return a
}

// right is one access rule; the topic rights hold for the prefix.
type right struct {
	resource  kafka.ResourceType
	operation kafka.ACLOperationType
}

// leastRights is what docs/security.md tells to grant: the same list. Write and
// Read include Describe.
func leastRights() []right {
	return []right{
		{kafka.ResourceTypeTopic, kafka.ACLOperationTypeWrite},
		{kafka.ResourceTypeTopic, kafka.ACLOperationTypeDescribeConfigs},
		{kafka.ResourceTypeTopic, kafka.ACLOperationTypeCreate},
		{kafka.ResourceTypeTopic, kafka.ACLOperationTypeRead},
	}
}

func (a *account) grant(r right) {
	a.t.Helper()
	res, err := a.admin.CreateACLs(context.Background(), &kafka.CreateACLsRequest{ACLs: []kafka.ACLEntry{{
		ResourceType: r.resource, ResourceName: a.topic, ResourcePatternType: kafka.PatternTypePrefixed,
		Principal: "User:" + a.name, Host: "*", Operation: r.operation, PermissionType: kafka.ACLPermissionTypeAllow,
	}}})
	if err == nil {
		err = res.Errors[0]
	}
	if err != nil {
		a.t.Fatalf("grant %v: %v", r, err)
	}
}

func (a *account) setPassword(password string) {
	a.t.Helper()
	salt := []byte(rand.Text())
	salted, err := pbkdf2.Key(sha256.New, password, salt, a.iterations, sha256.Size)
	if err != nil {
		a.t.Fatal(err)
	}
	a.alter(&kafka.AlterUserScramCredentialsRequest{Upsertions: []kafka.UserScramCredentialsUpsertion{{
		Name: a.name, Mechanism: kafka.ScramMechanismSha256, Iterations: a.iterations, Salt: salt, SaltedPassword: salted,
	}}})
}

func (a *account) remove() {
	a.t.Helper()
	a.alter(&kafka.AlterUserScramCredentialsRequest{Deletions: []kafka.UserScramCredentialsDeletion{{
		Name: a.name, Mechanism: kafka.ScramMechanismSha256,
	}}})
}

func (a *account) alter(req *kafka.AlterUserScramCredentialsRequest) {
	a.t.Helper()
	res, err := a.admin.AlterUserScramCredentials(context.Background(), req)
	if err == nil {
		err = res.Results[0].Error
	}
	if err != nil {
		a.t.Fatalf("change the account %s: %v", a.name, err)
	}
}

// dial logs in as the account.
func (a *account) dial(password string) *broker.Client {
	a.t.Helper()
	c, err := broker.Dial(broker.Options{
		Brokers: strings.Split(a.brokers, ","),
		TLS:     &broker.TLSOptions{CAFile: environment(a.t, "POSTRIDER_TEST_CA")},
		SASL:    &broker.SASLOptions{Mechanism: "SCRAM-SHA-256", Username: a.name, Password: password},
		Timeout: 30 * time.Second,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(c.Close)
	return c
}

// writer publishes numbered records one after the other.
type writer struct {
	t     *testing.T
	topic string
	pub   *broker.GroupCommitter
	seen  *attempts
	next  int
}

func newWriter(t *testing.T, c *broker.Client, topic string) *writer {
	t.Helper()
	w := &writer{t: t, topic: topic, seen: &attempts{retried: make(chan string, 1)}}
	w.pub = broker.NewPublisher(c, broker.PublisherOptions{
		Now: time.Now, Budget: bound, AttemptTimeout: 10 * time.Second, Observer: w.seen,
	})
	t.Cleanup(func() {
		if err := w.pub.Close(context.Background()); err != nil {
			t.Errorf("close the publisher: %v", err)
		}
	})
	return w
}

// write publishes the next record and returns its outcome later.
func (w *writer) write() <-chan error {
	w.next++
	value := fmt.Appendf(nil, "%06d", w.next)
	done := make(chan error, 1)
	go func() {
		done <- w.pub.Publish(context.Background(), []broker.Record{{Topic: w.topic, Key: []byte("k"), Value: value}})
	}()
	return done
}

// until writes until a record has to be sent again for a reason, and returns
// that record's outcome.
func (w *writer) until(reason string) <-chan error {
	w.t.Helper()
	deadline := time.After(bound)
	for {
		done := w.write()
		select {
		case err := <-done:
			if err != nil {
				w.t.Fatalf("record %d: %v", w.next, err)
			}
		case got := <-w.seen.retried:
			for got != reason {
				select {
				case got = <-w.seen.retried:
				case <-deadline:
					w.t.Fatalf("records are sent again for %q, never for %q", got, reason)
				}
			}
			return done
		case <-deadline:
			w.t.Fatalf("%d records, and none had to be sent again for %q", w.next, reason)
		}
	}
}

// arrived demands a good outcome.
func (w *writer) arrived(done <-chan error) {
	w.t.Helper()
	if err := <-done; err != nil {
		w.t.Fatalf("record %d: %v", w.next, err)
	}
}

// check reads the topic: every record once, in order.
func (w *writer) check(c *broker.Client) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	ranges, err := c.Offsets(ctx, w.topic)
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	err = c.Read(ctx, w.topic, 0, ranges[0].First, ranges[0].Next, func(m broker.Message) error {
		n++
		if got, want := string(m.Value), fmt.Sprintf("%06d", n); got != want {
			return fmt.Errorf("record %d is %s", n, got)
		}
		return nil
	})
	if err != nil || n != w.next {
		w.t.Errorf("%d records in the topic, %d written: %v", n, w.next, err)
	}
}

// attempts is a broker.Observer that hands on why records are sent again.
type attempts struct{ retried chan string }

func (a *attempts) BatchAcked(string, int, int, time.Duration) {}

func (a *attempts) Identified() {}

func (a *attempts) Retried(reason string) {
	select {
	case a.retried <- reason:
	default:
	}
}
