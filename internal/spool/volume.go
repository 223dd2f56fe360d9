package spool

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// file is an open file of the spool.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size returns the length, bytes.
	Size() (int64, error)
	Truncate(size int64) error
	// Sync returns nil when the contents and the length would survive a loss of
	// power.
	Sync() error
	// InPlace returns nil if the name it was opened by still leads to it.
	InPlace() error
}

// names are the names in the spool's folders. A change to them survives a loss
// of power only after SyncDir of the folder.
type names interface {
	Rename(from, to string) error
	Remove(name string) error
	// List returns the base names in a folder ("." is the spool's own), sorted;
	// none when there is no such folder.
	List(dir string) ([]string, error)
}

// volume is the part of a file system that the log stands on: the disk, and in
// tests a model that loses power. Names are relative to the spool's folder.
type volume interface {
	names
	// Open opens a file to read and, if that is allowed, write it. With create it
	// must not exist, and size bytes are reserved where the file system can.
	Open(name string, create bool, size int64) (file, error)
	SyncDir(dir string) error
	// Owned returns nil if the folder is still the one that was locked.
	Owned() error
	// Free returns how many bytes others than root may still write.
	Free() (int64, error)
}

// disk is the volume of a running process.
type disk struct{ dir string }

func (d disk) path(name string) string { return filepath.Join(d.dir, name) }

// Open implements volume. Files are for their owner only: they hold recipients.
func (d disk) Open(name string, create bool, size int64) (file, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(d.path(name), flags, 0o600)
	if err != nil && !create {
		f, err = os.Open(d.path(name)) // say, on a disk that is read-only by now
	}
	if err != nil {
		return nil, err
	}
	if create {
		if err := reserve(f, size); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	return diskFile{f}, nil
}

// Rename implements names.
func (d disk) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

// Remove implements names.
func (d disk) Remove(name string) error { return os.Remove(d.path(name)) }

// List implements names.
func (d disk) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(d.path(dir))
	if os.IsNotExist(err) {
		return nil, nil
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	slices.Sort(list)
	return list, err
}

// SyncDir implements volume.
func (d disk) SyncDir(dir string) error {
	f, err := os.Open(d.path(dir))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written to it
	return f.Sync()
}

// Owned implements volume. Nobody owns it.
func (d disk) Owned() error { return nil }

// ownedDisk is a disk whose lock this process holds.
type ownedDisk struct {
	disk
	lock os.FileInfo
}

// ownDisk returns the volume of a folder with the lock that is held.
func ownDisk(dir string, lock *os.File) (ownedDisk, error) {
	info, err := lock.Stat()
	return ownedDisk{disk{dir}, info}, err
}

// Owned implements volume: the lock that the name leads to is the one that is
// held. Its inode is in use as long as it is held, so that no other gets its number.
func (d ownedDisk) Owned() error { return leadsTo(d.path(lockName), d.lock) }

// leadsTo returns nil if a name leads to a file.
func leadsTo(path string, want os.FileInfo) error {
	got, err := os.Stat(path)
	if err == nil && !os.SameFile(got, want) {
		err = &os.PathError{Op: "look at", Path: path, Err: errReplaced}
	}
	return err
}

// errReplaced is the error about a name that leads to another file by now.
var errReplaced = errors.New("it is another file than the one that was opened")

// diskFile is a file of a disk.
type diskFile struct{ *os.File }

// Size implements file.
func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// InPlace implements file.
func (f diskFile) InPlace() error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return leadsTo(f.Name(), info)
}

// Sync implements file.
func (f diskFile) Sync() error { return syncData(f.File) }

// makeFolders creates a folder and what is missing above it, for the owner
// only, so that it survives a loss of power.
func makeFolders(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeFolders(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	return disk{parent}.SyncDir(".")
}
