package webhooktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"testing"

	"github.com/postrider/postrider/pkg/webhook"
)

// other is a secret that no good request was made with; long enough for every
// scheme.
const other = "webhooktest-another-secret-9b1f6c"

// foreign returns another secret, written as the configuration wants it.
func foreign(t *testing.T, cfg webhook.Config) webhook.Secret {
	t.Helper()
	secret := webhook.Secret{ID: "webhooktest-other"}
	decode := cfg.Decode
	if decode == "" {
		decode = map[string]string{"standard_webhooks": "whsec", "sweego": "base64"}[cfg.Type]
	}
	switch {
	case cfg.Type == "sendgrid", cfg.Type == "postal", cfg.Type == "sns":
		secret.Value = PrivateKey(t, cfg.Type)
	case cfg.Type == "basic":
		secret.Username, secret.Password = "webhooktest", []byte(other)
		if len(cfg.Secrets) > 0 {
			secret.Username = cfg.Secrets[0].Username
		}
	case decode == "hex":
		secret.Value = []byte(hex.EncodeToString([]byte(other)))
	case decode == "base64", decode == "whsec":
		secret.Value = []byte(base64.StdEncoding.EncodeToString([]byte(other)))
	default:
		secret.Value = []byte(other)
	}
	return secret
}

// PrivateKey makes a private key, in PEM, that a source of one of the types with
// public keys can be tried out with: one for ECDSA for sendgrid, else one for RSA.
func PrivateKey(t testing.TB, typ string) []byte {
	t.Helper()
	var key any
	var err error
	if typ == "sendgrid" {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
