//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package embedded

import "os"

// tryLock cannot keep others out on this platform; the broker's port does, as
// long as both are given the same one.
func tryLock(*os.File) error { return nil }

// unlock has nothing to undo.
func unlock(*os.File) error { return nil }
