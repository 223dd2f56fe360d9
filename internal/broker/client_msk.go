package broker

import (
	"context"
	"errors"
	"fmt"
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
// (https://github.com/aws/aws-msk-iam-auth#details).
type msk struct{ sasl.Mechanism }

// newMSK takes its credentials from where AWS's own tools do: the environment,
// the shared configuration files, a web identity, the container's or the
// instance's role
// (https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html).
// They are looked for when the first connection is made and renewed before they
// end.
func newMSK(region string) (sasl.Mechanism, error) {
	if region == "" {
		return nil, errors.New("broker client: kafka.sasl.region is missing: AWS_MSK_IAM signs for the cluster's region")
	}
	conf, err := config.LoadDefaultConfig(context.Background(),
		config.WithRegion(region),
		config.WithLogger(logging.Nop{}), // it would write to stderr, past our log
		config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = mskExpiryWindow }),
	)
	if err != nil {
		return nil, fmt.Errorf("broker client: AWS's configuration (AWS_* variables and shared files): %w", err)
	}
	return msk{iam.NewMechanism(conf)}, nil
}

// Start implements sasl.Mechanism. What can fail is finding credentials.
func (m msk) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	s, first, err := m.Mechanism.Start(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("no AWS credentials for kafka.sasl.mechanism AWS_MSK_IAM "+
			"(environment, shared files, web identity, container or instance role): %w", err)
	}
	return s, first, nil
}
