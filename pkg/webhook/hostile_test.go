package webhook_test

import (
	"crypto/hmac"
	"crypto/sha1" // what Mandrill signs with
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// hostileSecret is long enough for every scheme.
const hostileSecret = "0123456789abcdef0123456789abcdef"

// A signed event hidden in a text of another one, which a parser reads and the
// signature says nothing of: the verifier has to see what the parser sees.
func TestZeptoMailSignsWhatIsRead(t *testing.T) {
	cfg := webhook.Config{Type: "zeptomail", Secrets: one(hostileSecret)}
	const inner, end = `{"event_name":["softbounce"],"event_message":{"reason":"busy`, `"}}`
	signed := request()
	signed.Body = []byte(inner + end)
	if err := webhook.Sign(cfg, cfg.Secrets[0], &signed, signedAt); err != nil {
		t.Fatal(err)
	}
	hidden := strings.ReplaceAll(url.QueryEscape(inner), "+", "%20") + end
	const part = "--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{}\r\n--b--\r\n"
	for name, c := range map[string]struct{ contentType, body string }{
		"behind a byte order mark":       {"application/json", "\xef\xbb\xbf" + `{"event_name":["hardbounce"],"x":{"y":"=` + hidden},
		"behind space and a mark":        {"application/json", " \xef\xbb\xbf\n" + `[{"x":{"y":"=` + hidden},
		"a form that is said to be MIME": {"multipart/form-data; boundary=b", "data=" + hidden},
		"parts without a boundary":       {"multipart/form-data", "data=" + hidden},
		"parts":                          {"multipart/form-data; boundary=b", part},
		"a field beside it":              {"application/x-www-form-urlencoded", "data=" + hidden + "&data=%7B%7D"},
	} {
		r := request("Content-Type", c.contentType, "Producer-Signature", signed.Header.Get("Producer-Signature"))
		r.Body = []byte(c.body)
		if got := refusal(t, cfg, r); got.Reason != webhook.ReasonMismatch {
			t.Errorf("%s: %q, want a mismatch", name, got.Reason)
		}
	}
	r := request("Content-Type", "application/x-www-form-urlencoded", "Producer-Signature", signed.Header.Get("Producer-Signature"))
	r.Body = []byte("data=" + hidden)
	if _, err := verify(t, cfg, r); err != nil {
		t.Errorf("the form itself: %v", err)
	}
}

// The fields of a form are signed in the order of their names, without anything
// between them. Read as JSON, or as parts, the same bytes say something else.
func TestMandrillSignsWhatIsRead(t *testing.T) {
	cfg := webhook.Config{Type: "mandrill", Secrets: one(hostileSecret), URL: "https://hooks.example.com/m"}
	for name, c := range map[string]struct{ contentType, body, text string }{
		"JSON":                     {"application/x-www-form-urlencoded", `{"event":"spam","x":"&a=%22"}`, `a""}{"event":"spam","x":"`},
		"an array":                 {"application/json", `[{"event":"spam"}]`, `[{"event":"spam"}]`},
		"JSON behind a mark":       {"", "\xef\xbb\xbf{}", "\xef\xbb\xbf{}"},
		"parts":                    {"multipart/form-data; boundary=b", "mandrill_events=%5B%5D", "mandrill_events[]"},
		"parts without a boundary": {"Multipart/Form-Data", "mandrill_events=%5B%5D", "mandrill_events[]"},
	} {
		mac := hmac.New(sha1.New, []byte(hostileSecret))
		fmt.Fprint(mac, cfg.URL, c.text)
		r := request("Content-Type", c.contentType, "X-Mandrill-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		r.Body = []byte(c.body)
		if got := refusal(t, cfg, r); got.Reason != webhook.ReasonMismatch {
			t.Errorf("%s: %q, want a mismatch", name, got.Reason)
		}
	}
}

// An id that is not signed does not stand beside the one that is.
func TestStandardWebhooksHaveOneID(t *testing.T) {
	cfg := webhook.Config{Type: "standard_webhooks", Secrets: one("whsec_" + base64.StdEncoding.EncodeToString([]byte(hostileSecret)))}
	r := request()
	if err := webhook.Sign(cfg, cfg.Secrets[0], &r, r.ReceivedAt); err != nil {
		t.Fatal(err)
	}
	svix := r
	svix.Header = http.Header{"Svix-Id": r.Header["Webhook-Id"], "Svix-Timestamp": r.Header["Webhook-Timestamp"], "Svix-Signature": r.Header["Webhook-Signature"]}
	for name, r := range map[string]webhook.Request{"Svix-Id": r, "Webhook-Id": svix} {
		id := r.Header.Get("Webhook-Id") + r.Header.Get("Svix-Id")
		r.Header[name] = []string{id}
		if _, err := verify(t, cfg, r); err != nil {
			t.Errorf("with the same %s: %v", name, err)
		}
		for _, other := range [][]string{{"other"}, {id, "other"}, {"other", id}, {""}} {
			r.Header[name] = other
			if got := refusal(t, cfg, r); got.Reason != webhook.ReasonMalformed {
				t.Errorf("with %s %q: %q, want malformed", name, other, got.Reason)
			}
		}
	}
}

// hostileBodies are what costs a reader most, of about size bytes each.
func hostileBodies(size int) map[string]string {
	fill := func(start, end string, each func(i int) string) string {
		var b strings.Builder
		b.WriteString(start)
		for i := 0; b.Len() < size; i++ {
			b.WriteString(each(i))
		}
		return b.String() + end
	}
	return map[string]string{
		"members":      fill(`{"signature":{},"auth":"x"`, "}", func(i int) string { return `,"` + strconv.Itoa(i) + `":""` }),
		"one name":     fill(`{"a":1`, "}", func(int) string { return `,"":0` }),
		"arrays":       fill(`{"signature":{},"auth":[`, "{}]}", func(int) string { return `[],` }),
		"depth":        fill(`{"signature":`, "", func(int) string { return `[` }),
		"text":         fill(`{"signature":"`, `"}`, func(int) string { return `\u00e9` }),
		"fields":       fill("mandrill_events=[]", "", func(i int) string { return "&" + strconv.FormatInt(int64(i), 36) + "=" }),
		"escapes":      fill("mandrill_events=", "", func(int) string { return "%41" }),
		"parts":        fill("", "--b--\r\n", func(int) string { return "--b\r\nA:b\r\n\r\n\r\n" }),
		"part headers": fill("", "--b--\r\n", func(int) string { return "--b\r\n" + strings.Repeat("A:\r\n", 9000) + "\r\n\r\n" }),
		"zero":         strings.Repeat("\x00", size),
	}
}

// What an unproven body costs is bounded by its length: a few copies, and no
// allocation for each of its members, fields or parts.
func TestUnprovenBodiesAreCheap(t *testing.T) {
	const size = 4 << 20
	bodies := hostileBodies(size)
	for _, cfg := range []webhook.Config{
		{Type: "mailgun", Secrets: one(hostileSecret), Tolerance: time.Minute},
		{Type: "mandrill", Secrets: one(hostileSecret)},
		{Type: "unisender", Secrets: one(hostileSecret)},
		{Type: "mailersend", Secrets: one(hostileSecret)},
		{Type: "zeptomail", Secrets: one(hostileSecret)},
		{Type: "sns", Topics: []string{snsTopic1}},
	} {
		v, err := webhook.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for name, body := range bodies {
			r := request("X-Mandrill-Signature", strings.Repeat("A", 27)+"=", "Signature", strings.Repeat("0", 64),
				"Producer-Signature", "ts=1;s="+strings.Repeat("A", 43)+"%3D;s-algorithm=HmacSHA256")
			if r.Body = []byte(body); strings.HasPrefix(name, "part") {
				r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := webhook.Verify(v, r); err == nil {
				t.Fatalf("%s: %s: accepted", cfg.Type, name)
			}
			runtime.ReadMemStats(&after)
			if n, bytes := after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc; n > 50_000 || bytes > 10*size {
				t.Errorf("%s: %s: %d allocations of %d bytes for a body of %d", cfg.Type, name, n, bytes, size)
			}
		}
	}
}
