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
	return murmur2Finish(murmur2Seed^uint32(len(data)), data) //nolint:gosec // a record key is far below 4 GiB
}

const murmur2Seed uint32 = 0x9747b28c

// murmur2Words mixes whole words into h.
func murmur2Words(h uint32, words []byte) uint32 {
	const (
		m = 0x5bd1e995
		r = 24
	)
	for ; len(words) >= 4; words = words[4:] {
		k := binary.LittleEndian.Uint32(words) * m
		k ^= k >> r
		h = h*m ^ k*m
	}
	return h
}

// murmur2Finish mixes the last bytes into h, whole words first, and ends the hash.
func murmur2Finish(h uint32, data []byte) uint32 {
	const m = 0x5bd1e995
	h = murmur2Words(h, data)
	if rest := data[len(data)&^3:]; len(rest) > 0 {
		for i, b := range rest {
			h ^= uint32(b) << (8 * i)
		}
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}
