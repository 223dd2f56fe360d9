//go:build unix

package downstream_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// full is the long form, whose figures are published.
var full = flag.Bool("downstream.full", false, "run the long form: many minutes") //nolint:gochecknoglobals // flags are global

// bound ends what hangs; every wait is on a condition.
const bound = 90 * time.Second

// partitions each topic has.
const partitions = 4

func TestMain(m *testing.M) {
	if told := os.Getenv(memberVar); told != "" {
		if err := runMember(told); err != nil {
			fmt.Fprintln(os.Stderr, "member:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
