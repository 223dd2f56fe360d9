//go:build linux || darwin

package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// How often the lock is tried, and how long is waited in between.
const (
	lockTries = 5
	lockWait  = 20 * time.Millisecond
)

// Free implements volume.
func (d disk) Free() (int64, error) {
	st, err := statfs(d.dir)
	if err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:gosec,unconvert // signed here, unsigned there
}

// volatileKind names the file system of a folder if it is one that a restart
// may empty; "" otherwise.
func volatileKind(dir string) string {
	st, err := statfs(dir)
	if err != nil {
		return ""
	}
	return volatileName(&st)
}

func statfs(dir string) (st syscall.Statfs_t, err error) {
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Statfs(dir, &st)
	}
	if err != nil {
		err = &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return st, err
}

// takeLock makes this process the only one that uses the folder, until the file
// is closed or the process ends, however it ends (flock(2)). The file holds the
// process's id for others to name.
func takeLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(disk{dir}.path(lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	// Who only asks whether there is an owner holds the lock for a moment.
	for range lockTries {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			break
		}
		<-time.After(lockWait)
	}
	if err == nil {
		// For people only; on a full disk it may fail.
		_ = f.Truncate(0)
		_, _ = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
		return f, nil
	}
	defer f.Close() //nolint:errcheck // nothing was written to it
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("flock %s: %w", f.Name(), err)
	}
	pid, _ := io.ReadAll(io.LimitReader(f, 20))
	return nil, fmt.Errorf("%w: process %s uses %s; give every receiver a folder of its own (spool.dir), or end that process",
		ErrLocked, strings.TrimSpace(string(pid)), dir)
}

// outOfSpace reports whether an error says that there is no room for more.
func outOfSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
