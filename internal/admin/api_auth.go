package admin

import (
	"errors"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/pkg/webhook"
)

// failureDelay is how long the answer to a bad token takes.
const failureDelay = 300 * time.Millisecond

// authenticate returns the id of the token that a request brings in its header
// Authorization. Every token is compared, by its SHA-256 and in constant time.
func (a *API) authenticate(r *http.Request) (who string, err error) {
	proven, err := webhook.Verify(a.verifier, webhook.Request{Method: r.Method, Header: r.Header, ReceivedAt: a.opt.Now()})
	if err != nil {
		return "", err //nolint:wrapcheck // it is told to the log alone
	}
	return proven.Proof().KeyID, nil
}

// unauthorized answers who has no token, or a wrong one: always the same, after the
// same time, and not many at once. Good tokens never wait for bad ones.
func (a *API) unauthorized(w http.ResponseWriter, r *http.Request, why error) {
	reason := webhook.ReasonMissing
	if refused, ok := errors.AsType[*webhook.RefusedError](why); ok {
		reason = refused.Reason
	}
	client, _, _ := net.SplitHostPort(r.RemoteAddr) // "" where there is none
	a.opt.Log.Warn("admin api refused a request", zap.String("reason_code", "api_refused"), zap.String("auth_reason", string(reason)),
		zap.String("client", client))
	w.Header().Set("Connection", "close")
	free, err := place(a.failures, "requests without a valid token")
	if err != nil {
		w.Header().Set("Retry-After", "1")
		writeProblem(w, a.explain(err))
		return
	}
	defer free()
	wait := time.NewTimer(failureDelay)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-r.Context().Done():
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="postrider"`)
	writeProblem(w, &problem{status: http.StatusUnauthorized, text: "a valid token is needed: Authorization: Bearer <token>"})
}
