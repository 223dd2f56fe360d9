package jsondoc

// Room is memory for what documents hand out beside strings: the maps of Rest and
// the lists of Strings. Who has many documents read, and knows when nobody looks at
// what came out of one any more, gives it to Doc.Use and saves taking that memory
// anew each time. The zero Room is ready to use, by one goroutine at a time.
type Room struct {
	maps  []map[string]string
	given int // maps that were handed out
	texts []string
}

// Bounds of what a Room keeps for later: beyond them memory goes back.
const (
	keepMaps    = 4096 // maps
	keepMembers = 16   // members of one map
	keepTexts   = 16 << 10
)

// Use has the document, and those embedded in it, take maps and lists out of room.
// They are valid until its Reset.
func (d *Doc) Use(room *Room) { d.room = room }

// Reset takes back all that was handed out: nobody may look at it any more. The room
// holds on to no text then.
func (r *Room) Reset() {
	for i, m := range r.maps[:r.given] {
		if len(m) > keepMembers {
			r.maps[i] = make(map[string]string)
		} else {
			clear(m)
		}
	}
	if len(r.maps) > keepMaps {
		r.maps = nil
	}
	r.given = 0
	if cap(r.texts) > keepTexts {
		r.texts = nil
	}
	clear(r.texts)
	r.texts = r.texts[:0]
}

// members returns an empty map.
func (r *Room) members() map[string]string {
	if r == nil {
		return make(map[string]string)
	}
	if r.given == len(r.maps) {
		r.maps = append(r.maps, make(map[string]string))
	}
	r.given++
	return r.maps[r.given-1]
}

// list returns an empty list with room for n texts.
func (r *Room) list(n int) []string {
	if r == nil || n == 0 || n > keepTexts {
		return make([]string, 0, n)
	}
	used := len(r.texts)
	if cap(r.texts)-used < n { // those handed out keep the old array
		r.texts, used = make([]string, 0, max(2*cap(r.texts), n, 64)), 0
	}
	r.texts = r.texts[:used+n]
	return r.texts[used : used : used+n]
}
