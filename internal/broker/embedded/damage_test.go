package embedded_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/postrider/postrider/internal/broker/embedded"
)

// A flipped bit costs the batch it is in and no other; it is told, and the file
// as it was is kept.
func TestOneFlippedBitCostsOneBatch(t *testing.T) {
	t.Parallel()
	for name, needle := range map[string]string{"first": "one", "middle": "three", "last": "five"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := embedded.Options{Dir: t.TempDir()}
			b := start(t, o)
			createTopic(t, b, topic, 1)
			all := []string{"one", "two", "three", "four", "five"}
			publish(t, b, all...)
			stop(t, b)
			path := filepath.Join(o.Dir, "partitions", topic+"-0", "0.dat")
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			raw[bytes.Index(raw, []byte(needle))] ^= 0x40
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}

			want := slices.DeleteFunc(all, func(v string) bool { return v == needle })
			for range 2 { // the notice stays until somebody has looked
				b = start(t, o)
				if got := readAll(t, b, len(want)); !slices.Equal(got, want) {
					t.Errorf("records = %q, want %q", got, want)
				}
				if got := strings.Join(b.Damage(), " "); got != topic+"-0" {
					t.Errorf("damage = %q", got)
				}
				stop(t, b)
			}
			kept, err := os.ReadFile(filepath.Join(o.Dir, embedded.DamagedFolder, topic+"-0", "0.dat"))
			if err != nil || !bytes.Equal(kept, raw) {
				t.Errorf("the file as it was is not kept: %v", err)
			}
		})
	}
}

// What a kill leaves half written was never acknowledged, and is no damage.
func TestTornEndIsNoDamage(t *testing.T) {
	t.Parallel()
	o := embedded.Options{Dir: t.TempDir()}
	b := start(t, o)
	createTopic(t, b, topic, 1)
	publish(t, b, "one", "two")
	stop(t, b)
	path := filepath.Join(o.Dir, "partitions", topic+"-0", "0.dat")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(raw, raw[:len(raw)/4]...), 0o600); err != nil {
		t.Fatal(err)
	}
	b = start(t, o)
	if got := values(t, b, 0); got != "one two" || len(b.Damage()) > 0 {
		t.Errorf("records %q, damage %q", got, b.Damage())
	}
}

// readAll reads n records: offsets may be missing.
func readAll(t *testing.T, b *embedded.Broker, n int) []string {
	t.Helper()
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.Addr()}, Topic: topic, MaxWait: 50 * time.Millisecond})
	defer r.Close()
	var got []string
	for range n {
		m, err := r.ReadMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(m.Value))
	}
	return got
}
