package quarantine_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/postrider/postrider/internal/quarantine"
	"github.com/postrider/postrider/pkg/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counted is an Observer that counts, and holds the writer up while hold is set.
type counted struct {
	mu      sync.Mutex
	written map[string]int // by source
	dropped map[string]int // by cause
	hold    chan struct{}
}

func newCounted() *counted {
	return &counted{written: make(map[string]int), dropped: make(map[string]int)}
}

func (c *counted) Quarantined(source, _ string) {
	if c.hold != nil {
		<-c.hold
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written[source]++
}

func (c *counted) QuarantineDropped(cause string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped[cause]++
}

// sum adds up what was written and what was dropped.
func (c *counted) sum() (written, dropped int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.written {
		written += n
	}
	for _, n := range c.dropped {
		dropped += n
	}
	return written, dropped
}

// open opens a ring of 1 MiB and a day; change adjusts it.
func open(t *testing.T, dir string, change func(*quarantine.Options)) *quarantine.Ring {
	t.Helper()
	o := quarantine.Options{
		Dir: dir, MaxBytes: 1 << 20, Keep: 24 * time.Hour, Now: time.Now, Observer: newCounted(), Log: zap.NewNop(),
	}
	if change != nil {
		change(&o)
	}
	r, err := quarantine.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// refused is a request with a body.
func refused(source, body string) quarantine.Entry {
	return quarantine.Entry{Source: source, Reason: webhook.ReasonMismatch, Request: webhook.Request{
		Method: http.MethodPost, URL: "https://hooks.example/v1/webhooks/" + source, Body: []byte(body),
		Header: http.Header{"X-Sig": {"00"}}, RemoteAddr: netip.MustParseAddr("192.0.2.1"), ReceivedAt: time.Unix(1790000000, 5).UTC(),
	}}
}

// read reads all entries and the damage.
func read(t *testing.T, dir string) (entries []*quarantine.Entry, damaged int) {
	t.Helper()
	for e, err := range quarantine.Read(dir) {
		if _, ok := errors.AsType[*quarantine.DamagedError](err); ok {
			damaged++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	return entries, damaged
}

// bodies lists "source body" of every entry.
func bodies(entries []*quarantine.Entry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Source+" "+string(e.Request.Body))
	}
	return out
}

// size is how many bytes of files there are.
func size(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// files lists the files that match.
func files(t *testing.T, pattern ...string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(pattern...))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func closeRing(t *testing.T, r *quarantine.Ring) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestARequestComesBackWhole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "q")
	r := open(t, dir, nil)
	full := refused("jet", "\x00\xff{\"a\":\"grüße\"}\n")
	full.Request.Header = http.Header{"X-Sig": {"a, b", "c"}, "X-Odd": {"\xff\xfe", ""}}
	full.Request.URL += "/tok?x=%ff&y=<&>"
	full.Request.Query = url.Values{"x": {"\xff"}, "y": {"<&>", ""}}
	full.Request.PathToken = "tok\xff"
	bare := quarantine.Entry{Source: "velma", Reason: webhook.ReasonStale}
	r.Put(full)
	r.Put(bare)
	closeRing(t, r)
	got, damaged := read(t, dir)
	if len(got) != 2 || damaged != 0 {
		t.Fatalf("%d entries, %d damaged", len(got), damaged)
	}
	for i, want := range []quarantine.Entry{full, bare} {
		opts := []cmp.Option{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}), cmpopts.IgnoreUnexported(quarantine.Entry{})}
		if diff := cmp.Diff(want, *got[i], opts...); diff != "" {
			t.Errorf("entry %d (-want +got):\n%s", i, diff)
		}
	}
	if p := got[0].Place(); !strings.HasPrefix(p, "jet/") {
		t.Errorf("place %q", p)
	}
}

func TestOnlyTheOwnerCanRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "q")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := open(t, dir, nil)
	r.Put(refused("jet", "x"))
	closeRing(t, r)
	entries, _ := read(t, dir)
	if err := quarantine.Mark(dir, entries[0]); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{
		dir: 0o700, filepath.Join(dir, "jet"): 0o700, files(t, dir, "jet", "*.jsonl")[0]: 0o600, files(t, dir, "jet", "*.done")[0]: 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, error %v, want %v", filepath.Base(path), info.Mode().Perm(), err, want)
		}
	}
}

// Order is that of arrival, also over a restart and over many files.
func TestOrderIsThatOfArrival(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for run := range 3 {
		r := open(t, dir, nil)
		for i := range 20 {
			body := fmt.Sprintf("%d-%02d %s", run, i, strings.Repeat("x", 4000))
			r.Put(refused("jet", body))
			want = append(want, "jet "+body)
		}
		closeRing(t, r)
	}
	got, _ := read(t, dir)
	if diff := cmp.Diff(want, bodies(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(files(t, dir, "jet", "*.jsonl")); n < 6 {
		t.Errorf("%d files: the test means to span several in each run", n)
	}
}

// Another process reads what a receiver has written and not closed.
func TestReadWhileItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c := newCounted()
		c.hold = make(chan struct{}) // the writer waits after the first
		r := open(t, dir, func(o *quarantine.Options) { o.Observer = c })
		r.Put(refused("jet", "one"))
		synctest.Wait()
		if got, _ := read(t, dir); len(got) != 1 {
			t.Errorf("%d entries while the file is open, want 1", len(got))
		}
		close(c.hold)
		closeRing(t, r)
	})
}

// Putting never waits: with a writer that is stuck, what does not fit into the
// queue, by number or by bytes, is counted and let go.
func TestPutNeverWaits(t *testing.T) {
	for name, tt := range map[string]struct{ count, bytes, most int }{
		"small": {5000, 10, 1025}, "large": {100, 1 << 20, 17},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounted()
			c.hold = make(chan struct{})
			r := open(t, t.TempDir(), func(o *quarantine.Options) { o.Observer, o.MaxBytes = c, 64<<20 })
			body := strings.Repeat("x", tt.bytes)
			for range tt.count {
				r.Put(refused("jet", body))
			}
			_, dropped := c.sum()
			if dropped < tt.count-tt.most {
				t.Errorf("%d of %d dropped, want at least %d: the queue is not bounded", dropped, tt.count, tt.count-tt.most)
			}
			close(c.hold)
			closeRing(t, r)
			written, dropped := c.sum()
			if written+dropped != tt.count || written == 0 {
				t.Errorf("%d written and %d dropped of %d", written, dropped, tt.count)
			}
			if c.dropped[quarantine.DropBusy] != dropped {
				t.Errorf("dropped for %v", c.dropped)
			}
		})
	}
}

func TestPutAfterCloseIsHarmless(t *testing.T) {
	r := open(t, t.TempDir(), nil)
	closeRing(t, r)
	closeRing(t, r)
	for range 3000 {
		r.Put(refused("jet", "x"))
	}
}

func TestWhatIsTooLargeIsNotKept(t *testing.T) {
	c := newCounted()
	dir := t.TempDir()
	r := open(t, dir, func(o *quarantine.Options) { o.Observer = c })
	r.Put(refused("jet", strings.Repeat("x", 300<<10)))
	r.Put(refused("jet", strings.Repeat("y", 200<<10)))
	closeRing(t, r)
	if got, _ := read(t, dir); len(got) != 1 || c.dropped[quarantine.DropTooLarge] != 1 {
		t.Errorf("%d kept, dropped %v", len(got), c.dropped)
	}
}

func TestBytesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := open(t, dir, nil)
		for i := range 600 {
			r.Put(refused("jet", fmt.Sprintf("%03d", i)+strings.Repeat("x", i*31%20000)))
			synctest.Wait()
			if n := size(t, dir); n > 1<<20 {
				t.Fatalf("%d bytes after %d requests, want at most 1 MiB", n, i+1)
			}
		}
		got, _ := read(t, dir)
		if n := size(t, dir); n < 900<<10 {
			t.Errorf("only %d bytes are kept", n)
		}
		if last := string(got[len(got)-1].Request.Body); !strings.HasPrefix(last, "599") {
			t.Errorf("the newest is %.3s", last)
		}
	})
}

// However much comes to one source, or to two, another keeps what it has.
func TestAFloodPushesOutNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := open(t, dir, nil)
		for range 30 {
			r.Put(refused("quiet", strings.Repeat("q", 5000)))
			synctest.Wait()
		}
		for i := range 1000 {
			r.Put(refused([]string{"loud", "shrill"}[i%2], strings.Repeat("l", 9000)))
			synctest.Wait()
		}
		count := make(map[string]int)
		got, _ := read(t, dir)
		for _, e := range got {
			count[e.Source]++
		}
		if count["quiet"] != 30 || count["loud"] < 20 || count["shrill"] < 20 {
			t.Errorf("kept %v, want all 30 of the quiet source, and a share for each of the loud ones", count)
		}
		closeRing(t, r)
	})
}

// Two receivers on one machine may share a folder; the bound holds for both.
func TestTwoWritersShareTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a, b := open(t, dir, nil), open(t, dir, nil)
		for range 200 {
			a.Put(refused("jet", strings.Repeat("a", 6000)))
			b.Put(refused("jet", strings.Repeat("b", 6000)))
			synctest.Wait()
		}
		if n := size(t, dir); n > 1<<20+64<<10 {
			t.Errorf("%d bytes, want about 1 MiB", n)
		}
		if got, damaged := read(t, dir); len(got) < 50 || damaged != 0 {
			t.Errorf("%d entries, %d damaged", len(got), damaged)
		}
		closeRing(t, a)
		closeRing(t, b)
	})
}

func TestNothingStaysLongerThanItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := open(t, dir, nil)
		for i := range 48 { // one each half hour
			r.Put(refused("jet", strconv.Itoa(i)))
			pass(30 * time.Minute)
		}
		synctest.Wait()
		got, _ := read(t, dir)
		if len(got) < 44 || string(got[len(got)-1].Request.Body) != "47" {
			t.Errorf("%d of a day's 48 requests are kept", len(got))
		}
		pass(12 * time.Hour)
		synctest.Wait()
		if got, _ := read(t, dir); len(got) > 24 || len(got) < 20 {
			t.Errorf("%d of 48 are kept after another half day", len(got))
		}
		closeRing(t, r)
		pass(13 * time.Hour) // while nothing runs
		r = open(t, dir, nil)
		if left := files(t, dir, "*"); len(left) != 0 {
			t.Errorf("left after more than a day: %v", left)
		}
		closeRing(t, r)
	})
}

// A kill in the middle of a write leaves half a line at the end of a file; what
// is before it, and what comes after a restart, is not touched by that.
func TestHalfALineAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, nil)
	r.Put(refused("jet", "one"))
	r.Put(refused("jet", "two"))
	closeRing(t, r)
	name := files(t, dir, "jet", "*.jsonl")[0]
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	half := strings.Index(string(text), "\n") + 1
	for cut := half; cut < len(text); cut += 7 {
		if err := os.WriteFile(name, text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if got, damaged := read(t, dir); len(got) != 1 || damaged != 0 {
			t.Fatalf("cut at %d of %d: %d entries, %d damaged", cut, len(text), len(got), damaged)
		}
	}
	r = open(t, dir, nil)
	r.Put(refused("jet", "three"))
	closeRing(t, r)
	got, damaged := read(t, dir)
	if diff := cmp.Diff([]string{"jet one", "jet three"}, bodies(got)); diff != "" || damaged != 0 {
		t.Errorf("%d damaged (-want +got):\n%s", damaged, diff)
	}
}

func TestADamagedLineHidesNoOther(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, nil)
	for _, body := range []string{"one", "two", "three"} {
		r.Put(refused("jet", body))
	}
	closeRing(t, r)
	name := files(t, dir, "jet", "*.jsonl")[0]
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text[strings.Index(string(text), "\n")+1] = 'x'
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got, damaged := read(t, dir)
	if diff := cmp.Diff([]string{"jet one", "jet three"}, bodies(got)); diff != "" || damaged != 1 {
		t.Errorf("%d damaged (-want +got):\n%s", damaged, diff)
	}
}

func TestMarksSurviveAndGoWithTheirRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := open(t, dir, nil)
		for _, body := range []string{"one", "two", "three"} {
			r.Put(refused("jet", body))
		}
		synctest.Wait()
		for i, e := range first(read(t, dir)) {
			if i != 1 {
				if err := quarantine.Mark(dir, e); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := os.WriteFile(files(t, dir, "jet", "*.done")[0]+"x", nil, 0o600); err != nil { // a stranger's
			t.Fatal(err)
		}
		for i, e := range first(read(t, dir)) {
			if e.Redriven != (i != 1) {
				t.Errorf("entry %d: redriven %v", i, e.Redriven)
			}
		}
		before := first(read(t, dir))[1]
		pass(25 * time.Hour)
		synctest.Wait()
		if left := files(t, dir, "jet", "*.done"); len(left) != 0 {
			t.Errorf("marks without requests: %v", left)
		}
		if err := quarantine.Mark(dir, before); err != nil {
			t.Errorf("marking what is gone: %v", err)
		}
		if left := files(t, dir, "jet", "*.done"); len(left) != 0 {
			t.Errorf("a mark was left for a request that is gone: %v", left)
		}
		closeRing(t, r)
	})
}

// pass lets time pass in a synctest bubble.
func pass(d time.Duration) { <-time.After(d) }

func first[T any](v []T, _ int) []T { return v }

// Half a mark is none: the request is redriven once more rather than never.
func TestHalfAMarkIsNone(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, nil)
	r.Put(refused("jet", "one"))
	r.Put(refused("jet", "two"))
	closeRing(t, r)
	second := first(read(t, dir))[1]
	if err := quarantine.Mark(dir, second); err != nil {
		t.Fatal(err)
	}
	name := files(t, dir, "jet", "*.done")[0]
	if err := os.Truncate(name, 1); err != nil {
		t.Fatal(err)
	}
	for i, e := range first(read(t, dir)) {
		if e.Redriven {
			t.Errorf("entry %d counts as redriven", i)
		}
	}
}

// A disk that fails is said once, drops are counted, and it heals by itself.
func TestADiskThatFailsHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		core, logs := observer.New(zap.InfoLevel)
		c := newCounted()
		r := open(t, dir, func(o *quarantine.Options) { o.Observer, o.Log = c, zap.New(core) })
		blocked := filepath.Join(dir, "jet")
		if err := os.WriteFile(blocked, nil, 0o600); err != nil { // where the folder belongs
			t.Fatal(err)
		}
		for range 3 {
			r.Put(refused("jet", "lost"))
			synctest.Wait()
		}
		if c.dropped[quarantine.DropFailed] != 3 || logs.Len() != 1 {
			t.Errorf("dropped %v, %d log lines, want 3 and 1", c.dropped, logs.Len())
		}
		if err := os.Remove(blocked); err != nil {
			t.Fatal(err)
		}
		r.Put(refused("jet", "kept"))
		closeRing(t, r)
		if got, _ := read(t, dir); len(got) != 1 || logs.Len() != 2 {
			t.Errorf("%d entries, %d log lines after it healed", len(got), logs.Len())
		}
	})
}

func TestAFolderThatCannotBeMadeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := quarantine.Options{Dir: filepath.Join(file, "q"), MaxBytes: 1 << 20, Keep: time.Hour, Now: time.Now, Observer: newCounted(), Log: zap.NewNop()}
	if _, err := quarantine.Open(o); err == nil || !strings.Contains(err.Error(), "quarantine.dir") {
		t.Errorf("Open(): %v, want an error that names the key", err)
	}
	o.Dir, o.Keep = t.TempDir(), 0
	if _, err := quarantine.Open(o); err == nil {
		t.Error("Open() without a bound of age: no error")
	}
}

func TestAFolderThatDoesNotExistIsEmpty(t *testing.T) {
	if got, _ := read(t, filepath.Join(t.TempDir(), "none")); len(got) != 0 {
		t.Errorf("%d entries", len(got))
	}
}
