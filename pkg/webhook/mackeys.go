package webhook

import "time"

// match returns the id of the first key that is taken at that moment and fits;
// every key is tried, also after a match. active tells whether there was one.
func match(keys []*macKey, at time.Time, fits func(k *macKey) bool) (id string, found, active bool) {
	for _, k := range keys {
		if !k.life.includes(at) {
			continue
		}
		active = true
		if fits(k) && !found {
			id, found = k.id, true
		}
	}
	return id, found, active
}

// bareSum returns the keyed hash of pieces.
func (k *macKey) bareSum(pieces ...[]byte) []byte {
	st := k.take()
	defer k.pool.Put(st)
	st.mac.Reset()
	for _, p := range pieces {
		st.mac.Write(p)
	}
	return st.mac.Sum(nil)
}

// macKeys appends which of the keys fit, and reports whether one does.
func (e *explanation) macKeys(keys []*macKey, fits func(k *macKey) bool) bool {
	any := false
	for _, k := range keys {
		ok := fits(k)
		e.secret(k.id, k.life, ok)
		any = any || ok
	}
	return any
}
