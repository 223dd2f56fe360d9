package spool

import (
	"errors"
	"os"
	"syscall"
)

// What statfs(2) calls file systems that do not outlive a container or a boot.
const (
	magicTmpfs   = 0x01021994
	magicRamfs   = 0x858458F6
	magicOverlay = 0x794C7630
)

// syncData is fdatasync(2): contents and, where it matters for reading them,
// the length.
func syncData(f *os.File) error {
	return control(f, "fdatasync", syscall.Fdatasync)
}

// reserve allocates the file's blocks, so that a write into them neither runs
// out of space nor has to be followed by a change of the length on disk. A file
// system that cannot reserve goes without.
func reserve(f *os.File, size int64) error {
	err := control(f, "fallocate", func(fd int) error { return syscall.Fallocate(fd, 0, 0, size) })
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return nil
	}
	return err
}

// control calls a system call on a file until no signal interrupts it.
func control(f *os.File, name string, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var outcome error
	err = conn.Control(func(fd uintptr) {
		for outcome = syscall.EINTR; errors.Is(outcome, syscall.EINTR); {
			outcome = call(int(fd))
		}
	})
	if err == nil && outcome != nil {
		err = &os.PathError{Op: name, Path: f.Name(), Err: outcome}
	}
	return err
}

// volatileName names the file system type of a folder when what is written to
// it may be gone with the container or the machine's next start.
func volatileName(st *syscall.Statfs_t) string {
	switch uint32(st.Type) { //nolint:gosec // the magic numbers have 32 bits
	case magicTmpfs:
		return "tmpfs"
	case magicRamfs:
		return "ramfs"
	case magicOverlay:
		return "overlay"
	}
	return ""
}
