package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// RefusedError is a payload that the target does not take, however often it is
// sent. Its text holds nothing of the answer, of the address but the host, or of
// the payload.
type RefusedError struct {
	Host   string
	Status int    // of the answer; 0 if nothing was sent: the message cannot be
	Gone   bool   // 410: the target wants no deliveries any more
	Reason string // for people
}

// Error implements error.
func (e *RefusedError) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("delivery: %s: the message cannot be sent: %s", e.Host, e.Reason)
	}
	return fmt.Sprintf("delivery: %s: refused with %s: %s", e.Host, statusText(e.Status), e.Reason)
}

// UnavailableError is a target that cannot be reached, or is in trouble, after all
// attempts. It may or may not have the payload.
type UnavailableError struct {
	Host     string
	Status   int // of the last answer; 0 if there was none
	Attempts int
	Err      error // why there was no answer; nil if there was one
	// RetryAfter is how long the last answer asks to stay away, at most
	// Options.MaxRetryAfter and a jitter of MinBackoff; 0 if it does not ask.
	RetryAfter time.Duration
}

// Error implements error.
func (e *UnavailableError) Error() string {
	why := "answered " + statusText(e.Status)
	if e.Err != nil {
		why = e.Err.Error()
	}
	tries := "1 attempt"
	if e.Attempts != 1 {
		tries = fmt.Sprintf("%d attempts", e.Attempts)
	}
	return fmt.Sprintf("delivery: %s: not delivered after %s: %s", e.Host, tries, strings.TrimPrefix(why, "delivery: "))
}

// Unwrap returns why there was no answer.
func (e *UnavailableError) Unwrap() error { return e.Err }

// refused says what a status means that is no success and will not pass.
func refused(host string, status int) *RefusedError {
	e := &RefusedError{Host: host, Status: status, Gone: status == http.StatusGone}
	switch {
	case e.Gone:
		e.Reason = "the target wants no deliveries any more"
	case status < 200:
		e.Reason = "it wants to speak another protocol"
	case status < 400:
		e.Reason = "redirects are not followed, since they would lose or misdirect the payload; set the address that it leads to"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.Reason = "the target does not accept the signature; compare the secrets"
	case status == http.StatusNotFound:
		e.Reason = "there is nothing at that path; compare the address"
	case status == http.StatusRequestEntityTooLarge:
		e.Reason = "the payload is too large for the target"
	default:
		e.Reason = "the target does not take this payload"
	}
	return e
}

// statusText is a status for people; the target's own words for it are not used.
func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// plain says why an attempt had no answer, in words of our own wherever those of
// the libraries could hold the address or a piece of what the target sent.
func plain(err error) error {
	if e, ok := errors.AsType[*AddressError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &causeError{"its certificate cannot be trusted: " + printable(e.Err.Error()), e}
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return dnsTrouble(e)
	}
	for _, known := range []struct {
		err  error
		text string
	}{
		{syscall.ECONNREFUSED, "nobody listens there"},
		{syscall.ECONNRESET, "it broke the connection off"},
		{syscall.EPIPE, "it broke the connection off"},
		{syscall.ENETUNREACH, "there is no way to its network"},
		{syscall.EHOSTUNREACH, "there is no way to its address"},
		{io.ErrUnexpectedEOF, "it broke the connection off"},
		{io.EOF, "it broke the connection off"},
	} {
		if errors.Is(err, known.err) {
			return &causeError{known.text, known.err}
		}
	}
	return other(err)
}

// other tells time-outs and TLS from what is no HTTP.
func other(err error) error {
	timeout, isTimeout := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || isTimeout && timeout.Timeout():
		return &causeError{"it did not answer in time", context.DeadlineExceeded}
	case strings.Contains(err.Error(), "server closed idle connection"): // net/http does not export it
		return &causeError{"it broke the connection off", io.EOF}
	case isTLS(err):
		return errors.New("it does not speak TLS that we accept (1.2 or newer)")
	}
	return errors.New("its answer is no HTTP, or has headers of more than 32 KiB")
}

func isTLS(err error) bool {
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	op, ok := errors.AsType[*net.OpError](err)
	return record || alert || ok && op.Op == "remote error" || strings.Contains(err.Error(), "tls: ")
}

// dnsTrouble leaves out which server was asked.
func dnsTrouble(e *net.DNSError) error {
	if e.IsNotFound {
		return &causeError{"its name is not known", e}
	}
	return &causeError{"its name could not be looked up", e}
}

// causeError has a text of ours and the cause for errors.Is and errors.As.
type causeError struct {
	text  string
	cause error
}

// Error implements error.
func (e *causeError) Error() string { return e.text }

// Unwrap returns the cause.
func (e *causeError) Unwrap() error { return e.cause }

// maxForeignText bounds text of other people in an error.
const maxForeignText = 200

// printable cuts text of other people and takes out what is not printable.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r > 0x7e {
			return '?'
		}
		return r
	}, s)
	if len(s) > maxForeignText {
		s = s[:maxForeignText] + "…"
	}
	return s
}
