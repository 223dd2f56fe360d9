package webhook_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
	"github.com/postrider/postrider/pkg/webhook/webhooktest"
)

// The messages and the certificate are published with AWS's own
// library for Ruby (https://github.com/aws/aws-sdk-ruby,
// gems/aws-sdk-sns/spec/message_verifier_spec.rb).
const (
	snsCertificate = "https://sns.us-east-2.amazonaws.com/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem"

	snsTopic1 = "arn:aws:sns:us-east-2:295079676684:publish-and-verify-892f85fe-4836-424d-8188-ab85bef0f362"
	snsBody1  = `{
  "Type" : "Notification",
  "MessageId" : "792cda85-518f-5dd3-9163-81d851212f3a",
  "TopicArn" : "` + snsTopic1 + `",
  "Message" : "Hello world",
  "Timestamp" : "2022-07-28T21:23:58.317Z",
  "SignatureVersion" : "1",
  "Signature" : "ghtf+deOBAzHJJZ6s6CdRLfTQAlcGzq9naoFM1wi0CJiq//uVRuZnamrkWNF0fhouMFvuLVRwcz8PZLUMSfnmd5VpdTKpTyiKmy1qJAZXma0w+yi7G+I33hD1Jyk1Nbym2n0kqp3fVu2aoooiN2ZeLAT2bH0/BtjLSfN1yAOKNoprco4qV9gGUZinXJdj9a1YdNhDR2jKi33ldlsVtEXAtiaDklGEk7DgRKX38GerBPiLg3FdtgY6KC7cdeGpU/dGK+4hjc83Ive1HoFkAwqhpgInM2sMytBosoiXfCmOKmU4xeGD0gHDNZTlJUJQDlzw8Eag0H9f/5zXF9d3uy0YQ==",
  "SigningCertURL" : "` + snsCertificate + `"
}`

	snsTopic2 = "arn:aws:sns:us-east-2:295079676684:publish-and-verify-62674b1d-4295-426b-88e7-5fb75652a04e"
	snsBody2  = `{
  "Type" : "Notification",
  "MessageId" : "17dea24b-55c2-540b-8362-f916557af765",
  "TopicArn" : "` + snsTopic2 + `",
  "Message" : "Hello world",
  "Timestamp" : "2022-07-28T21:24:08.324Z",
  "SignatureVersion" : "2",
  "Signature" : "CXVqp9PfZAL+4JHS3Zxo1PFbQsvnOjvmYhtIf17TWpwc+iIVas8kZ8GopuzVzVMdatE7rCl/O4P91Zp05Dwz8lk8dLhfp8gSu3Njlzxlyrmzo9x3va3Jb7zFnedgS2GKnZWHGBdwTXho+TosNUE+3e10OMSlwN5XGDwX7+R3WL+rn+AXmFAqp3alg27sYa55h1dLE9cGszGPjScPdtF3BmZsUDMx9wSdNKsCk+vSvE8yBjnCmUl7laSFj3LzPVrlSwgNYCF3kYnNAkah7NplK4SFhJYLwS0HCVCQJKa8rVbQLf9cBTu60U402mrgy0bN8xWoyimzbYbrOMJjalqkUg==",
  "SigningCertURL" : "` + snsCertificate + `"
}`

	snsCertificatePEM = `-----BEGIN CERTIFICATE-----
MIIF1zCCBL+gAwIBAgIQB9pYWG3Mi7xej22g9pobJTANBgkqhkiG9w0BAQsFADBG
MQswCQYDVQQGEwJVUzEPMA0GA1UEChMGQW1hem9uMRUwEwYDVQQLEwxTZXJ2ZXIg
Q0EgMUIxDzANBgNVBAMTBkFtYXpvbjAeFw0yMTA5MDcwMDAwMDBaFw0yMjA4MTcy
MzU5NTlaMBwxGjAYBgNVBAMTEXNucy5hbWF6b25hd3MuY29tMIIBIjANBgkqhkiG
9w0BAQEFAAOCAQ8AMIIBCgKCAQEAutFqueT3XgP13udzxE6UpbdjOtVO5DwoMpSM
iDNMnGzF1TYH5/R2LPUOBeTB0SkKnR4kpNcUZhicpGD4aKciz/GEZ6wu65xncfT9
H/KBOQwoXYTuClHwp6fYpGzcGFaFoEYMnijL/o4qmTSd+ukglQUgKpsDw4ofw6rU
m2CttJo+GQSNQ9NfGR1h/0J+zsApkeSYrXRx5wNlu87z8os1C/6PBrUHwt3xXeaf
Xzfwut8aRRYsS8BySOA9DAgLfNHlfdQCjKPXKrG/ussgReyWD6n/HH+j7Uha3xos
TzQqJifcxlTq6MxWdPR6fDaJNvqw6DOE7UjUNxHguXHlVfxhlQIDAQABo4IC6TCC
AuUwHwYDVR0jBBgwFoAUWaRmBlKge5WSPKOUByeWdFv5PdAwHQYDVR0OBBYEFAqz
C+vyouneE7mWWLbi9i0UsWUbMBwGA1UdEQQVMBOCEXNucy5hbWF6b25hd3MuY29t
MA4GA1UdDwEB/wQEAwIFoDAdBgNVHSUEFjAUBggrBgEFBQcDAQYIKwYBBQUHAwIw
OwYDVR0fBDQwMjAwoC6gLIYqaHR0cDovL2NybC5zY2ExYi5hbWF6b250cnVzdC5j
b20vc2NhMWIuY3JsMBMGA1UdIAQMMAowCAYGZ4EMAQIBMHUGCCsGAQUFBwEBBGkw
ZzAtBggrBgEFBQcwAYYhaHR0cDovL29jc3Auc2NhMWIuYW1hem9udHJ1c3QuY29t
MDYGCCsGAQUFBzAChipodHRwOi8vY3J0LnNjYTFiLmFtYXpvbnRydXN0LmNvbS9z
Y2ExYi5jcnQwDAYDVR0TAQH/BAIwADCCAX0GCisGAQQB1nkCBAIEggFtBIIBaQFn
AHYAKXm+8J45OSHwVnOfY6V35b5XfZxgCvj5TV0mXCVdx4QAAAF7vfDVkQAABAMA
RzBFAiEA2XfHuy36aqRFiaL8c3md2mH451go8707+fRE0pEdSRACIE/g5FXTUXUZ
PFcmOhm9TZ+uMY1i4CIQ/CKVWln6C3t+AHYAUaOw9f0BeZxWbbg3eI8MpHrMGyfL
956IQpoN/tSLBeUAAAF7vfDVjAAABAMARzBFAiBF1MhhFP0+FQt3daDFfMYoWwnr
muTInrjNpwfzlvQBugIhAPYadFzr+LaxSJoiZEbEHBvTts7bT0M3eCQONA2O7w6n
AHUAQcjKsd8iRkoQxqE6CUKHXk4xixsD6+tLx2jwkGKWBvYAAAF7vfDVdAAABAMA
RjBEAiAtPapmFAuA71ih4NoSd5hJelzAltNQpxDMcDfDyHyU8gIgWxmaa6+2KbBu
9xdv379zvnJACFR7jc+4asl08Dn4aagwDQYJKoZIhvcNAQELBQADggEBAA54QX0u
oFWXfMmv02CGZv4NWo5TapyeeixQ2kKpZHRdVZjxZrw+hoF6HD7P3kGjH8ztyJll
tDxB0qgMltbPhQdScwhA6iTgoaBYqEUC/VHKd4PmmPT6yIsM36NBZVmkGlzl5uNo
/dBgBaG0SsVJnhr5zro3c2quC7n6fVGEZhf/UgQwRnnvThnvbNKguglDMq4uEqv8
njKyleht+glkcmXO0m9qLKt6BOS0amy6U2GlAwRn0Wx02ndJtnRCSC6kPuRWK/SQ
FEjB7gCK4hdKaAOuWdZpI55vF6ifOeM8toC3g7ofO8qLTnJupAG+ZitY5J3cvHWr
HqOUdKigPDHYLRo=
-----END CERTIFICATE-----
`
)

// fetcher answers every address with the same, and counts.
type fetcher struct {
	body  string
	err   error
	calls atomic.Int32
	hold  chan struct{} // waited for, unless it is nil
}

func (f *fetcher) Fetch(string) ([]byte, error) {
	f.calls.Add(1)
	if f.hold != nil {
		<-f.hold
	}
	return []byte(f.body), f.err
}

// snsConfig takes both topics, and certificates of f.
func snsConfig(f webhook.Fetcher) webhook.Config {
	return webhook.Config{Type: "sns", Topics: []string{snsTopic1, snsTopic2}, Fetch: f}
}

// snsRequest is a message that came a second after it was published.
func snsRequest(body string) webhook.Request {
	r := request("Content-Type", "text/plain; charset=UTF-8")
	r.Body, r.ReceivedAt = []byte(body), time.Date(2022, 7, 28, 21, 24, 9, 0, time.UTC)
	return r
}

func TestSNSPublishedVectors(t *testing.T) {
	for name, body := range map[string]string{
		"version 1": snsBody1, "version 2": snsBody2,
		"as functions get it": strings.Replace(snsBody1, "SigningCertURL", "SigningCertUrl", 1),
	} {
		f := &fetcher{body: snsCertificatePEM}
		got, err := verify(t, snsConfig(f), snsRequest(body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p := got.Proof()
		if p.Scheme != "sns" || p.KeyID != "certificate" || !p.Covered || p.Nonce == "" || p.Signed.Year() != 2022 {
			t.Errorf("%s: proof %+v", name, p)
		}
	}
	// The certificate as a secret needs nothing fetched.
	cfg := snsConfig(nil)
	cfg.Secrets = one(snsCertificatePEM)
	for _, body := range []string{snsBody1, snsBody2} {
		webhooktest.Run(t, cfg, snsRequest(body))
	}
}

func TestSNSRefusals(t *testing.T) {
	replace := func(old, text string) string { return strings.Replace(snsBody2, old, text, 1) }
	late := snsRequest(snsBody2)
	late.ReceivedAt = time.Date(2022, 8, 18, 0, 0, 0, 0, time.UTC)
	raw := snsRequest(snsBody2)
	raw.Header.Set("X-Amz-Sns-Rawdelivery", "true")
	for name, c := range map[string]struct {
		req  webhook.Request
		want webhook.Reason
	}{
		"a topic that was not named":   {snsRequest(replace(":295079676684:", ":295079676685:")), webhook.ReasonMismatch},
		"another message":              {snsRequest(replace("Hello world", "Hello World")), webhook.ReasonMismatch},
		"a subject that was not there": {snsRequest(replace(`"Message" :`, `"Subject":"x","Message" :`)), webhook.ReasonMismatch},
		"version 1 for 2":              {snsRequest(replace(`"SignatureVersion" : "2"`, `"SignatureVersion" : "1"`)), webhook.ReasonMismatch},
		"version 3":                    {snsRequest(replace(`"SignatureVersion" : "2"`, `"SignatureVersion" : "3"`)), webhook.ReasonMalformed},
		"another type":                 {snsRequest(replace("Notification", "Notice")), webhook.ReasonMalformed},
		"no id":                        {snsRequest(replace(`"MessageId"`, `"x"`)), webhook.ReasonMalformed},
		"a line break in an id":        {snsRequest(replace("17dea24b", `17\ndea24b`)), webhook.ReasonMalformed},
		"a member twice":               {snsRequest(replace(`"Message" :`, `"Message":"evil","Message" :`)), webhook.ReasonMissing},
		"a member in two cases":        {snsRequest(replace(`"Message" :`, `"message":"evil","Message" :`)), webhook.ReasonMissing},
		"something behind":             {snsRequest(snsBody2 + "{}"), webhook.ReasonMissing},
		"no message":                   {snsRequest(testBody), webhook.ReasonMissing},
		"raw delivery":                 {raw, webhook.ReasonUnsupportedContent},
		"after the certificate":        {late, webhook.ReasonMismatch},
	} {
		f := &fetcher{body: snsCertificatePEM}
		if got := refusal(t, snsConfig(f), c.req); got.Reason != c.want {
			t.Errorf("%s: %q, want %q", name, got.Reason, c.want)
		}
	}
}

// Nothing is fetched for a topic that was not named, nor from anywhere but where
// the topic's partition and region have their certificates.
func TestSNSFetchesFromPinnedAddressesOnly(t *testing.T) {
	for _, address := range []string{
		"http://sns.us-east-2.amazonaws.com/SimpleNotificationService-a.pem",
		"https://sns.us-east-2.amazonaws.com/SimpleNotificationService-a.crt",
		"https://sns.us-east-2.amazonaws.com/a.pem",
		"https://sns.us-east-2.amazonaws.com/SimpleNotificationService-.pem",
		"https://sns.us-east-2.amazonaws.com//SimpleNotificationService-a.pem",
		"https://sns.us-east-2.amazonaws.com./SimpleNotificationService-a.pem",
		"https://sns.us-east-2.amazonaws.com/SimpleNotificationService-a.pem\n",
		"https://sns.us-east-2.amazonaws.com%2f@evil.example/SimpleNotificationService-a.pem",
		"https://sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem", // another region than the topic's
		"https://sns.us-east-2.amazonaws.com:8443/SimpleNotificationService-a.pem",
		"https://sns.us-east-2.amazonaws.com:443/SimpleNotificationService-a.pem",
		"https://sns.us-east-2.amazonaws.com.evil.example/SimpleNotificationService-a.pem",
		"https://evil.example/sns.us-east-2.amazonaws.com/SimpleNotificationService-a.pem",
		"https://sns.us-east-2.amazonaws.com@evil.example/SimpleNotificationService-a.pem",
		"https://user@sns.us-east-2.amazonaws.com/SimpleNotificationService-a.pem",
		"https://sns.us-east-2.amazonaws.com/SimpleNotificationService-a?x=.pem",
		"https://sns.us-east-2.amazonaws.com/SimpleNotificationService-a#.pem",
		"https://sns.us-east-2.amazonaws.com/a/../SimpleNotificationService-b.pem",
		"https://sns.us-east-2.amazonaws.com/%2e%2e/SimpleNotificationService-b.pem",
		"https://sns.s3-us-west-2.amazonaws.com/SimpleNotificationService-a.pem",
		"https://sns.s3.amazonaws.com/SimpleNotificationService-a.pem",
		"https://bucket.sns.us-east-2.amazonaws.com/SimpleNotificationService-a.pem",
		"https://SNS.us-east-2.amazonaws.com/SimpleNotificationService-a.pem",
		"https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-a.pem",
		"https://messaging.s3.fr-par.scw.cloud/fr-par/sns/a.pem",
		"//sns.us-east-2.amazonaws.com/SimpleNotificationService-a.pem",
		"https://sns.us-east-2.amazonaws.com/SimpleNotificationService-a.pem ",
		"https:\\\\sns.us-east-2.amazonaws.com\\SimpleNotificationService-a.pem",
		"",
	} {
		quoted, err := json.Marshal(address)
		if err != nil {
			t.Fatal(err)
		}
		f := &fetcher{body: snsCertificatePEM}
		r := snsRequest(strings.Replace(snsBody2, `"`+snsCertificate+`"`, string(quoted), 1))
		if got := refusal(t, snsConfig(f), r); got.Reason != webhook.ReasonMalformed || f.calls.Load() != 0 {
			t.Errorf("%s: %q after %d fetches, want malformed after none", address, got.Reason, f.calls.Load())
		}
	}
	f := &fetcher{body: snsCertificatePEM}
	cfg := snsConfig(f)
	cfg.Topics = cfg.Topics[:1]
	if got := refusal(t, cfg, snsRequest(snsBody2)); got.Reason != webhook.ReasonMismatch || f.calls.Load() != 0 {
		t.Errorf("another topic: %q after %d fetches, want a mismatch after none", got.Reason, f.calls.Load())
	}
}

// Each partition has its own place; the certificate is asked for there.
func TestSNSPartitions(t *testing.T) {
	for topic, address := range map[string]string{
		"arn:aws:sns:eu-central-1:123456789012:x":         "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
		"arn:aws-us-gov:sns:us-gov-west-1:123456789012:x": "https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		"arn:aws-cn:sns:cn-north-1:123456789012:x":        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-1.pem",
		"arn:scw:sns:fr-par:project-5fb7d5d7:mail":        "https://messaging.s3.fr-par.scw.cloud/fr-par/sns/sns_certificate_1.crt",
	} {
		f := &fetcher{err: errors.New("not now")}
		r := snsRequest(strings.NewReplacer(snsTopic2, topic, snsCertificate, address).Replace(snsBody2))
		_, err := verify(t, webhook.Config{Type: "sns", Topics: []string{topic}, Fetch: f}, r)
		if _, ok := errors.AsType[*webhook.UnavailableError](err); !ok || f.calls.Load() != 1 {
			t.Errorf("%s: error %v after %d fetches, want one that was tried", topic, err, f.calls.Load())
		}
	}
}

// A certificate that cannot be had is trouble of ours, never a refusal; it is not
// asked for by every request, and asked for again after a while.
func TestSNSCertificateOutOfReach(t *testing.T) {
	f := &fetcher{err: errors.New("connection refused")}
	v, err := webhook.New(snsConfig(f))
	if err != nil {
		t.Fatal(err)
	}
	r := snsRequest(snsBody2)
	for range 3 {
		_, err := webhook.Verify(v, r)
		unavailable, ok := errors.AsType[*webhook.UnavailableError](err)
		if !ok || !errors.Is(err, f.err) || webhook.Status(err) != 503 {
			t.Fatalf("error %v, status %d; want unavailable, 503", err, webhook.Status(err))
		}
		if strings.Contains(unavailable.Error(), "amazonaws") {
			t.Error("the error tells the address")
		}
	}
	if got := f.calls.Load(); got != 1 {
		t.Errorf("%d fetches in one moment, want 1", got)
	}
	f.err, f.body = nil, snsCertificatePEM
	r.ReceivedAt = r.ReceivedAt.Add(11 * time.Second)
	if _, err := webhook.Verify(v, r); err != nil {
		t.Errorf("after eleven seconds: %v", err)
	}
	if _, err := webhook.Verify(v, snsRequest(snsBody1)); err != nil || f.calls.Load() != 2 {
		t.Errorf("error %v after %d fetches, want the certificate that is kept", err, f.calls.Load())
	}
	for _, body := range []string{"", "no certificate", snsCertificatePEM[:200], "-----BEGIN PUBLIC KEY-----\n" + postalKey + "\n-----END PUBLIC KEY-----\n"} {
		_, err := verify(t, snsConfig(&fetcher{body: body}), r)
		if _, ok := errors.AsType[*webhook.UnavailableError](err); !ok {
			t.Errorf("%.30q for a certificate: error %v, want unavailable", body, err)
		}
	}
}

// Many at once wait for one fetch.
func TestSNSFetchesOnce(t *testing.T) {
	f := &fetcher{body: snsCertificatePEM, hold: make(chan struct{})}
	v, err := webhook.New(snsConfig(f))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := webhook.Verify(v, snsRequest(snsBody2)); err != nil {
				t.Errorf("Verify(): %v", err)
			}
		})
	}
	close(f.hold)
	wg.Wait()
	if got := f.calls.Load(); got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
}

// Anybody who knows the topic's name can ask for certificates that are none; the
// provider still gets its own.
func TestSNSFetchesForOthersThanAForger(t *testing.T) {
	f := &fetcher{body: snsCertificatePEM, hold: make(chan struct{})}
	v, err := webhook.New(snsConfig(f))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(file, client string) error {
		r := snsRequest(strings.Replace(snsBody2, "7ff5318490ec183fbaddaa2a969abfda", file, 1))
		r.RemoteAddr = netip.MustParseAddr(client)
		_, err := webhook.Verify(v, r)
		return err
	}
	const own = "7ff5318490ec183fbaddaa2a969abfda"
	var wg sync.WaitGroup
	wg.Go(func() { _ = ask("1", "2001:db8::1") })
	wg.Go(func() { _ = ask("2", "2001:db8::2") })
	for f.calls.Load() < 2 {
		runtime.Gosched()
	}
	if _, busy := errors.AsType[*webhook.UnavailableError](ask("3", "2001:db8::3")); !busy {
		t.Error("a third certificate for one client is not refused")
	}
	wg.Go(func() {
		if err := ask(own, "192.0.2.1"); err != nil {
			t.Errorf("the provider: %v", err)
		}
	})
	for f.calls.Load() < 3 {
		runtime.Gosched()
	}
	close(f.hold)
	wg.Wait()
	if _, busy := errors.AsType[*webhook.UnavailableError](ask("4", "2001:db8::3")); busy {
		t.Error("the client is still kept out when its fetches have ended")
	}
}

func TestSNSConfiguration(t *testing.T) {
	for name, topics := range map[string][]string{
		"none": nil, "a name": {"mail-events"}, "a pattern": {"arn:aws:sns:us-east-1:123456789012:*"}, "another service": {"arn:aws:sqs:us-east-1:123456789012:x"},
	} {
		_, err := webhook.New(webhook.Config{Type: "sns", Topics: topics})
		if err == nil || !strings.Contains(err.Error(), "topics") {
			t.Errorf("%s: error %v, want a problem of topics", name, err)
		}
	}
	cfg := snsConfig(nil)
	cfg.Tolerance = time.Hour
	cfg.Secrets = one(snsCertificatePEM)
	if !cfg.Covers().Time {
		t.Error("with a tolerance the time is not covered")
	}
	webhooktest.Run(t, cfg, snsRequest(snsBody2))
}

// What is no message becomes one, of the first topic, when it is signed.
func TestSNSSignsAnything(t *testing.T) {
	cfg := snsConfig(nil)
	cfg.Secrets = []webhook.Secret{{ID: "own", Value: webhooktest.PrivateKey(t, "sns")}}
	for _, topics := range [][]string{{snsTopic1}, {"arn:scw:sns:fr-par:project-1:x"}} {
		cfg.Topics = topics
		for _, body := range []string{testBody, snsBody2, `{"Type":"SubscriptionConfirmation","Token":"t","SubscribeURL":"https://x","Message":"m"}`} {
			r := webhook.Request{Body: []byte(body), ReceivedAt: signedAt}
			if err := webhook.Sign(cfg, cfg.Secrets[0], &r, signedAt); err != nil {
				t.Fatal(err)
			}
			got, err := verify(t, cfg, r)
			if err != nil || !got.Proof().Signed.Equal(signedAt) {
				t.Errorf("%.40s: %+v, %v", body, got.Proof(), err)
			}
		}
	}
	r := request()
	if err := webhook.Sign(webhook.Config{Type: "sns", Topics: []string{snsTopic1}}, one(snsCertificatePEM)[0], &r, signedAt); err == nil {
		t.Error("a certificate signs")
	}
}

func TestSNSExplains(t *testing.T) {
	f := &fetcher{body: snsCertificatePEM}
	checks := webhook.Explain(snsConfig(f), snsRequest(snsBody2))
	if last := checks[len(checks)-1]; last.Outcome != webhook.OutcomeOK {
		t.Errorf("got\n%s", told(checks))
	}
	other := snsConfig(f)
	other.Topics = other.Topics[:1]
	if got := told(webhook.Explain(other, snsRequest(snsBody2))); !strings.Contains(got, "auth.topics") {
		t.Errorf("got\n%s", got)
	}
	if got := told(webhook.Explain(snsConfig(nil), snsRequest(snsBody2))); !strings.Contains(got, "not fetched here") {
		t.Errorf("got\n%s", got)
	}
}
