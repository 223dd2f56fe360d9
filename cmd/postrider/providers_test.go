package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/all"
)

// everyProvider is a configuration with a source of each provider, with its usual
// proof. Secret files are written to the folder.
func everyProvider(i *install) string {
	var b strings.Builder
	b.WriteString("log: {level: warn}\nsources:\n")
	for _, d := range all.Definitions() {
		auth := "secrets: [{id: a, value: 9f86d081884c7d659a2feaa0c55ad015}]"
		switch d.Auth {
		case "basic":
			auth = "secrets: [{id: a, username: rider, password: correct-horse-battery}]"
		case "standard_webhooks":
			auth = "secrets: [{id: a, value: whsec_iXHyEwW6SOY+tAWUaHhKRjfLr3rfdb5kzaDpOwFi}]"
		case "sendgrid", "postal", "sns":
			i.write("key-"+d.ID+".pem", privateKey(i.t, d.Auth == "sendgrid"))
			auth = "secrets: [{id: a, file: key-" + d.ID + ".pem}]"
		}
		if d.Auth == "sns" {
			auth += ", topics: [\"arn:aws:sns:eu-west-1:123456789012:ses-events\"]"
		}
		fmt.Fprintf(&b, "  - {name: %s, provider: %s, auth: {type: %s, %s}}\n", strings.ReplaceAll(d.ID, "_", "-"), d.ID, d.Auth, auth)
	}
	return b.String()
}

// privateKey makes a signing key of one's own, in PEM.
func privateKey(t *testing.T, elliptical bool) string {
	t.Helper()
	var key any
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if elliptical {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// TestSendSpeaksEveryProvider sends every type of every provider to the program, by
// its usual proof, and finds every event in its topic; what is spoilt is refused.
func TestSendSpeaksEveryProvider(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	i.write("config.yaml", everyProvider(i))
	i.serve()
	for _, args := range [][]string{{"send", "--all", "--output", "json"}, {"send", "--all", "--tamper", "--output", "json"}} {
		seen := map[string]int{}
		for line := range strings.Lines(i.run(args...)) {
			var r struct {
				Source  string `json:"source"`
				Problem string `json:"problem"`
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			if r.Problem != "" {
				t.Errorf("%v: %s", args, line)
			}
			seen[r.Source]++
		}
		for _, d := range all.Definitions() {
			if name := strings.ReplaceAll(d.ID, "_", "-"); seen[name] < len(d.Samples()) {
				t.Errorf("%v: %s: %d webhooks, want at least %d", args, name, seen[name], len(d.Samples()))
			}
		}
	}
}
