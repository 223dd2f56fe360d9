package normalize

import (
	"encoding/hex"
	"strings"

	"github.com/postrider/postrider/internal/provider"
)

// Memory is what the output of a request is made of, kept to be used again for that
// of another. The zero Memory is ready to use, by one goroutine at a time.
type Memory struct {
	results provider.Memory
	events  []Item
	ids     strings.Builder // of the request's events, one behind the other
}

// keepEvents is how many events a Memory holds on to, about 1 MiB.
const keepEvents = 2048

// Reset takes back the output of the last Normalize: nobody may look any more at its
// lists, or at the maps, lists and parts of its events. Texts and ids stay what they
// are, so what was copied out of an event field by field may be kept; m holds on to
// none of them. Who is not sure that nobody looks takes another Memory, and leaves
// this one to the garbage collector.
func (m *Memory) Reset() {
	m.results.Reset()
	if cap(m.events) > keepEvents {
		m.events = nil
	}
	clear(m.events)
	m.events = m.events[:0]
	m.ids = strings.Builder{}
}

// id returns an id as text, behind those that were made before it.
func (m *Memory) id(sum [32]byte) string {
	var text [2 * idBytes]byte
	hex.Encode(text[:], sum[:idBytes])
	m.ids.Write(text[:])
	all := m.ids.String()
	return all[len(all)-len(text):]
}
