package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay/archive"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// namedRequest is a saved request and what to call it.
type namedRequest struct {
	name    string
	request webhook.Request
	rawID   string
}

// savedRequests reads the requests of files and folders. kind is the content type of
// those that do not say theirs.
func (c *cli) savedRequests(args []string, kind string) ([]namedRequest, error) {
	var list []namedRequest
	for _, arg := range args {
		files, err := requestFiles(arg)
		if err != nil {
			return nil, fmt.Errorf("map test: %w", err)
		}
		for _, file := range files {
			text, err := c.readInput("map test", file)
			if err != nil {
				return nil, err
			}
			found, err := readRequests(file, text, kind)
			if err != nil {
				return nil, fmt.Errorf("map test: %s: %w", file, err)
			}
			list = append(list, found...)
		}
	}
	return list, nil
}

// requestFiles lists the files that an argument means.
func requestFiles(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	if arg == "-" || err == nil && !info.IsDir() {
		return []string{arg}, nil
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file, and the caller the command
	}
	entries, err := os.ReadDir(arg)
	if err != nil {
		return nil, err //nolint:wrapcheck // as above
	}
	var files, saved []string
	for _, e := range entries {
		name := filepath.Join(arg, e.Name())
		if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		files = append(files, name)
		if filepath.Ext(name) == ".http" {
			saved = append(saved, name)
		}
	}
	if len(saved) > 0 {
		files = saved
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: the folder holds no file", arg)
	}
	return files, nil
}

// readRequests reads what a file holds: raw records, a request with its headers, or a body.
func readRequests(name string, text []byte, kind string) ([]namedRequest, error) {
	if bytes.HasPrefix(text, []byte(`{"v":1,"topic":`)) || bytes.HasPrefix(text, []byte("\x28\xb5\x2f\xfd")) { // zstd
		return exportedRequests(name, text)
	}
	body := webhook.Request{Method: http.MethodPost, Header: http.Header{}, Body: text}
	if first := bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\ufeff")), " \t\r\n"); filepath.Ext(name) == ".http" || kind == "" && len(first) > 0 && first[0] != '{' && first[0] != '[' {
		s, err := parseRequest(text)
		switch {
		case err == nil:
			body = s.request
			s.takeQuery(&body)
		case filepath.Ext(name) == ".http":
			return nil, err
		}
	}
	if kind != "" && body.Header.Get("Content-Type") == "" {
		body.Header.Set("Content-Type", kind)
	}
	return []namedRequest{{name: name, request: body, rawID: "not-published"}}, nil
}

// takeQuery gives a request the query that was called; by GET that is its body, as the
// receiver has it.
func (s *savedRequest) takeQuery(r *webhook.Request) {
	u, err := url.Parse(s.target)
	if err != nil || u.RawQuery == "" {
		return
	}
	r.Query = u.Query()
	if r.Method == http.MethodGet && len(bytes.TrimSpace(r.Body)) == 0 {
		r.Body = []byte(u.RawQuery)
	}
}

// exportedRequests reads the raw requests of an export.
func exportedRequests(name string, text []byte) ([]namedRequest, error) {
	records := archive.NewReader(bytes.NewReader(text))
	defer records.Close()
	var list []namedRequest
	for {
		r, err := records.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err //nolint:wrapcheck // it names the line, and the caller the file
		}
		if !slices.ContainsFunc(r.Headers, func(h event.Header) bool { return h.Key == "method" }) {
			return nil, fmt.Errorf("line %d is no raw request: export the raw topic", records.Line())
		}
		s := fromRecord(&broker.Message{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value, Headers: r.Headers})
		list = append(list, namedRequest{fmt.Sprintf("%s:%d", name, records.Line()), s.request, cmp.Or(s.rawID, "not-published")})
	}
}
