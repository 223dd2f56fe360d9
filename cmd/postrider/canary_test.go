package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// The planted secrets: no output of the program, no topic and no file of its own
// may hold one.
const (
	canarySigning  = "whsec_Y2FuYXJ5LXNpZ25pbmcta2V5LTAx"
	canaryToken    = "canary0token0f3c9b1e77d24a6588"
	canaryPassword = "canary-password-5e0d31"
	canaryHeader   = "canary-header-8c41f7aa02"
	canaryBearer   = "canary-bearer-17b9d0c6e5"
	canaryPepper   = "canary-pepper-2f77a1c09b"
	canaryFile     = "canary-secret-file-90ab33"
)

// canaryRecipient is whom the events are about: they hold it, nothing that is
// there to watch the receiver may.
const canaryRecipient = "canary.recipient@people.example"

// canaryConfig has a source for every way of proving a request.
const canaryConfig = `
log: {level: debug, format: json}
server: {max_body_bytes: 256KiB}
pii: {pepper: ` + canaryPepper + `}
sources:
  - {name: signed, provider: jetemail, durability: spool_first, auth: {type: jetemail, secrets: [{id: a, value: ` + canarySigning + `}]}}
  - {name: standard, provider: jetemail, auth: {type: standard_webhooks, secrets: [{id: a, value: ` + canarySigning + `}]}}
  - {name: token, provider: vfs, auth: {type: token, secrets: [{id: a, value: ` + canaryToken + `}]}}
  - {name: basic, provider: cmcom, auth: {type: basic, secrets: [{id: a, username: rider, password: ` + canaryPassword + `}]}}
  - {name: header, provider: vfs, auth: {type: header, header: X-Shop-Key, secrets: [{id: a, value: ` + canaryHeader + `}]}}
  - {name: bearer, provider: vfs, auth: {type: bearer, secrets: [{id: a, value: ` + canaryBearer + `}]}}
  - {name: file, provider: vfs, auth: {type: bearer, secrets: [{id: a, file: bearer.secret}]}}
`

// canaries are the secrets in every form they could turn up in.
func canaries() map[string]string {
	forms := map[string]string{}
	for name, secret := range map[string]string{
		"signing key": canarySigning, "token": canaryToken, "password": canaryPassword, "header": canaryHeader,
		"bearer": canaryBearer, "pepper": canaryPepper, "secret of a file": canaryFile,
	} {
		forms[name] = secret
		forms[name+", base64"] = base64.RawStdEncoding.EncodeToString([]byte(secret))
		forms[name+", hex"] = hex.EncodeToString([]byte(secret))
	}
	forms["user and password, base64"] = base64.StdEncoding.EncodeToString([]byte("rider:" + canaryPassword))
	forms["decoded signing key"] = "canary-signing-key-01"
	return forms
}

// TestCanariesStayInside runs the program with planted secrets and addresses,
// asks of it what it can be asked, well and badly, and looks for them.
func TestCanariesStayInside(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	i.write("config.yaml", canaryConfig)
	i.write("bearer.secret", canaryFile+"\n")
	p := i.serveWithoutUmask()

	i.provoke()
	watched := i.watch()
	said := maps.Clone(watched)
	for _, args := range [][]string{
		{"config", "check", "--print"},
		{"config", "check", "--print", "--output", "json"},
		{"sources"},
		{"sources", "--output", "json"},
		{"topics"},
		{"doctor", "--hide-tokens"},
		{"doctor", "--hide-tokens", "--output", "json"},
		{"spool", "ls"},
		{"redrive", "--quarantine"},
		{"audit"},
		{"healthcheck"},
		{"verify", "good.http", "--source", "signed"},
		{"verify", "bad.http", "--source", "signed"},
		{"send", "--source", "token"},
		{"tail", "--no-follow", "--output", "json"},
	} {
		out, errs, _ := i.try(args...)
		if strings.Contains(errs, "unknown ") {
			t.Errorf("postrider %s: %s", strings.Join(args, " "), errs)
		}
		if args[0] == "sources" { // addresses to give to providers: that with a token in it is meant to be shown
			out = strings.ReplaceAll(out, "/"+canaryToken, "")
		}
		said["postrider "+strings.Join(args, " ")] = out + errs
	}
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil { // the Go runtime's own report of every goroutine
		t.Fatal(err)
	}
	<-p.ended
	said["standard error"], said["standard output"] = i.file("serve.err"), i.file("serve.out")
	if !strings.Contains(said["standard error"], "goroutine ") {
		t.Error("the report of goroutines is missing")
	}
	watched["standard error"] = said["standard error"]

	recipients := 0
	for where, text := range i.data() {
		said[where] = text
		recipients += strings.Count(text, canaryRecipient)
	}
	if recipients == 0 {
		t.Error("the data folder does not even hold the events")
	}
	for where, text := range said {
		for name, form := range canaries() {
			if strings.Contains(text, form) {
				t.Errorf("%s holds the %s: …%s…", where, name, around(text, form))
			}
		}
	}
	for where, text := range watched {
		for _, form := range []string{canaryRecipient, "canary.recipient", base64.StdEncoding.EncodeToString([]byte(canaryRecipient))} {
			if strings.Contains(text, form) {
				t.Errorf("%s holds the recipient: …%s…", where, around(text, form))
			}
		}
	}
}

// around is what stands around the first place of part in text.
func around(text, part string) string {
	at := strings.Index(text, part)
	return text[max(0, at-80):min(len(text), at+len(part)+40)]
}

func (i *install) write(name, text string) {
	i.t.Helper()
	if err := os.WriteFile(filepath.Join(i.dir, name), []byte(text), 0o600); err != nil {
		i.t.Fatal(err)
	}
}

// serveWithoutUmask starts the receiver where nothing but itself keeps its files
// from other users.
func (i *install) serveWithoutUmask() *process {
	i.t.Helper()
	ready := filepath.Join(i.dir, "serve.ready")
	p := &process{ended: make(chan struct{})}
	p.cmd = exec.CommandContext(context.Background(), "/bin/sh", "-c", `umask 000; exec "$0" serve > serve.out 2> serve.err`, filepath.Join(binary, "postrider"))
	p.cmd.Dir, p.cmd.Env = i.dir, append(slices.Clone(i.env), "POSTRIDER_TEST_READY_FILE="+ready)
	if err := p.cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState tells
		close(p.ended)
	}()
	i.t.Cleanup(p.kill)
	if err := p.await(ready); err != nil {
		i.t.Fatalf("%v\n%s", err, i.file("serve.err"))
	}
	return p
}

// jetBody and vfsBody are events about the canary recipient.
const (
	jetBody = `{"id":"evt_1","service":"outbound","type":"outbound.bounced","created_at":1704825600,"data":{"uid":"m-1","from":"s@example.com",` +
		`"to":"` + canaryRecipient + `","response":"550 5.1.1 <` + canaryRecipient + `> unknown"}}`
	vfsBody = `{"type":"Dropped","eventId":"e-1","itemId":"i-1","attr":{"to":"` + canaryRecipient + `","reason":"to ` + canaryRecipient + `"}}`
)

// provoke sends good, bad, malformed, oversize and misdirected requests.
func (i *install) provoke() {
	i.t.Helper()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("rider:"+canaryPassword))
	good := []string{
		i.signed("signed", "jetemail", jetBody), i.signed("standard", "standard_webhooks", jetBody),
		post("/v1/webhooks/token/"+canaryToken+"?recipient="+canaryRecipient, vfsBody),
		post("/v1/webhooks/basic", vfsBody, "Authorization: "+basic),
		post("/v1/webhooks/header", vfsBody, "X-Shop-Key: "+canaryHeader),
		post("/v1/webhooks/bearer", vfsBody, "Authorization: Bearer "+canaryBearer),
		post("/v1/webhooks/file", vfsBody, "Authorization: Bearer "+canaryFile),
	}
	for _, request := range good {
		if status := i.raw(request); status != http.StatusOK {
			i.t.Errorf("a good request got %d: %.120q", status, request)
		}
		// The same with a body that is no JSON, one that is no event, one too large.
		head, _, _ := strings.Cut(request, "Content-Length")
		for _, body := range []string{"{" + canaryRecipient, `{"a":"` + canaryRecipient + `"}`, strings.Repeat(canaryRecipient, 10_000), ""} {
			i.raw(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body))
		}
		i.raw(strings.Replace(request, "POST", "GET", 1))
		i.raw(strings.Replace(request, "/v1/webhooks/", "/v1/webhooks/nobody-", 1))
		i.raw(strings.Replace(request, "HTTP/1.1\r\n", "HTTP/1.1\r\nX-Large: "+strings.Repeat("x", 40_000)+"\r\n", 1))
		i.raw(strings.Replace(request, "HTTP/1.1\r\n", "HTTP/1.1\r\nBroken Header\r\n", 1))
		i.raw(strings.Replace(request, "HTTP/1.1\r\n", "HTTP/1.1\r\nTransfer-Encoding: strange\r\n", 1))
		i.raw(strings.Replace(request, "\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n", 1))
		i.raw(request[:len(request)-10])
	}
	for _, source := range []string{"signed", "standard", "basic", "header", "bearer"} {
		i.raw(post("/v1/webhooks/"+source, jetBody, "X-Webhook-Signature: sha256="+strings.Repeat("0", 64), "Webhook-Id: 1",
			"Webhook-Timestamp: 1", "Webhook-Signature: v1,AAAA", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("rider:not-this-one")), "X-Shop-Key: not-this-one"))
	}
	_, text, _ := strings.Cut(i.signed("signed", "jetemail", jetBody), "\r\n")
	i.write("good.http", strings.ReplaceAll(text, "\r\n", "\n"))
	i.write("bad.http", strings.ReplaceAll(text, "\r\n", "\n")+" ")
}

// post is a request as it goes over the wire.
func post(target, body string, headers ...string) string {
	head := strings.Join(append([]string{"POST " + target + " HTTP/1.1", "Host: hooks.example", "Connection: close"}, headers...), "\r\n")
	return fmt.Sprintf("%s\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)
}

// signed is a proven request to a source of the signing key.
func (i *install) signed(source, kind, body string) string {
	i.t.Helper()
	req := webhook.Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte(body)}
	if err := webhook.Sign(webhook.Config{Type: kind}, webhook.Secret{ID: "a", Value: []byte(canarySigning)}, &req, time.Now()); err != nil {
		i.t.Fatal(err)
	}
	var headers []string
	for name, values := range req.Header {
		headers = append(headers, name+": "+values[0])
	}
	return post("/v1/webhooks/"+source, body, headers...)
}

// raw sends bytes and returns the status of the answer, 0 for none. An answer
// has no body that could tell anything, but for net/http's own to what is no
// request.
func (i *install) raw(request string) int {
	i.t.Helper()
	c, err := (&net.Dialer{}).DialContext(i.t.Context(), "tcp", i.server)
	if err != nil {
		i.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		i.t.Fatal(err)
	}
	go func() {
		_, _ = io.WriteString(c, request) // it may be refused half-way
		if half, ok := c.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}()
	answer, _ := io.ReadAll(c)
	for name, form := range canaries() {
		if bytes.Contains(answer, []byte(form)) {
			i.t.Errorf("an answer holds the %s: %q", name, answer)
		}
	}
	if bytes.Contains(answer, []byte("canary")) {
		i.t.Errorf("an answer holds text of the request: %q", answer)
	}
	var status int
	_, _ = fmt.Sscanf(string(answer), "HTTP/1.1 %d", &status)
	return status
}

// watch is what the admin listener says.
func (i *install) watch() map[string]string {
	i.t.Helper()
	said := map[string]string{}
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		req, err := http.NewRequestWithContext(i.t.Context(), http.MethodGet, "http://"+i.admin()+path, http.NoBody)
		if err != nil {
			i.t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			i.t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if err != nil {
			i.t.Fatal(err)
		}
		res.Body.Close()
		said[path] = string(b)
	}
	return said
}

// admin is the address of the admin listener.
func (i *install) admin() string {
	for _, v := range i.env {
		if address, ok := strings.CutPrefix(v, "POSTRIDER_ADMIN_LISTEN="); ok {
			return address
		}
	}
	return ""
}

// data is every file the receiver wrote, by its path: topics, spool, quarantine.
// None may be open to anybody but the owner.
func (i *install) data() map[string]string {
	i.t.Helper()
	files, folders := map[string]string{}, map[string]bool{}
	root := filepath.Join(i.dir, "data")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(i.dir, path)
		// The embedded broker's library leaves its files to the umask: its folder
		// keeps others out.
		if mode := info.Mode().Perm(); mode&0o077 != 0 && !strings.HasPrefix(name, "data/broker/") {
			i.t.Errorf("%s is open to others: %v", name, info.Mode())
		}
		if d.IsDir() {
			folders[name] = true
			return nil
		}
		b, err := os.ReadFile(path)
		files[name] = string(b)
		return err
	})
	if err != nil {
		i.t.Fatal(err)
	}
	for _, folder := range []string{"data/spool", "data/quarantine", "data/broker"} {
		if !folders[folder] {
			i.t.Errorf("there is no %s among %v", folder, folders)
		}
	}
	return files
}
