package spool

import (
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
)

// errPower is what every operation answers once the power is off.
var errPower = errors.New("power is off")

const sector = 512

// memory is a volume that loses power: what was not synced may be on the disk,
// in part and in any order, or not; so may names.
type memory struct {
	mu      sync.Mutex
	names   map[string]*inode // as a running process sees them
	durable map[string]*inode // as of the last SyncDir of their folder
	away    bool              // the folder was taken away
	free    int64
	fault   func(op, name string) error // may refuse an operation, under mu
	ops     int
	offAt   int // the power goes off before this operation; 0: never
}

// inode is a file. A version of a sector is what it was after one write.
type inode struct {
	data    []byte
	durable []byte // as of the last sync
	dirty   map[int][][]byte
	syncs   int
	failed  bool // a sync of it failed
	again   bool // and it was synced again
}

func newMemory() *memory {
	return &memory{names: map[string]*inode{}, durable: map[string]*inode{}, free: 1 << 40}
}

// step counts an operation and says whether it comes to pass.
func (m *memory) step(op, name string) error {
	m.ops++
	if m.offAt > 0 && m.ops >= m.offAt {
		return errPower
	}
	if m.fault != nil {
		return m.fault(op, name)
	}
	return nil
}

func (m *memory) Open(name string, create bool, size int64) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.names[name]
	if !create {
		if n == nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return &memoryFile{m: m, n: n, name: name}, nil
	}
	if n != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	if err := m.step("create", name); err != nil {
		return nil, err
	}
	n = &inode{dirty: map[int][][]byte{}, data: make([]byte, size)}
	m.names[name] = n
	return &memoryFile{m: m, n: n, name: name}, nil
}

func (m *memory) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("rename", from); err != nil {
		return err
	}
	n := m.names[from]
	if n == nil {
		return fs.ErrNotExist
	}
	m.names[to] = n
	delete(m.names, from)
	return nil
}

func (m *memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] == nil {
		return fs.ErrNotExist
	}
	if err := m.step("remove", name); err != nil {
		return err
	}
	delete(m.names, name)
	return nil
}

func (m *memory) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for name := range m.names {
		if path.Dir(name) == dir {
			list = append(list, path.Base(name))
		}
	}
	slices.Sort(list)
	return list, nil
}

func (m *memory) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("syncdir", dir); err != nil {
		return err
	}
	maps.DeleteFunc(m.durable, func(name string, _ *inode) bool { return path.Dir(name) == dir })
	for name, n := range m.names {
		if path.Dir(name) == dir {
			m.durable[name] = n
		}
	}
	return nil
}

func (m *memory) Owned() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return fs.ErrNotExist
	}
	return nil
}

// take takes the folder away, with what is in it, and leaves an empty one; back
// puts it back.
func (m *memory) take() (back func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := m.names
	m.names, m.away = map[string]*inode{}, true
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.names, m.away = names, false
	}
}

func (m *memory) Free() (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.free, nil
}

// memoryFile is an open file of a memory.
type memoryFile struct {
	m    *memory
	n    *inode
	name string
}

func (f *memoryFile) Close() error { return nil }

func (f *memoryFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return int64(len(f.n.data)), nil
}

func (f *memoryFile) ReadAt(b []byte, at int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if at >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.n.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memoryFile) WriteAt(b []byte, at int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	err := f.m.step("write", f.name)
	if err != nil {
		b = b[:len(b)/2] // what fails may have begun
	}
	if errors.Is(err, errPower) {
		return 0, err
	}
	f.n.put(b, int(at))
	return len(b), err
}

// put writes and keeps a version of every sector that it touches.
func (n *inode) put(b []byte, at int) {
	if end := at + len(b); end > len(n.data) {
		n.data = append(n.data, make([]byte, end-len(n.data))...)
	}
	for s := at / sector; s*sector < at+len(b); s++ {
		from, to := max(s*sector, at), min((s+1)*sector, at+len(b))
		copy(n.data[from:to], b[from-at:])
		n.dirty[s] = append(n.dirty[s], slices.Clone(n.data[s*sector:min((s+1)*sector, len(n.data))]))
	}
}

func (f *memoryFile) InPlace() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.names[f.name] != f.n {
		return fs.ErrNotExist
	}
	return nil
}

func (f *memoryFile) Truncate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.step("truncate", f.name); err != nil {
		return err
	}
	f.n.data = append(f.n.data[:min(int(size), len(f.n.data))], make([]byte, max(int(size)-len(f.n.data), 0))...)
	return nil
}

func (f *memoryFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.n.failed {
		f.n.again = true
	}
	if err := f.m.step("sync", f.name); err != nil {
		f.n.failed = f.n.failed || !errors.Is(err, errPower)
		return err
	}
	f.n.syncs++
	f.n.durable = slices.Clone(f.n.data)
	clear(f.n.dirty)
	return nil
}

// lose returns what is on the disk after the power was lost.
func (m *memory) lose(rnd *rand.Rand) *memory {
	after := newMemory()
	all := maps.Clone(m.durable)
	maps.Copy(all, m.names)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		n := m.durable[name]
		if now := m.names[name]; now != n && rnd.IntN(2) == 0 {
			n = now // the change of the name made it
		}
		if n == nil {
			continue
		}
		data := n.lose(rnd)
		after.names[name] = &inode{data: data, durable: slices.Clone(data), dirty: map[int][][]byte{}}
	}
	after.durable = maps.Clone(after.names)
	return after
}

// lose returns the contents after the power was lost: of every sector written
// since the last sync any version, and either length.
func (n *inode) lose(rnd *rand.Rand) []byte {
	data := slices.Clone(n.durable)
	if rnd.IntN(2) == 0 {
		data = append(data[:min(len(data), len(n.data))], make([]byte, max(len(n.data)-len(data), 0))...)
	}
	for _, s := range slices.Sorted(maps.Keys(n.dirty)) {
		versions := n.dirty[s]
		pick := rnd.IntN(len(versions) + 1)
		if from := s * sector; pick > 0 && from < len(data) {
			copy(data[from:min(from+sector, len(data))], versions[pick-1])
		}
	}
	return data
}

// copyOf returns a volume with the same contents, all of it durable.
func (m *memory) copyOf() *memory {
	after := newMemory()
	for name, n := range m.names {
		data := slices.Clone(n.data)
		after.names[name] = &inode{data: data, durable: slices.Clone(data), dirty: map[int][][]byte{}}
	}
	after.durable = maps.Clone(after.names)
	return after
}

// headerSum is the checksum of a segment's header.
func headerSum(data []byte) uint32 {
	return crc32.Checksum(data[:36], crc32.MakeTable(crc32.Castagnoli))
}
