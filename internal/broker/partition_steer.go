package broker

import "encoding/binary"

// Steer replaces the last four bytes of key by lower-case hexadecimal digits such
// that PartitionFor(key, partitions) is want, and reports whether there are such
// digits: 16^4 tries are more than any number of partitions needs. Without, and
// where key is shorter than eight bytes, it is as it was. A key that lies right
// keeps its bytes, and tries begin behind those that stand there, so that keys drawn
// at random stay spread. All but the end of the key is hashed once: a try costs a
// few nanoseconds, so that hundreds of partitions do no harm.
func Steer(key []byte, partitions, want int) bool {
	if len(key) < 8 {
		return false
	}
	// The digits begin in the last whole word and end in the tail behind it.
	fixed := len(key)&^3 - 4
	tail := len(key) & 3
	state := murmur2Words(murmur2Seed^uint32(len(key)), key[:fixed]) //nolint:gosec // a record key is far below 4 GiB
	var end [8]byte
	copy(end[:], key[fixed:])
	bits := binary.LittleEndian.Uint64(end[:])
	first := uint32(bits >> (8 * tail)) //nolint:gosec // the last four bytes
	rest := bits &^ (uint64(1<<32-1) << (8 * tail))
	if lies(state, bits, tail, partitions, want) {
		return true
	}
	for i := range uint32(1 << 16) {
		digits := hexDigits(first + i)
		if lies(state, rest|uint64(digits)<<(8*tail), tail, partitions, want) {
			binary.LittleEndian.PutUint32(key[len(key)-4:], digits)
			return true
		}
	}
	return false
}

// lies reports whether a key ends in the wanted partition: state is that of its
// hash before the last whole word, which is followed by tail bytes more.
func lies(state uint32, end uint64, tail, partitions, want int) bool {
	const m = 0x5bd1e995
	k := uint32(end) * m //nolint:gosec // the lower half
	k ^= k >> 24
	h := state*m ^ k*m
	if tail > 0 {
		h = (h ^ uint32(end>>32)) * m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h&0x7fffffff%uint32(partitions) == uint32(want) //nolint:gosec // both are int32s and not negative
}

// hexDigits are the last four hexadecimal digits of n as the bytes of a
// little-endian word: all four at once, '0' and, above 9, the way to 'a' added.
func hexDigits(n uint32) uint32 {
	nibbles := n>>12&0xf | n>>8&0xf<<8 | n>>4&0xf<<16 | n&0xf<<24
	letters := (nibbles + 0x06060606) >> 4 & 0x01010101
	return nibbles + 0x30303030 + letters*('a'-'0'-10)
}
