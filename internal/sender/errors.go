package sender

import (
	"errors"
	"fmt"
	"net/url"
	"syscall"
)

// withoutURL says what happened without the address, which may hold a token.
func withoutURL(w *Webhook, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	hint := ""
	if errors.Is(err, syscall.ECONNREFUSED) {
		hint = " (is the receiver running? start it with `postrider serve`, or name another address with --url)"
	}
	return fmt.Errorf("sender: %s: %w%s", w.Target.PostURL, err, hint)
}
