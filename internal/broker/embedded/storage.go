package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

const (
	probeName = "postrider.probe"
	probeSize = 64 << 10
	fileMode  = 0o600
)

// errRefused is answered while no records are taken. Clients send again after
// it, and it promises that nothing was appended.
func errRefused() *kerr.Error {
	e := *kerr.NotEnoughReplicas
	e.Message = "the embedded broker's disk is full or failing"
	return &e
}

// storage knows whether the data folder can be trusted with records.
//
// kfake counts a batch's sequence numbers before it writes the batch, and does
// not take them back when the write fails: the same batch sent again would be
// taken for a repeated one and acknowledged, though it is nowhere. So the first
// failed write is the last: from then on, before anything else is looked at,
// records are refused, until the broker is opened anew from what is on the disk.
//
// Failures come as kfake's warnings, which it logs on the goroutine that handles
// the requests, one at a time; refuses is asked on the same one. No request fits
// between a failure and the refusals.
type storage struct {
	log     *zap.Logger
	dir     string
	minFree int64
	free    func(dir string) (int64, error)

	// loading: kfake reads or closes the folder; its warnings are not failed writes.
	loading atomic.Bool
	failure atomic.Pointer[string] // nil while all is well
}

// Logf implements kfake.Logger. Its information level is one line a refused
// request, so everything below a warning is debug. Every warning of a running
// cluster tells of a file that could not be written or read.
func (s *storage) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelNone:
	case kfake.LogLevelError, kfake.LogLevelWarn:
		text := fmt.Sprintf(format, args...)
		s.log.Warn("embedded broker: " + text)
		if !s.loading.Load() {
			s.failure.CompareAndSwap(nil, &text)
		}
	case kfake.LogLevelInfo, kfake.LogLevelDebug:
		s.log.Sugar().Debugf("embedded broker: "+format, args...)
	}
}

// fault makes the cluster ask, before it looks at a batch, whether to take it.
func (s *storage) fault() kfake.Fault {
	return kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Err: errRefused(), Count: -1,
		When: func(kmsg.Request) bool { return s.health() != nil },
	}
}

// failed says that a write failed since the folder was opened.
func (s *storage) failed() bool { return s.failure.Load() != nil }

// health tells why no records are taken; nil if they are.
func (s *storage) health() error {
	if f := s.failure.Load(); f != nil {
		return fmt.Errorf("embedded broker: takes no records since writing to %s (kafka.embedded.dir) failed: %s: "+
			"free disk space or repair the disk; it then goes on by itself, or after a restart", s.dir, *f)
	}
	return s.room()
}

// room says whether the file system has more than the reserve free.
func (s *storage) room() error {
	free, err := s.free(s.dir)
	if err != nil {
		return fmt.Errorf("embedded broker: takes no records: free space of %s (kafka.embedded.dir): %w", s.dir, err)
	}
	if free < s.minFree {
		return fmt.Errorf("embedded broker: takes no records: %d bytes are free in %s (kafka.embedded.dir), less than the reserve of %d: "+
			"free disk space; it then goes on by itself", free, s.dir, s.minFree)
	}
	return nil
}

// probe tries whether the folder can be written again.
func (s *storage) probe() error {
	if err := s.room(); err != nil {
		return err
	}
	path := filepath.Join(s.dir, probeName)
	err := writeSynced(path, make([]byte, probeSize))
	if gone := os.Remove(path); !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if err != nil {
		return fmt.Errorf("embedded broker: probe: %w", err)
	}
	return nil
}

// writeSynced writes a file anew; with success it is on the disk.
func writeSynced(path string, data []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode) //nolint:gosec // below the operator's folder
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}
