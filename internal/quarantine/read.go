package quarantine

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// DamagedError is a line that cannot be read; the ones behind it can.
type DamagedError struct {
	Place string
	Err   error
}

// Error implements error.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("quarantine: %s cannot be read: %v", e.Place, e.Err)
}

// Unwrap returns the cause.
func (e *DamagedError) Unwrap() error { return e.Err }

// Read yields what lies in a folder, source by source, each in the order in which
// it came; a receiver may write there meanwhile. A line that cannot be read is
// yielded as a *DamagedError, and reading goes on behind it; after any other
// error it does not. A folder that does not exist is an empty one. A last line
// without its end is one that is being written, or never was: it is left out.
func Read(dir string) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		folders, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			yield(nil, fmt.Errorf("quarantine: %w", err))
			return
		}
		for _, d := range folders {
			if d.IsDir() && !readSource(dir, d.Name(), yield) {
				return
			}
		}
	}
}

// readSource yields one source's entries; false ends all reading.
func readSource(dir, source string, yield func(*Entry, error) bool) bool {
	segments, _, err := listSegments(filepath.Join(dir, source))
	if errors.Is(err, fs.ErrNotExist) {
		return true // deleted meanwhile
	}
	if err != nil {
		yield(nil, err)
		return false
	}
	for _, s := range segments {
		if !readSegment(dir, filepath.Join(source, s.name), yield) {
			return false
		}
	}
	return true
}

// readSegment yields one file's entries; false ends all reading.
func readSegment(dir, name string, yield func(*Entry, error) bool) bool {
	f, err := os.Open(filepath.Join(dir, name)) //nolint:gosec // below the given folder
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		yield(nil, fmt.Errorf("quarantine: %w", err))
		return false
	}
	defer f.Close() //nolint:errcheck // it was only read
	done := readMarks(filepath.Join(dir, name))
	in := bufio.NewReaderSize(f, 64<<10)
	for offset := int64(0); ; {
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			yield(nil, fmt.Errorf("quarantine: %w", err))
			return false
		}
		if !yieldLine(text, name, offset, done, yield) {
			return false
		}
		offset += int64(len(text))
	}
}

// yieldLine yields one line.
func yieldLine(text []byte, segment string, offset int64, done map[int64]bool, yield func(*Entry, error) bool) bool {
	e, err := parseLine(text)
	e.segment, e.offset, e.Redriven = segment, offset, done[offset]
	if err != nil {
		return yield(nil, &DamagedError{Place: e.Place(), Err: err})
	}
	return yield(&e, nil)
}

// marksOf is the file of a segment's marks.
func marksOf(path string) string { return strings.TrimSuffix(path, segmentSuffix) + doneSuffix }

// readMarks returns the offsets of a segment's redriven lines. What cannot be
// read counts as not redriven: at worst an event is published under the same id
// again.
func readMarks(path string) map[int64]bool {
	text, err := os.ReadFile(marksOf(path))
	if err != nil {
		return nil
	}
	done := make(map[int64]bool)
	for line := range bytes.Lines(text) {
		number, whole := bytes.CutSuffix(line, []byte("\n"))
		if offset, err := strconv.ParseInt(string(number), 10, 64); whole && err == nil {
			done[offset] = true
		}
	}
	return done
}

// Mark notes that an entry that Read yielded was published: Read says so from
// now on. One whose file is deleted already needs no mark.
func Mark(dir string, e *Entry) error {
	path := filepath.Join(dir, e.segment)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	f, err := os.OpenFile(marksOf(path), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	_, err = f.WriteString(strconv.FormatInt(e.offset, 10) + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	return nil
}
