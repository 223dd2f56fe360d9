package brokertest_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/brokertest"
	"github.com/postrider/postrider/internal/broker/embedded"
)

func TestMain(m *testing.M) {
	// kafka-go's writer closes its per-connection goroutines some time after
	// Close; goleak waits for them.
	goleak.VerifyTestMain(m)
}

func TestEmbedded(t *testing.T) {
	brokertest.Run(t, func(t *testing.T) brokertest.Cluster {
		t.Helper()
		b, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return brokertest.Cluster{Options: broker.Options{Brokers: []string{b.Addr()}}, Embedded: true}
	})
}

func TestKafka(t *testing.T) {
	brokers := environment(t, "POSTRIDER_TEST_BROKERS")
	brokertest.Run(t, func(t *testing.T) brokertest.Cluster {
		t.Helper()
		return brokertest.Cluster{Options: broker.Options{Brokers: strings.Split(brokers, ",")}}
	})
}

// TestKafkaSASL is about getting in and being kept out; what is done inside
// does not differ from TestKafka.
func TestKafkaSASL(t *testing.T) {
	t.Parallel()
	good := broker.Options{
		Brokers: strings.Split(environment(t, "POSTRIDER_TEST_SASL_BROKERS"), ","),
		TLS:     &broker.TLSOptions{CAFile: environment(t, "POSTRIDER_TEST_CA")},
		SASL:    &broker.SASLOptions{Mechanism: "SCRAM-SHA-512", Username: "postrider", Password: "postrider-secret"},
		Timeout: 30 * time.Second,
	}
	with := func(change func(*broker.Options)) broker.Options {
		o := good
		o.SASL = &broker.SASLOptions{Mechanism: good.SASL.Mechanism, Username: good.SASL.Username, Password: good.SASL.Password}
		change(&o)
		return o
	}
	for _, tc := range []struct {
		name string
		o    broker.Options
		want string // "": it works
	}{
		{"SCRAM-SHA-512", good, ""},
		{"SCRAM-SHA-256", with(func(o *broker.Options) { o.SASL.Mechanism = "SCRAM-SHA-256" }), ""},
		{"PLAIN", with(func(o *broker.Options) { o.SASL.Mechanism = "PLAIN" }), ""},
		{"wrong password by SCRAM-SHA-256", with(func(o *broker.Options) { o.SASL.Mechanism, o.SASL.Password = "SCRAM-SHA-256", "wrong-secret" }), "kafka.sasl.password"},
		{"wrong password by PLAIN", with(func(o *broker.Options) { o.SASL.Mechanism, o.SASL.Password = "PLAIN", "wrong-secret" }), "kafka.sasl.password"},
		{"wrong password", with(func(o *broker.Options) { o.SASL.Password = "wrong-secret" }), "kafka.sasl.password"},
		{"wrong user", with(func(o *broker.Options) { o.SASL.Username = "nobody" }), "kafka.sasl.username"},
		{"mechanism not offered", with(func(o *broker.Options) {
			o.SASL = &broker.SASLOptions{Mechanism: "AWS_MSK_IAM", Region: "eu-central-1"}
		}), "kafka.sasl.mechanism"},
		{"no credentials", with(func(o *broker.Options) { o.SASL = nil }), "SASL"},
		{"unknown authority", with(func(o *broker.Options) { o.TLS = &broker.TLSOptions{} }), "kafka.tls.ca_file"},
		{"other authority", with(func(o *broker.Options) { o.TLS = &broker.TLSOptions{CAFile: otherAuthority(t)} }), "kafka.tls.ca_file"},
		{"wrong name", with(func(o *broker.Options) {
			o.TLS = &broker.TLSOptions{CAFile: good.TLS.CAFile, ServerName: "elsewhere.example"}
		}), "kafka.tls.server_name"},
		{"no TLS", with(func(o *broker.Options) { o.TLS = nil }), "TLS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := useBroker(t, tc.o)
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.want != "" && err == nil:
				t.Error("let in")
			case tc.want != "" && !strings.Contains(err.Error(), tc.want):
				t.Errorf("error does not say %q: %v", tc.want, err)
			case err != nil && strings.Contains(err.Error(), "-secret"):
				t.Errorf("error shows a password: %v", err)
			}
		})
	}
}

// useBroker connects, makes a topic and publishes to it.
func useBroker(t *testing.T, o broker.Options) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := broker.Dial(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Ping(ctx); err != nil {
		return err
	}
	topic := "conformance.sasl." + strings.ToLower(rand.Text()[:10])
	if _, err := c.EnsureTopics(ctx, []broker.TopicSpec{{Name: topic, Partitions: 1}}, true); err != nil {
		return err
	}
	p := broker.NewPublisher(c, broker.PublisherOptions{Now: time.Now, Budget: 20 * time.Second, AttemptTimeout: 10 * time.Second})
	defer p.Close(ctx)
	if err := p.Publish(ctx, []broker.Record{{Topic: topic, Key: []byte("k"), Value: []byte("v")}}); err != nil {
		return err
	}
	return joinOnce(ctx, c, topic)
}

// joinOnce joins a group, which has connections of its own, and leaves it.
func joinOnce(ctx context.Context, c *broker.Client, topic string) error {
	m, err := c.Join(broker.JoinOptions{Group: topic, Topics: []string{topic}})
	if err != nil {
		return err
	}
	defer m.Close() //nolint:contextcheck // leaving is to succeed when ctx has ended
	a, err := m.Next(ctx)
	if err == nil {
		err = a.Commit(ctx, map[string]map[int]int64{topic: {0: 1}})
		a.Release()
	}
	return err
}

// otherAuthority is a certificate that did not sign the broker's: the broker's
// own authority of the test is made anew for every folder.
func otherAuthority(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(path, []byte(strangePEM), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func environment(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Skipf("set %s to run this on a real Apache Kafka; internal/kafkatest/kafka-up.sh starts one and prints it", name)
	}
	return v
}

// strangePEM is an authority that signed nothing; its key was thrown away.
const strangePEM = `-----BEGIN CERTIFICATE-----
MIIBojCCAUmgAwIBAgIUW0H+OxVocgbFxuXthuZUhAxNdYwwCgYIKoZIzj0EAwIw
JjEkMCIGA1UEAwwbcG9zdHJpZGVyIHN0cmFuZ2UgYXV0aG9yaXR5MCAXDTI2MTEy
MTIwMDEwOVoYDzIxMjYxMDI4MjAwMTA5WjAmMSQwIgYDVQQDDBtwb3N0cmlkZXIg
c3RyYW5nZSBhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATdNqHw
i0Qbje1zOkfmKZiTQSHYz3i84tw194l4zAmU3BYmMFIw1Ml8RukqGGGxfM9WICnI
ab9jNxlWgqGXYkxRo1MwUTAdBgNVHQ4EFgQUmjga1c7AQ4UCqr2E9EwQ9RF0ONsw
HwYDVR0jBBgwFoAUmjga1c7AQ4UCqr2E9EwQ9RF0ONswDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNHADBEAiAoBe+JIskqvN/KcSH0Av1zbRU+aTYvE6Xaqrxc
GA0IHAIgI7VKQYUBVCqGiUT2CKT2jY3nerLRIkt1NghcZmBVLoQ=
-----END CERTIFICATE-----
`
