package broker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// The mechanisms of SASLOptions.
const (
	saslPlain    = "PLAIN"
	saslScram256 = "SCRAM-SHA-256"
	saslScram512 = "SCRAM-SHA-512"
	saslMSK      = "AWS_MSK_IAM"
)

// SASLOptions is the account at the brokers.
type SASLOptions struct {
	Mechanism string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or AWS_MSK_IAM
	Username  string // none for AWS_MSK_IAM
	Password  string // none for AWS_MSK_IAM
	Region    string // AWS_MSK_IAM: the region the cluster is in
}

// login is the SASL mechanism of all connections. Each handshake begins with
// the credentials of that moment, so that new ones need no new client. Safe for
// concurrent use.
type login struct {
	name    string
	present atomic.Pointer[sasl.Mechanism]
}

// Name implements sasl.Mechanism.
func (l *login) Name() string { return l.name }

// Start implements sasl.Mechanism.
func (l *login) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	return (*l.present.Load()).Start(ctx)
}

// set makes the next handshakes use a user name and a password.
func (l *login) set(username, password string) error {
	if username == "" || password == "" {
		return errors.New("broker client: kafka.sasl needs username and password")
	}
	m, err := mechanism(l.name, username, password)
	if err == nil {
		l.present.Store(&m)
	}
	return err
}

// mechanism makes one exchange of user name and password.
func mechanism(name, username, password string) (sasl.Mechanism, error) {
	switch name {
	case saslPlain:
		return plain.Mechanism{Username: username, Password: password}, nil
	case saslScram256:
		return scramMechanism(scram.SHA256, username, password)
	case saslScram512:
		return scramMechanism(scram.SHA512, username, password)
	}
	return nil, fmt.Errorf("broker client: kafka.sasl.mechanism is %q: use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or AWS_MSK_IAM", name)
}

func scramMechanism(algo scram.Algorithm, username, password string) (sasl.Mechanism, error) {
	m, err := scram.Mechanism(algo, username, password)
	if err != nil {
		return nil, fmt.Errorf("broker client: kafka.sasl.username or kafka.sasl.password can't be prepared for %s (RFC 4013 forbids some characters)", algo.Name())
	}
	return m, nil
}

// build returns nil for no authentication; secured says that TLS is on.
func (o *SASLOptions) build(secured bool) (*login, error) {
	if o == nil {
		return nil, nil
	}
	l := &login{name: o.Mechanism}
	if o.Mechanism != saslMSK {
		return l, l.set(o.Username, o.Password)
	}
	if !secured {
		return nil, errors.New("broker client: kafka.sasl.mechanism AWS_MSK_IAM needs kafka.tls.enabled: true")
	}
	own, err := newMSK(o.Region)
	if err != nil {
		return nil, err
	}
	m := sasl.Mechanism(own)
	l.present.Store(&m)
	return l, nil
}

// SetCredentials makes every connection from now on log in as username with
// password. Connections that are logged in stay: brokers do not ask them again,
// and a new password that is wrong must not stop what works. What failed to log
// in is tried again by itself. Safe for concurrent use; an error, which never
// holds the password, leaves the old credentials in force.
func (c *Client) SetCredentials(username, password string) error {
	switch {
	case c.login == nil:
		return errors.New("broker client: without kafka.sasl there are no credentials to change")
	case c.login.name == saslMSK:
		return errors.New("broker client: AWS_MSK_IAM takes its credentials from AWS, not from kafka.sasl")
	}
	return c.login.set(username, password)
}
