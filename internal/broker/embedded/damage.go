package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"
)

// DamagedFolder is where, in the data folder, damaged files are kept as they were.
const DamagedFolder = "damaged"

// indexEntry is the size of what kfake notes, in a file beside, after each batch
// it has written; in bytes.
const indexEntry = 15

// Layout of a version 2 record batch (KIP-98). The checksum covers what follows
// it; base offset and length do not belong to that.
const (
	atLength    = 8
	atMagic     = 16
	atCRC       = 17
	atCovered   = 21
	atLastDelta = 23
	batchHead   = 61
)

// repair goes through all records before kfake does. From the first batch that
// is damaged kfake would cut off its file's rest, good batches too. Here only
// the damaged one is cut out, and the file as it was is kept in the folder
// "damaged". The end of the last file is left to kfake where a write was
// interrupted: what it held was never acknowledged. repair returns the
// partitions with files in that folder, from this time and earlier.
func repair(dir string, log *zap.Logger) ([]string, error) {
	partitions, err := filepath.Glob(filepath.Join(escape(dir), "partitions", "*"))
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	for _, p := range partitions {
		if err := repairPartition(dir, p, log); err != nil {
			return nil, fmt.Errorf("embedded broker: check %s: %w", p, err)
		}
	}
	kept, err := os.ReadDir(filepath.Join(dir, DamagedFolder))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	var names []string
	for _, k := range kept {
		names = append(names, k.Name())
	}
	return names, nil
}

// escape keeps the folder's name from being taken for a pattern.
func escape(dir string) string {
	return strings.NewReplacer(`*`, `[*]`, `?`, `[?]`, `[`, `[[]`).Replace(dir)
}

func repairPartition(dir, partition string, log *zap.Logger) error {
	bases, err := segments(partition)
	if err != nil {
		return err
	}
	for i, base := range bases {
		path := filepath.Join(partition, strconv.FormatInt(base, 10)+".dat")
		raw, err := os.ReadFile(path) //nolint:gosec // below the operator's folder
		if err != nil {
			return err
		}
		good, damaged := sift(raw, base, i == len(bases)-1, indexed(path))
		if !damaged {
			continue
		}
		kept, err := keep(dir, path, raw)
		if err != nil {
			return fmt.Errorf("keep a copy of %s: %w", path, err)
		}
		if err := rewrite(path, good); err != nil {
			return fmt.Errorf("repair %s: %w", path, err)
		}
		log.Error("damaged records were cut out of the embedded broker's data",
			zap.String("reason_code", "broker_damage"), zap.String("partition", filepath.Base(partition)),
			zap.Int("bytes", len(raw)-len(good)), zap.String("original", kept))
	}
	return nil
}

// segments lists the base offsets of a partition's files in order.
func segments(partition string) ([]int64, error) {
	files, err := os.ReadDir(partition)
	if err != nil {
		return nil, err
	}
	var bases []int64
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".dat")
		if base, err := strconv.ParseInt(name, 10, 64); ok && err == nil {
			bases = append(bases, base)
		}
	}
	slices.Sort(bases)
	return bases, nil
}

// indexed is how many batches kfake has noted as written.
func indexed(path string) int {
	st, err := os.Stat(indexOf(path))
	if err != nil {
		return 0 // the note is only a hint
	}
	return int(st.Size() / indexEntry)
}

func indexOf(path string) string { return strings.TrimSuffix(path, ".dat") + ".idx" }

// sift returns the good batches of a file whose first record has offset next,
// and whether damaged ones were among them. Bytes behind the good ones of the
// last file are damage only if the batches noted are more.
func sift(raw []byte, next int64, last bool, noted int) (good []byte, damaged bool) {
	count, bad := 0, false
	for pos := 0; pos < len(raw); {
		size, end := batchAt(raw[pos:], next)
		if size == 0 {
			bad = true
			pos++
			continue
		}
		damaged = damaged || bad
		good, next = append(good, raw[pos:pos+size]...), end
		pos, count, bad = pos+size, count+1, false
	}
	return good, damaged || bad && (!last || noted > count)
}

// batchAt is the size of the whole, undamaged batch that raw begins with, and
// the offset behind it; 0 if there is none. Offsets only grow. They are not
// covered by the checksum: one that the following batch contradicts is wrong.
func batchAt(raw []byte, next int64) (size int, end int64) {
	if len(raw) < batchHead || raw[atMagic] != 2 {
		return 0, 0
	}
	length := int64(binary.BigEndian.Uint32(raw[atLength:])) + atLength + 4
	if length < batchHead || length > int64(len(raw)) {
		return 0, 0
	}
	base, size := offsetAt(raw), int(length)
	end = base + int64(binary.BigEndian.Uint32(raw[atLastDelta:])) + 1
	if base < next || end <= base || base != next && contradicted(raw[size:], end) {
		return 0, 0
	}
	if crc32.Checksum(raw[atCovered:size], crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(raw[atCRC:]) {
		return 0, 0
	}
	return size, end
}

// contradicted says that the batch after this one begins before its end.
func contradicted(rest []byte, end int64) bool { return len(rest) >= batchHead && offsetAt(rest) < end }

func offsetAt(raw []byte) int64 { return int64(binary.BigEndian.Uint64(raw)) } //nolint:gosec // two's complement

// keep copies a file to the folder of damaged ones, under a name not yet taken.
func keep(dir, path string, raw []byte) (string, error) {
	folder := filepath.Join(dir, DamagedFolder, filepath.Base(filepath.Dir(path)))
	if err := os.MkdirAll(folder, dirMode); err != nil {
		return "", err
	}
	to := filepath.Join(folder, filepath.Base(path))
	for n := 1; exists(to); n++ {
		to = filepath.Join(folder, filepath.Base(path)+"."+strconv.Itoa(n))
	}
	return to, writeSynced(to, raw)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// rewrite replaces a file at once. Its notes count the batches that were there
// before; kfake does without them.
func rewrite(path string, data []byte) error {
	tmp := path + ".tmp" // kfake clears these away
	if err := writeSynced(tmp, data); err != nil {
		return err
	}
	if err := remove(indexOf(path)); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
