package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// batchSource is the source that batches are posted to.
const batchSource = "sendgrid"

// credentials are what requests are signed with, and what the receiver verifies by.
type credentials struct {
	secret   string         // JetEmail's, shared
	key      webhook.Secret // SendGrid's private key
	verifier string         // its public half, as SendGrid shows it
}

// newCredentials makes both.
func newCredentials() (credentials, error) {
	c := credentials{secret: "whsec_" + randomHex()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, fmt.Errorf("bench: signing key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return c, fmt.Errorf("bench: signing key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return c, fmt.Errorf("bench: signing key: %w", err)
	}
	c.key = webhook.Secret{ID: "bench", Value: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}
	c.verifier = base64.StdEncoding.EncodeToString(public)
	return c, nil
}

// batchRequest writes one signed request of SendGrid events, each of another message.
func batchRequest(serial, events int, c credentials, now time.Time) ([]byte, error) {
	body := []byte("[")
	for i := range events {
		if i > 0 {
			body = append(body, ",\r\n"...)
		}
		body = appendDelivered(body, serial*events+i, now)
	}
	body = append(body, "]\r\n"...)
	req := webhook.Request{Header: http.Header{}, Body: body}
	if err := webhook.Sign(webhook.Config{Type: "sendgrid"}, c.key, &req, now); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return wire(batchSource, &req)
}

// appendDelivered appends a SendGrid delivered event of usual size.
func appendDelivered(b []byte, serial int, now time.Time) []byte {
	b = fmt.Appendf(b, `{"email":"customer.%08x@mail.example","event":"delivered","ip":"192.0.2.17","response":"250 2.0.0 OK 1767323045 queued",`+
		`"sg_event_id":"ZGVsaXZlcmVkLTAt%016x","sg_message_id":"4nG7kWbQTtmB%012x.recvd-5f6c9d-bzq8k-1-67A0.0",`+
		`"smtp-id":"<%012x@shop.example>","category":["orders","shipped"],"tls":1,"timestamp":`, serial, serial, serial, serial)
	b = strconv.AppendInt(b, now.Unix(), 10)
	return append(b, '}')
}
