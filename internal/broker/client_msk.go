package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/segmentio/kafka-go/sasl"
	iam "github.com/segmentio/kafka-go/sasl/aws_msk_iam_v2"
)

// mskExpiryWindow is how long before their end temporary credentials are
// replaced. Brokers refuse a login with credentials about to end ("Session too
// short"), and the session they grant ends with them.
const mskExpiryWindow = 5 * time.Minute

// msk is the login to Amazon MSK with an IAM identity: a signed request
// (Signature Version 4, valid for five minutes) instead of a password
// (https://github.com/aws/aws-msk-iam-auth#details). Safe for concurrent use.
//
// Its credentials come from where AWS's own tools take theirs: the environment,
// the shared configuration files, a web identity, the container's or the
// instance's role
// (https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html).
// They are looked for at the first login and renewed before they end.
type msk struct {
	region   string
	signedAt time.Time // what signatures say; zero: the time of the login

	mu   sync.Mutex
	conf *aws.Config // nil until it could be read
}

func newMSK(region string) (*msk, error) {
	if region == "" {
		return nil, errors.New("broker client: kafka.sasl.region is missing: AWS_MSK_IAM signs for the cluster's region")
	}
	return &msk{region: region}, nil
}

// Name implements sasl.Mechanism.
func (*msk) Name() string { return saslMSK }

// Start implements sasl.Mechanism. What can fail is finding credentials.
func (m *msk) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	conf, err := m.config(ctx)
	if err != nil {
		return nil, nil, err
	}
	login := iam.NewMechanism(conf)
	login.SignTime = m.signedAt
	s, first, err := login.Start(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("no AWS credentials for kafka.sasl.mechanism AWS_MSK_IAM "+
			"(environment, shared files, web identity, container or instance role): %w", err)
	}
	return s, first, nil
}

// config reads AWS's configuration once it can be read.
func (m *msk) config(ctx context.Context) (aws.Config, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conf != nil {
		return *m.conf, nil
	}
	conf, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(m.region),
		config.WithLogger(logging.Nop{}), // it would write to stderr, past our log
		config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = mskExpiryWindow }),
	)
	if err != nil {
		return aws.Config{}, fmt.Errorf("no AWS credentials for kafka.sasl.mechanism AWS_MSK_IAM (AWS_* variables and shared files): %w", err)
	}
	m.conf = &conf
	return conf, nil
}
