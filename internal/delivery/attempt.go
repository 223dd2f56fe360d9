package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// delivery is one Deliver.
type delivery struct {
	client   *Client
	message  Message
	started  time.Time
	attempts int
	last     error // of the latest attempt, fit for people; nil if it was answered
}

// run makes the attempts.
func (d *delivery) run(ctx context.Context) (Outcome, error) {
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, d.client.url.String(), d.message.Body)
	if err != nil { // it would quote the address
		return Outcome{}, errors.New("delivery: the request cannot be made")
	}
	if err := d.sign(req.Request); err != nil {
		return Outcome{}, err
	}
	res, err := d.library().Do(req)
	if res != nil {
		defer res.Body.Close()
	}
	switch {
	case ctx.Err() != nil && (res == nil || !delivered(res.StatusCode)):
		return Outcome{}, d.client.ended(ctx)
	case err != nil && d.last == nil: // of sign, before another attempt
		return Outcome{}, err //nolint:wrapcheck // it is ours
	case err != nil || res == nil:
		return Outcome{}, &UnavailableError{Host: d.client.url.Host, Attempts: d.attempts, Err: d.last}
	}
	return d.judge(res)
}

// library is the library's client, set up for this delivery. It logs nothing:
// its lines would hold the address.
func (d *delivery) library() *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient:   d.client.http,
		RetryMax:     d.client.opt.MaxAttempts - 1,
		CheckRetry:   d.again,
		Backoff:      d.backoff,
		PrepareRetry: d.sign,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

// again decides whether an attempt is followed by another.
func (d *delivery) again(ctx context.Context, res *http.Response, err error) (bool, error) {
	d.attempts++
	d.last = nil
	if err != nil {
		d.last = plain(err)
		return ctx.Err() == nil && !hopeless(err), err
	}
	return ctx.Err() == nil && passing(res.StatusCode), nil
}

// hopeless reports whether an attempt failed for a reason that another in a few
// seconds will not change.
func hopeless(err error) bool {
	_, address := errors.AsType[*AddressError](err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	return address || certificate
}

// delivered reports whether the target took the payload.
func delivered(status int) bool { return status >= 200 && status <= 299 }

// passing reports whether a status tells of a trouble that may pass. Beyond 599 is
// nothing that RFC 9110 knows, and no reason to give a payload up.
func passing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// judge says what the last answer means.
func (d *delivery) judge(res *http.Response) (Outcome, error) {
	if res.StatusCode != http.StatusSwitchingProtocols { // its body is the connection, and has no end
		// The outcome is known, whatever becomes of the rest.
		_, _ = io.CopyN(io.Discard, res.Body, d.client.opt.MaxAnswerBytes)
	}
	o := Outcome{Status: res.StatusCode, Attempts: d.attempts, Took: d.client.opt.Now().Sub(d.started)}
	switch {
	case delivered(res.StatusCode):
		return o, nil
	case passing(res.StatusCode):
		return Outcome{}, &UnavailableError{
			Host: d.client.url.Host, Status: res.StatusCode, Attempts: d.attempts, RetryAfter: d.asked(res.Header),
		}
	}
	return Outcome{}, refused(d.client.url.Host, res.StatusCode)
}

// backoff is how long to wait after an attempt (counted from 0).
func (d *delivery) backoff(_, _ time.Duration, attempt int, res *http.Response) time.Duration {
	o := d.client.opt
	wait := jitter(o, attempt)
	status := 0
	if res != nil {
		status = res.StatusCode
		wait = max(wait, d.asked(res.Header))
	}
	d.client.logRetry(attempt+1, status, d.last, wait)
	return d.client.waited(wait)
}

// asked is how long an answer asks to stay away, as far as that is honoured; 0 if it
// does not ask.
func (d *delivery) asked(h http.Header) time.Duration {
	o := d.client.opt
	asked := retryAfter(h, o.Now())
	if asked == 0 {
		return 0
	}
	return min(asked, o.MaxRetryAfter) + time.Duration(o.Random()*float64(o.MinBackoff))
}

// jitter is a wait without a Retry-After: anything up to a bound that doubles, so
// that those who failed together do not come back together.
func jitter(o Options, attempt int) time.Duration {
	most := o.MinBackoff
	for range attempt {
		if most >= o.MaxBackoff/2 {
			most = o.MaxBackoff
			break
		}
		most *= 2
	}
	return max(o.MinBackoff/10, time.Duration(o.Random()*float64(most)))
}
