package broker_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/postrider/postrider/internal/broker"
)

// Keys of any length, so that the digits lie in words in every way, get the
// partition that is wanted, and change in nothing but their last four bytes.
func TestSteer(t *testing.T) {
	for length := 8; length < 60; length++ {
		for _, partitions := range []int{1, 2, 6, 600} {
			for want := 0; want < partitions; want += 1 + partitions/7 {
				key := fmt.Appendf(nil, "%0*xabcd", length-4, length*want)
				before := bytes.Clone(key)
				if !broker.Steer(key, partitions, want) {
					t.Fatalf("no digits for partition %d of %d in a key of %d bytes", want, partitions, length)
				}
				if got := broker.PartitionFor(key, partitions); got != want {
					t.Errorf("partition %d of %d, want %d", got, partitions, want)
				}
				if !bytes.Equal(key[:length-4], before[:length-4]) {
					t.Errorf("%q became %q", before, key)
				}
			}
		}
	}
}

// A key that lies right keeps its digits: those drawn at random stay spread.
func TestSteerKeepsWhatLiesRight(t *testing.T) {
	key := []byte("jetemail/01890a5d-ac96-774b-bcce-b302099a8057")
	want := broker.PartitionFor(key, 6)
	if !broker.Steer(key, 6, want) || string(key) != "jetemail/01890a5d-ac96-774b-bcce-b302099a8057" {
		t.Errorf("became %s", key)
	}
}

func TestSteerWithoutSuchDigits(t *testing.T) {
	for _, key := range []string{"", "short", "0123456789abcdef"} {
		given := []byte(key)
		if broker.Steer(given, 1<<30, 1<<29+12345) || string(given) != key {
			t.Errorf("%q became %q", key, given)
		}
	}
}

func BenchmarkSteer(b *testing.B) {
	for _, partitions := range []int{6, 600} {
		b.Run(fmt.Sprintf("partitions=%d", partitions), func(b *testing.B) {
			b.ReportAllocs()
			key := []byte("jetemail/01890a5d-ac96-774b-bcce-b302099a8057")
			for i := 0; b.Loop(); i++ {
				broker.Steer(key, partitions, i%partitions)
			}
		})
	}
}
