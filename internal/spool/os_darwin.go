package spool

import (
	"os"
	"syscall"
)

// syncData is F_FULLFSYNC: fsync(2) alone leaves data in the drive's cache.
func syncData(f *os.File) error { return f.Sync() }

// reserve does without: the file grows as it is written.
func reserve(*os.File, int64) error { return nil }

// volatileName finds nothing to warn of here.
func volatileName(*syscall.Statfs_t) string { return "" }
