package broker

import "encoding/binary"

// keySlot decides about a key's partition as Kafka's own Java clients do:
// murmur2 with their seed, the sign bit dropped; the partition is the slot
// modulo the partition count (org.apache.kafka.common.utils.Utils.murmur2 and
// toPositive). Consumers that join our topics with topics written by Java find
// equal keys on equal partitions.
func keySlot(key []byte) uint32 { return murmur2(key) & 0x7fffffff }

// murmur2 is the 32-bit MurmurHash2 of Austin Appleby with the seed 0x9747b28c
// that Kafka chose. Little-endian words; the rest byte by byte.
func murmur2(data []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := uint32(seed) ^ uint32(len(data)) //nolint:gosec // a record key is far below 4 GiB
	for ; len(data) >= 4; data = data[4:] {
		k := binary.LittleEndian.Uint32(data) * m
		k ^= k >> r
		h = h*m ^ k*m
	}
	if len(data) > 0 {
		for i, b := range data {
			h ^= uint32(b) << (8 * i)
		}
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}
