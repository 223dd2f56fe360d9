package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	lockName = "postrider.lock"
	lockMode = 0o600
)

// errLocked says that another open file holds the lock.
var errLocked = errors.New("locked")

// dirLock keeps a second process out of a folder. The operating system drops it
// when the process ends, however it ends.
type dirLock struct{ f *os.File }

// lockDir takes the folder's lock, or tells which process has it.
func lockDir(dir string) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, lockMode) //nolint:gosec // the folder is the operator's choice
	if err != nil {
		return nil, fmt.Errorf("embedded broker: lock %s (kafka.embedded.dir): %w", dir, err)
	}
	if err := tryLock(f); err != nil {
		defer func() { _ = f.Close() }() // nothing was written
		if errors.Is(err, errLocked) {
			return nil, heldError(dir, f)
		}
		return nil, fmt.Errorf("embedded broker: lock %s (kafka.embedded.dir): %w", dir, err)
	}
	if err := writePID(f); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded broker: lock %s: %w", dir, err), f.Close())
	}
	return &dirLock{f}, nil
}

func (l *dirLock) release() error {
	if err := errors.Join(unlock(l.f), l.f.Close()); err != nil {
		return fmt.Errorf("embedded broker: unlock: %w", err)
	}
	return nil
}

// writePID leaves a note for heldError; the lock itself does not depend on it.
func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func heldError(dir string, f *os.File) error {
	var note [20]byte
	n, _ := f.ReadAt(note[:], 0) // a short note is the usual case, and an unreadable one only costs the pid
	pid := strings.TrimSpace(string(note[:n]))
	if pid == "" {
		pid = "unknown"
	}
	return fmt.Errorf("embedded broker: data folder %s is in use by process %s: "+
		"stop that one, or give this one a folder of its own with kafka.embedded.dir", dir, pid)
}
