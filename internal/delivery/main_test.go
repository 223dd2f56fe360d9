package delivery_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain names a proxy before net/http looks at the environment, which it does
// once. Nobody listens there.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		if err := os.Setenv(name, "http://127.0.0.1:1"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}
