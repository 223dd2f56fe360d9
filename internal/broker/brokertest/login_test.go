package brokertest_test

import (
	"context"
	"crypto/tls"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/postrider/postrider/internal/broker"
)

// TestNewCredentialsNeedNoRestart gives the right password to a client that
// began with a wrong one, while a record waits.
func TestNewCredentialsNeedNoRestart(t *testing.T) {
	t.Parallel()
	const topic = "orders"
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic),
				kfake.EnableSASL(), kfake.Superuser(mechanism, "rider", "right-secret"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cluster.Close)
			c, err := broker.Dial(broker.Options{
				Brokers: cluster.ListenAddrs(), SASL: &broker.SASLOptions{Mechanism: mechanism, Username: "rider", Password: "wrong-secret"},
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			w := newWriter(t, c, topic)
			waiting := w.write()
			<-w.seen.retried
			if err := c.SetCredentials("rider", ""); err == nil {
				t.Error("an empty password was taken")
			}
			if err := c.SetCredentials("rider", "right-secret"); err != nil {
				t.Fatal(err)
			}
			w.arrived(waiting)
			w.check(c)
		})
	}
}

func TestCredentialsThatDoNotBelongAreRefused(t *testing.T) {
	t.Parallel()
	plain, err := broker.Dial(broker.Options{Brokers: []string{"127.0.0.1:9092"}})
	if err != nil {
		t.Fatal(err)
	}
	msk, err := broker.Dial(broker.Options{
		Brokers: []string{"127.0.0.1:9092"}, TLS: &broker.TLSOptions{}, SASL: &broker.SASLOptions{Mechanism: "AWS_MSK_IAM", Region: "eu-central-1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*broker.Client{"without kafka.sasl": plain, "AWS_MSK_IAM": msk} {
		err := c.SetCredentials("rider", "some-secret")
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "some-secret") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	scram, err := broker.Dial(broker.Options{
		Brokers: []string{"127.0.0.1:9092"}, SASL: &broker.SASLOptions{Mechanism: "SCRAM-SHA-512", Username: "rider", Password: "right-secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := scram.SetCredentials("rider", "bell\x07secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a password with a control character: got %v", err)
	}
}

// TestAccountRemovedAndRestored takes the account away while records flow, gives
// it back, changes its password, and tells the client: no record is lost,
// doubled or refused.
func TestAccountRemovedAndRestored(t *testing.T) {
	t.Parallel()
	a := newAccount(t, "first-secret", leastRights()...)
	c := a.dial("first-secret")
	a.makeTopic(c)
	w := newWriter(t, c, a.topic)

	a.remove()
	waiting := w.until("access")
	a.setPassword("first-secret")
	w.arrived(waiting)

	a.setPassword("second-secret")
	waiting = w.until("access")
	if err := c.SetCredentials(a.name, "second-secret"); err != nil {
		t.Fatal(err)
	}
	w.arrived(waiting)
	w.check(c)
}

// TestSessionsThatEndLoseNothing publishes across the ends of several sessions:
// the broker closes a connection whose login is over, as it does with expired
// tokens.
func TestSessionsThatEndLoseNothing(t *testing.T) {
	t.Parallel()
	a := newAccount(t, "only-secret", leastRights()...)
	c := a.dial("only-secret")
	a.makeTopic(c)
	w := newWriter(t, c, a.topic)
	for range 3 {
		w.arrived(w.until("network"))
	}
	w.check(c)
}

// TestLeastRightsSuffice does what a receiver does with the rights that
// docs/security.md names; with any one of them missing it cannot be done.
func TestLeastRightsSuffice(t *testing.T) {
	t.Parallel()
	all := leastRights()
	for i := -1; i < len(all); i++ {
		rights, name := all, "all"
		if i >= 0 {
			rights, name = append(append([]right{}, all[:i]...), all[i+1:]...), "without "+all[i].operation.String()
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAccount(t, "least-secret", rights...)
			err := a.receive()
			switch {
			case i < 0 && err != nil:
				t.Errorf("the documented rights do not suffice: %v", err)
			case i >= 0 && err == nil:
				t.Error("works all the same: the right is not needed")
			}
		})
	}
}

// receive makes a topic, publishes to it and reads it.
func (a *account) receive() error {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	c := a.dial("least-secret")
	reports, err := c.EnsureTopics(ctx, []broker.TopicSpec{{Name: a.topic, Partitions: 1}}, true)
	if err != nil {
		return err
	}
	for _, r := range reports {
		for _, w := range r.Warnings {
			if strings.Contains(w, "DESCRIBE") {
				return &warning{w}
			}
		}
	}
	p := broker.NewPublisher(c, broker.PublisherOptions{Now: time.Now, Budget: 5 * time.Second})
	defer p.Close(ctx)
	if err := p.Publish(ctx, []broker.Record{{Topic: a.topic, Value: []byte("v")}}); err != nil {
		return err
	}
	return c.Read(ctx, a.topic, 0, 0, 1, func(broker.Message) error { return nil })
}

// warning is a topic report's warning as an error.
type warning struct{ text string }

func (w *warning) Error() string { return w.text }

func (a *account) makeTopic(c *broker.Client) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if _, err := c.EnsureTopics(ctx, []broker.TopicSpec{{Name: a.topic, Partitions: 1}}, true); err != nil {
		a.t.Fatal(err)
	}
}

// TestExpiredServerCertificateIsWaitedOut has a broker whose certificate is
// over, then renewed, while a record waits.
func TestExpiredServerCertificateIsWaitedOut(t *testing.T) {
	t.Parallel()
	const topic = "orders"
	expired, fresh := serverCertificate(t, -time.Hour), serverCertificate(t, time.Hour)
	var present atomic.Pointer[tls.Certificate]
	present.Store(&expired)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic), kfake.TLS(&tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return present.Load(), nil },
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	dir := t.TempDir()
	ca := writePEM(t, dir, "CERTIFICATE", expired.Certificate[0])
	appendPEM(t, ca, fresh.Certificate[0])
	c, err := broker.Dial(broker.Options{Brokers: cluster.ListenAddrs(), TLS: &broker.TLSOptions{CAFile: ca}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("Ping: got %v, want it to say what expired", err)
	}
	w := newWriter(t, c, topic)
	waiting := w.write()
	<-w.seen.retried
	present.Store(&fresh)
	w.arrived(waiting)
	w.check(c)
}
