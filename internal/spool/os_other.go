//go:build !linux && !darwin

package spool

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

func syncData(f *os.File) error { return f.Sync() }

func reserve(*os.File, int64) error { return nil }

// Free implements volume.
func (disk) Free() (int64, error) { return 0, errors.ErrUnsupported }

func volatileKind(string) string { return "" }

// takeLock refuses: without a lock that ends with its process two receivers
// would write into one log.
func takeLock(string) (*os.File, error) {
	return nil, fmt.Errorf("no spool on %s (no flock); set durability: broker for every source: %w", runtime.GOOS, errors.ErrUnsupported)
}

func outOfSpace(error) bool { return false }
