// Package spool keeps records on the local disk until Kafka has them: an
// append-only log in segments, with a checksum on every record, one write and
// one fdatasync for all that wait at a moment, and bounds in bytes and in free
// disk. It implements broker.Store.
//
// What it promises: when Append returns nil the records survive the end of the
// process and a loss of power, and are delivered again until Settle has named
// them. Settle itself is not synced at once: what was settled within the last
// second before a loss of power may be delivered once more. Damage on the disk
// costs the records it touches and no others, and is reported. Should the
// folder be removed, moved or replaced under the process, that is noticed before
// the next Append is answered, and nothing is appended until it is back. A record whose
// Append failed is not delivered as long as the disk takes notes; if the process
// ends first, it may be: nobody was told that it is safe, so its sender repeats
// it under the same event id.
//
// The folder:
//
//	lock         held (flock) by the process that owns the folder; has its id
//	*.seg        segments: number, first record and salt, in hex digits
//	dead/        records that Kafka refuses for what they are, a file each
//	requeue/     files out of dead/ that are to be tried again
//	damaged/     copies of damaged segments, for a person to look at
//
// Files are written with mode 0600 and folders made with 0700.
package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
)

// Errors that Append and Open wrap.
var (
	// ErrFull: there is no room within spool.max_bytes or spool.min_free, or the
	// disk is full. Passes as soon as there is.
	ErrFull = errors.New("spool full")
	// ErrFailed: the disk does not keep what is written to it, or the folder is no
	// longer the one that was opened. The spool looks once a second whether it
	// does again, or is.
	ErrFailed = errors.New("spool failed")
	// ErrLocked: another process uses the folder.
	ErrLocked = errors.New("spool locked")
	// ErrClosed: the spool is closed.
	ErrClosed = errors.New("spool closed")
	// ErrDamaged: a record cannot be read back.
	ErrDamaged = errors.New("spooled record damaged")
	// ErrNotKept: the record was settled before.
	ErrNotKept = errors.New("record not in the spool")
)

const (
	lockName    = "lock"
	deadDir     = "dead"
	requeueDir  = "requeue"
	damagedDir  = "damaged"
	segmentExt  = ".seg"
	recordExt   = ".rec"
	minSegment  = 64 << 10
	maxSegment  = 1 << 30
	maxSegments = 256 // each keeps a file open
	// checkEvery is how often the spool looks after what it could not do at once.
	checkEvery = time.Second
)

// Options are the settings of a spool.
type Options struct {
	Dir string // made if it is not there
	// MaxBytes bounds the segments. What was settled counts until its segment
	// is removed. 0 means 1 GiB.
	MaxBytes int64
	// MinFree is how many bytes of the disk stay free for others.
	MinFree int64
	// SegmentBytes is the size at which a new segment is begun, 0 means 16 MiB.
	// It is kept between 64 KiB and 1 GiB, and between an eighth and a 256th of
	// MaxBytes.
	SegmentBytes int64
	Now          func() time.Time
	Log          *zap.Logger
}

// withDefaults fills in what is not set and brings the rest within its bounds.
func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 16 << 20
	}
	o.SegmentBytes = max(min(o.SegmentBytes, o.MaxBytes/8), o.MaxBytes/maxSegments, minSegment)
	o.SegmentBytes = min(o.SegmentBytes, maxSegment)
	return o
}

// Spool is an open spool. Safe for concurrent use. Close it.
type Spool struct {
	opts   Options
	vol    volume
	lock   *os.File
	report Report

	wake    chan struct{} // there is something for the committer to do
	closing chan struct{}
	stopped chan struct{}
	closed  sync.Once

	// writing guards the end of the active segment. It is taken before mu.
	writing sync.Mutex

	mu       sync.Mutex
	queue    []*request     // appends that wait for the committer
	segments []*segmentFile // oldest first
	byNumber map[uint32]*segmentFile
	active   *segmentFile      // the last one; nil when a new one is needed
	number   uint32            // of the newest segment
	next     uint64            // sequence number of the next record
	records  int               // not settled
	bytes    int64             // written to the segments there are
	owed     []uint64          // settled, not yet noted on disk
	unsynced bool              // notes were written since the last sync
	aside    []asideNote       // could not be set aside yet
	notAside string            // why, as it was logged; "" if the last one could
	pin      pin               // as it was last read
	dead     int               // files in dead/
	damaged  int               // records that turned out damaged
	copied   map[string]string // damaged segments and their copies
	failures int               // in a row
	trouble  error             // why nothing can be appended now
	refused  int64             // bytes for which there was no room, if that was so last
	isClosed bool
}

// Open takes the folder, reads what is in it and makes it ready for appends.
// The error wraps ErrLocked when another process uses the folder. A full disk
// is no error: what is there can be delivered, which makes room.
func Open(opts Options) (*Spool, error) {
	opts = opts.withDefaults()
	for _, sub := range []string{".", deadDir, requeueDir, damagedDir} {
		if err := makeFolders(filepath.Join(opts.Dir, sub)); err != nil {
			return nil, fmt.Errorf("spool: create %s: %w; give spool.dir a folder that this process may write to", opts.Dir, err)
		}
	}
	lock, err := takeLock(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	vol, err := ownDisk(opts.Dir, lock)
	var s *Spool
	if err == nil {
		s, err = open(opts, vol)
	}
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	s.lock = lock
	return s, nil
}

// open opens a spool on a volume that is locked.
func open(opts Options, vol volume) (*Spool, error) {
	s := &Spool{
		opts: opts, vol: vol,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), stopped: make(chan struct{}),
		byNumber: map[uint32]*segmentFile{}, copied: map[string]string{}, next: 1,
	}
	err := s.recover()
	if err == nil {
		err = s.start()
	}
	if err != nil {
		s.closeFiles()
		return nil, fmt.Errorf("spool: open %s: %w", opts.Dir, err)
	}
	go s.run()
	return s, nil
}

// start begins the segment that this process writes. No room for one is no
// reason not to deliver what is there.
func (s *Spool) start() error {
	err := s.rotate(0)
	if err == nil {
		s.removeSettled()
		return nil
	}
	if !outOfSpace(err) && !errors.Is(err, ErrFull) {
		return err
	}
	_ = s.noteTrouble(err)
	return nil
}

// Close commits what waits, notes what was settled, and gives the folder free.
// Appends that come later fail with ErrClosed; settling later does nothing.
func (s *Spool) Close() error {
	s.closed.Do(func() {
		s.mu.Lock()
		s.isClosed = true
		s.mu.Unlock()
		close(s.closing)
	})
	<-s.stopped
	return nil
}

// finish is the end of the committer: the last notes are written and synced.
func (s *Spool) finish() {
	_ = s.flush() // what it leaves, check tries in a fresh segment
	s.check()
	s.removeSettled()
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active != nil {
		s.active.trim()
	}
	s.closeFiles()
	if s.lock != nil {
		_ = s.lock.Close() // which unlocks
	}
}

// closeFiles closes every segment.
func (s *Spool) closeFiles() {
	for _, seg := range s.segments {
		seg.close()
	}
	s.segments, s.active = nil, nil
}

// newSalt returns the random number that a file's checksums start from.
func newSalt() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return binary.LittleEndian.Uint32(b[:])
}

var _ broker.Store = (*Spool)(nil)
