//go:build darwin || linux

package embedded

import "syscall"

// freeBytes is what a process without privileges may still write below dir.
func freeBytes(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:gosec,unconvert // types differ by platform; no disk has 2^63 bytes
}
