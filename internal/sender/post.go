package sender

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// answerTimeout bounds one request. Receivers answer within seconds; providers
// wait 3 to 30.
const answerTimeout = 30 * time.Second

// NewClient makes the HTTP client that webhooks are posted with. It follows no
// redirect and tries nothing twice: what it reports is what happened.
func NewClient() *http.Client {
	return &http.Client{
		Timeout: answerTimeout,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout:     time.Minute,
			MaxIdleConnsPerHost: 16,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends one webhook and returns the status of the answer.
func post(ctx context.Context, client *http.Client, w *Webhook) (int, error) {
	req, err := http.NewRequestWithContext(ctx, w.method, w.url, bytes.NewReader(w.body))
	if err != nil {
		return 0, fmt.Errorf("sender: %s: %w", w.Target.PostURL, err)
	}
	req.Header = w.header.Clone()
	req.GetBody = nil // or the transport sends it again on a connection that was closed
	res, err := client.Do(req)
	if err != nil {
		return 0, withoutURL(w, err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return 0, fmt.Errorf("sender: %s: reading the answer: %w", w.Target.PostURL, err)
	}
	return res.StatusCode, nil
}
