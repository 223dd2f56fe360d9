package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// webhooksPath is the path below which sources receive.
const webhooksPath = "/v1/webhooks/"

// savedRequest is a request to verify, and what is known of where it came from.
type savedRequest struct {
	request webhook.Request
	target  string // path and query that were called; "" if not known
	source  string // "" if not known
	rawID   string
	stored  bool // it comes from the raw topic
}

// savedRequest reads the request from wherever the flags say.
func (c *cli) savedRequest(ctx context.Context, cfg *config.Config, f verifyFlags, args []string) (*savedRequest, error) {
	var s *savedRequest
	var err error
	switch {
	case f.raw != "" && len(args) == 0:
		s, err = c.storedRequest(ctx, cfg, f.raw)
	case len(args) == 1 && f.raw == "" && f.body == "":
		s, err = c.requestFile(args[0])
	case len(args) == 0 && f.body != "":
		s, err = c.requestBody(f.body)
	default:
		return nil, errors.New("verify: give either a file with the whole request, or --header and --body, or --raw")
	}
	if err != nil {
		return nil, err
	}
	if err := s.addHeaders(f.headers); err != nil {
		return nil, err
	}
	if f.path != "" {
		s.target = f.path
	}
	return s, s.address()
}

// addHeaders adds headers written as "Name: value".
func (s *savedRequest) addHeaders(lines []string) error {
	for _, h := range lines {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return errors.New(`verify: --header: write it as "Name: value"`)
		}
		s.request.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return nil
}

// readInput reads a file, or standard input for "-", for a command that errors name.
func (c *cli) readInput(command, name string) ([]byte, error) {
	if name == "-" {
		b, err := io.ReadAll(c.in)
		if err != nil {
			return nil, fmt.Errorf("%s: standard input: %w", command, err)
		}
		return b, nil
	}
	b, err := os.ReadFile(name) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	return b, nil
}

// requestBody is a request of which the body is in a file.
func (c *cli) requestBody(name string) (*savedRequest, error) {
	body, err := c.readInput("verify", name)
	if err != nil {
		return nil, err
	}
	return &savedRequest{request: webhook.Request{Method: http.MethodPost, Header: http.Header{}, Body: body}}, nil
}

// requestFile reads a file with headers and body.
func (c *cli) requestFile(name string) (*savedRequest, error) {
	text, err := c.readInput("verify", name)
	if err != nil {
		return nil, err
	}
	s, err := parseRequest(text)
	if err != nil {
		return nil, fmt.Errorf("verify: %s: %w", name, err)
	}
	return s, nil
}

// parseRequest reads a request line, if there is one, header lines, an empty
// line and the body. Lines may end in CR LF or LF; the body stays as it is.
func parseRequest(text []byte) (*savedRequest, error) {
	head, body, ok := cutHead(text)
	if !ok {
		return nil, errors.New("there is no empty line between the headers and the body")
	}
	s := &savedRequest{request: webhook.Request{Method: http.MethodPost, Body: body}}
	first, rest, _ := bytes.Cut(head, []byte("\n"))
	if method, target, ok := requestLine(string(first)); ok {
		s.request.Method, s.target = method, target
		head = rest
	}
	lines := textproto.NewReader(bufio.NewReader(io.MultiReader(bytes.NewReader(head), strings.NewReader("\n\n"))))
	h, err := lines.ReadMIMEHeader()
	if err != nil {
		return nil, errors.New("the lines before the first empty one are no headers, each \"Name: value\"") // err quotes one, which may be a credential
	}
	s.request.Header = http.Header(h)
	return s, nil
}

// requestLine reads "POST /v1/webhooks/shop HTTP/1.1"; the version may be missing.
func requestLine(line string) (method, target string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 2 || strings.Contains(fields[0], ":") {
		return "", "", false
	}
	ok = strings.HasPrefix(fields[1], "/") || strings.HasPrefix(fields[1], "http")
	return fields[0], fields[1], ok
}

// cutHead splits at the first empty line.
func cutHead(text []byte) (head, body []byte, ok bool) {
	for at := 0; at < len(text); {
		line, _, found := bytes.Cut(text[at:], []byte("\n"))
		if !found {
			break
		}
		next := at + len(line) + 1
		if len(bytes.TrimSuffix(line, []byte("\r"))) == 0 {
			return text[:at], text[next:], true
		}
		at = next
	}
	return nil, nil, false
}

// address takes the source, the token and the query from the path that was called.
func (s *savedRequest) address() error {
	if s.target == "" {
		return nil
	}
	u, err := url.Parse(s.target)
	if err != nil {
		return errors.New("verify: the path that was called is no valid one")
	}
	if s.request.Query = u.Query(); u.RawQuery == "" {
		s.request.Query = nil
	}
	_, below, ok := strings.Cut(u.Path, webhooksPath)
	if !ok {
		return nil
	}
	source, token, _ := strings.Cut(below, "/")
	s.source, s.request.PathToken = source, token
	return nil
}

// complete fills in when the request came and the address that was called.
func (s *savedRequest) complete(at string, source *app.CompiledSource, publicURL string, now time.Time) error {
	if at != "" {
		t, err := parseTime(at)
		if err != nil {
			return err
		}
		s.request.ReceivedAt = t
	}
	if s.request.ReceivedAt.IsZero() {
		s.request.ReceivedAt = now
	}
	s.request.URL = source.Address(publicURL, s.request.PathToken)
	if q := s.request.Query.Encode(); q != "" {
		s.request.URL += "?" + q
	}
	if u, err := url.Parse(s.target); err == nil && u.Path != "" {
		s.request.URL = publicURL + u.RequestURI()
	}
	if s.rawID == "" {
		s.rawID = "not-published"
	}
	return nil
}

// storedRequest reads a request from the raw topic.
func (c *cli) storedRequest(ctx context.Context, cfg *config.Config, place string) (*savedRequest, error) {
	at, err := readPlace(place)
	if err != nil {
		return nil, fmt.Errorf("verify: --raw: %w", err)
	}
	client, err := c.kafka(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	defer client.Close()
	ranges, err := client.Offsets(ctx, at.Topic)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	switch r, ok := ranges[at.Partition]; {
	case !ok:
		return nil, fmt.Errorf("verify: there is no partition %d: %s has %d", at.Partition, at.Topic, len(ranges))
	case r.First == r.Next:
		return nil, fmt.Errorf("verify: %s[%d] is empty", at.Topic, at.Partition)
	case at.Offset < r.First || at.Offset >= r.Next:
		return nil, fmt.Errorf("verify: %s[%d] holds no record %d: it holds those from %d to %d", at.Topic, at.Partition, at.Offset, r.First, r.Next-1)
	}
	var s *savedRequest
	err = client.Read(ctx, at.Topic, at.Partition, at.Offset, at.Offset+1, func(m broker.Message) error {
		s = fromRecord(&m)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	if s == nil {
		return nil, fmt.Errorf("verify: %s[%d]@%d is not there any more", at.Topic, at.Partition, at.Offset)
	}
	return s, nil
}

// fromRecord makes the request of a raw record: its own headers are under http-.
func fromRecord(m *broker.Message) *savedRequest {
	s := &savedRequest{source: event.HeaderText(m.Headers, "source"), rawID: event.HeaderText(m.Headers, "id"), stored: true}
	s.request = webhook.Request{Method: event.HeaderText(m.Headers, "method"), Header: http.Header{}, Body: m.Value}
	for _, h := range m.Headers {
		if name, ok := strings.CutPrefix(h.Key, "http-"); ok {
			s.request.Header.Add(name, string(h.Value))
		}
	}
	if q, err := url.ParseQuery(event.HeaderText(m.Headers, "query")); err == nil && len(q) > 0 {
		s.request.Query = q
	}
	if at, err := time.Parse(time.RFC3339Nano, event.HeaderText(m.Headers, "received_at")); err == nil {
		s.request.ReceivedAt = at
	}
	if addr, err := netip.ParseAddr(event.HeaderText(m.Headers, "remote-address")); err == nil {
		s.request.RemoteAddr = addr
	}
	return s
}
