package dedupe

// entry is one id that was accepted. It holds no pointer, so that millions of
// them cost the garbage collector nothing.
type entry struct {
	id      [16]byte
	content [8]byte // the head of the content's hash
	at      stamp
}

// chunkSize is how many entries the ring takes from memory at a time.
const chunkSize = 4096

// ring is a queue of entries, each known by a number that never changes while it
// is in. Numbers go up by one and wrap around.
type ring struct {
	chunks []*[chunkSize]entry
	head   uint32 // number of the oldest
	length uint32
	skip   uint32            // entries of the first chunk that are gone
	spare  *[chunkSize]entry // the chunk that was emptied last
}

// at returns the entry with a number that is in.
func (r *ring) at(number uint32) *entry {
	place := number - r.head + r.skip
	return &r.chunks[place/chunkSize][place%chunkSize]
}

// push adds an entry and returns its number.
func (r *ring) push(e entry) uint32 {
	place := r.skip + r.length
	if place/chunkSize == uint32(len(r.chunks)) { //nolint:gosec // bounded by maxIDs
		chunk := r.spare
		if r.spare = nil; chunk == nil {
			chunk = new([chunkSize]entry)
		}
		r.chunks = append(r.chunks, chunk)
	}
	r.chunks[place/chunkSize][place%chunkSize] = e
	r.length++
	return r.head + r.length - 1
}

// pop takes out the oldest.
func (r *ring) pop() {
	r.head++
	r.length--
	if r.skip++; r.skip == chunkSize {
		r.spare, r.skip = r.chunks[0], 0
		r.chunks[0] = nil
		r.chunks = r.chunks[1:]
	}
}
