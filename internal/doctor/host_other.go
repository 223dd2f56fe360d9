//go:build !linux

package doctor

// clockSynced knows no portable way to ask.
func clockSynced() (synced, ok bool) { return false, false }

// volumeOf knows no portable way to ask.
func volumeOf(string) (v volume, ok bool) { return v, false }
