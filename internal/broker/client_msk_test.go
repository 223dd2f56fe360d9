package broker

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/sasl"
)

// signingTime is when the signatures of these tests were made.
var signingTime = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)

// awsEnvironment leaves the AWS SDK nothing to find but what the test gives.
func awsEnvironment(t *testing.T, variables map[string]string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for name, value := range variables {
		t.Setenv(name, value)
	}
}

// proof is the first message of a login to a broker, signed at signingTime.
func proof(t *testing.T, o *SASLOptions) (map[string]string, error) {
	t.Helper()
	l, err := o.build(true)
	if err != nil {
		return nil, err
	}
	m, ok := (*l.present.Load()).(*msk)
	if !ok {
		t.Fatalf("the mechanism is a %T", *l.present.Load())
	}
	m.signedAt = signingTime
	ctx := sasl.WithMetadata(context.Background(), &sasl.Metadata{Host: "b-1.orders.abc123.c2.kafka.eu-central-1.amazonaws.com", Port: 9098})
	_, first, err := l.Start(ctx)
	if err != nil {
		return nil, err
	}
	var fields map[string]string
	if err := json.Unmarshal(first, &fields); err != nil {
		t.Fatalf("%s: %v", first, err)
	}
	return fields, nil
}

// TestMSKSignature compares with signatures that were computed with Python's
// hmac and hashlib by AWS's description of Signature Version 4: query-signed GET
// of kafka://<host>/, service kafka-cluster, an empty payload, host as the only
// signed header.
func TestMSKSignature(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want map[string]string
	}{
		"a user's key": {
			map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example/secret+key"},
			map[string]string{"x-amz-signature": "0d0d1423250b3758692585a6e195a607bc1cbfea580957a3d935f789ae5766f8"},
		},
		"a role's key": {
			map[string]string{
				"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example/secret+key",
				"AWS_SESSION_TOKEN": "FwoGZXIvYXdzE+/=token",
			},
			map[string]string{"x-amz-signature": "6e19992b9519c7a6ebad88fdb7c15f790e86710463d98729f54f24de860bf0ea", "x-amz-security-token": "FwoGZXIvYXdzE+/=token"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			awsEnvironment(t, c.env)
			got, err := proof(t, &SASLOptions{Mechanism: "AWS_MSK_IAM", Region: "eu-central-1"})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{
				"version": "2020_10_22", "action": "kafka-cluster:Connect", "host": "b-1.orders.abc123.c2.kafka.eu-central-1.amazonaws.com",
				"x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-date": "20261121T093000Z", "x-amz-expires": "300", "x-amz-signedheaders": "host",
				"x-amz-credential": c.env["AWS_ACCESS_KEY_ID"] + "/20261121/eu-central-1/kafka-cluster/aws4_request",
			}
			maps.Copy(want, c.want)
			for k, v := range want {
				if got[k] != v {
					t.Errorf("%s is %q, want %q", k, got[k], v)
				}
			}
			if delete(got, "user-agent"); len(got) != len(want) {
				t.Errorf("fields are %v", got)
			}
		})
	}
}

func TestMSKTakesCredentialsFromAProfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	const profile = "[mail]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = profile-secret\n"
	if err := os.WriteFile(file, []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	awsEnvironment(t, map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_PROFILE": "mail"})
	got, err := proof(t, &SASLOptions{Mechanism: "AWS_MSK_IAM", Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "AKIDPROFILE/20261121/us-east-1/kafka-cluster/aws4_request"; got["x-amz-credential"] != want {
		t.Errorf("credential is %q, want %q", got["x-amz-credential"], want)
	}
}

func TestMSKRefusals(t *testing.T) {
	awsEnvironment(t, nil)
	for name, c := range map[string]struct {
		o    SASLOptions
		want string
	}{
		"no region":      {SASLOptions{Mechanism: "AWS_MSK_IAM"}, "kafka.sasl.region"},
		"no credentials": {SASLOptions{Mechanism: "AWS_MSK_IAM", Region: "eu-central-1"}, "no AWS credentials"},
	} {
		if _, err := proof(t, &c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	_, err := Dial(Options{Brokers: []string{"127.0.0.1:9098"}, SASL: &SASLOptions{Mechanism: "AWS_MSK_IAM", Region: "eu-central-1"}})
	if err == nil || !strings.Contains(err.Error(), "kafka.tls.enabled") {
		t.Errorf("without TLS: got %v", err)
	}
}

// TestMSKErrorsKeepSecrets gives AWS's SDK files it cannot read.
func TestMSKErrorsKeepSecrets(t *testing.T) {
	const secret = "canary-aws-secret"
	for name, text := range map[string]string{
		"broken section":    "[mail\naws_secret_access_key = " + secret + "\n",
		"half of a key":     "[default]\naws_secret_access_key = " + secret + "\n",
		"no section":        "aws_secret_access_key = " + secret + "\n",
		"strange character": "[default]\naws_access_key_id = A\naws_secret_access_key \x00 " + secret + "\n",
	} {
		file := filepath.Join(t.TempDir(), "credentials")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		awsEnvironment(t, map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file})
		_, err := proof(t, &SASLOptions{Mechanism: "AWS_MSK_IAM", Region: "eu-central-1"})
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v, want an error without the secret", name, err)
		}
	}
}
