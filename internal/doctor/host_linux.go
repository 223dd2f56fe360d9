package doctor

import "syscall"

// clockSynced asks the kernel (adjtimex(2)) whether an NTP client keeps the
// clock right; ok is false if it does not say.
func clockSynced() (synced, ok bool) {
	const (
		stateError = 5    // TIME_ERROR
		unsynced   = 0x40 // STA_UNSYNC
	)
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	return state != stateError && t.Status&unsynced == 0, err == nil
}

// volumeOf asks the kernel about the file system of a folder (statfs(2)).
func volumeOf(dir string) (v volume, ok bool) {
	const (
		tmpfs   = 0x01021994
		overlay = 0x794c7630
	)
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return v, false
	}
	v.free = s.Bavail * uint64(s.Bsize) //nolint:gosec // a block size is positive
	switch uint32(s.Type) {             //nolint:gosec // magic numbers have 32 bits
	case tmpfs:
		v.kind = "tmpfs"
	case overlay:
		v.kind = "an overlay"
	}
	return v, true
}
