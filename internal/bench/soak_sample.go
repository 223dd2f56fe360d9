package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// soakSample is a receiver at one moment of a soak.
type soakSample struct {
	Seconds    number `json:"seconds"` // since the load began
	RSS        number `json:"rss_mib"`
	Heap       number `json:"heap_mib"` // in use, garbage that is not collected yet included
	Stack      number `json:"stack_mib"`
	Goroutines number `json:"goroutines"`
	Files      number `json:"open_files"`
	Threads    number `json:"threads"`
	IDs        number `json:"dedupe_ids"`
	Spool      number `json:"spool_mib"`
	Disk       number `json:"disk_mib"` // of all it keeps in its folder
}

const mib = 1 << 20

// sampleSoak looks at a receiver from outside and asks it.
func sampleSoak(ctx context.Context, t *target, folder string, began time.Time) (soakSample, error) {
	g, err := scrape(ctx, t.process.ready.Admin)
	if err != nil {
		return soakSample{}, err
	}
	disk, err := folderSize(folder)
	if err != nil {
		return soakSample{}, err
	}
	of := func(name string, unit float64) number {
		v, ok := g[name]
		if !ok {
			return unknown()
		}
		return number(v / unit)
	}
	return soakSample{
		Seconds: number(time.Since(began).Seconds()), RSS: residentMemory(t.process.pid()), Heap: of("go_memstats_heap_inuse_bytes", mib),
		Stack: of("go_memstats_stack_inuse_bytes", mib), Goroutines: of("go_goroutines", 1), Threads: of("go_threads", 1),
		Files: openFiles(t.process.pid()), IDs: of("postrider_dedupe_ids", 1), Spool: of("postrider_spool_bytes", mib), Disk: number(disk) / mib,
	}, nil
}

// openFiles is how many files a process has open.
func openFiles(pid int) number {
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		return unknown()
	}
	return number(len(entries))
}

// folderSize is the size of all files in a folder. Files that vanish meanwhile count 0.
func folderSize(folder string) (bytes int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err != nil {
			return ignoreGone(err)
		}
		bytes += info.Size()
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("bench: size of %s: %w", folder, err)
	}
	return bytes, nil
}

// ignoreGone takes "is not there" for no error.
func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
