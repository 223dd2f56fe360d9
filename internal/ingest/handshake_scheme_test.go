package ingest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/pkg/webhook"
)

// MailerSend's ping is signed with a key that everybody knows.
func TestNothingOfAPingIsRead(t *testing.T) {
	r := start(t, func(o *ingest.Options, _ *fakePublisher) {
		v, err := webhook.New(webhook.Config{Type: "mailersend", Secrets: []webhook.Secret{{ID: "a", Value: []byte("7Kq9vL2wXr4nB8mZ7Kq9vL2wXr4nB8mZ")}}})
		if err != nil {
			t.Fatal(err)
		}
		o.Sources[0].Verifier = v
	})
	req := r.request("POST", "/v1/webhooks/jet", pingBody)
	req.Header.Set("Signature", pingSignature)
	r.want(req, 200)
	if len(r.pub.records) != 0 {
		t.Errorf("%d records", len(r.pub.records))
	}
}

// Without the certificate nobody can tell whether a notification is genuine.
func TestWhatCannotBeJudgedIsAskedForAgain(t *testing.T) {
	r := start(t, func(o *ingest.Options, _ *fakePublisher) {
		v, err := webhook.New(webhook.Config{Type: "sns", Topics: []string{"arn:aws:sns:eu-west-1:123456789012:ses"}, Fetch: noCertificates{}})
		if err != nil {
			t.Fatal(err)
		}
		o.Sources[0].Verifier = v
	})
	body := `{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-west-1:123456789012:ses","Message":"x","Timestamp":"2026-01-02T03:04:05.678Z",` +
		`"SignatureVersion":"2","Signature":"` + strings.Repeat("AAAA", 85) + `AA==","SigningCertURL":"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem"}`
	if res := r.want(r.request("POST", "/v1/webhooks/jet", body), 503); res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

type noCertificates struct{}

func (noCertificates) Fetch(string) ([]byte, error) { return nil, errors.New("no route") }

const (
	pingBody      = `{"type":"webhook.test","message":"This is a test webhook"}`
	pingSignature = "830f8d68bbc022a51efd95d5d6dc486b135f7b590e87c8e6a0f2415288c764a3"
)

// The time for an answer runs while what a proof needs is being fetched.
func TestTheProofIsWithinTheDeadline(t *testing.T) {
	const budget = time.Minute
	proven := &provenAt{}
	var deadline time.Time
	r := start(t, func(o *ingest.Options, p *fakePublisher) {
		o.Limits.Budget = budget
		o.Sources[0].Shadow = proven
		p.asked = func(ctx context.Context) { deadline, _ = ctx.Deadline() }
	})
	r.want(r.signed(jetEvent("a")), 200)
	if proven.time.IsZero() || !deadline.Before(proven.time.Add(budget)) {
		t.Errorf("proven at %v, deadline %v: the clock began only then", proven.time, deadline)
	}
}

// provenAt notes when a proof was complete.
type provenAt struct{ time time.Time }

func (p *provenAt) Show(webhook.Request, webhook.Verified, error) { p.time = time.Now() }
