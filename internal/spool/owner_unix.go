//go:build linux || darwin

package spool

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Owner returns the id of the process that uses a spool's folder, without
// touching the spool: 0 if there is none, -1 if its id is not known.
func Owner(dir string) int {
	f, err := os.Open(disk{dir}.path(lockName))
	if err != nil {
		return 0
	}
	defer f.Close() //nolint:errcheck // which gives back what the next line may have taken
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return 0
	}
	text, _ := io.ReadAll(io.LimitReader(f, 20))
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return -1
	}
	return pid
}
