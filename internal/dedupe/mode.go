package dedupe

// Mode says what becomes of an event that was seen before.
type Mode uint8

// The modes. The zero value is the default.
const (
	// Drop: the repeat is not published; its request is answered as accepted.
	Drop Mode = iota
	// Mark: the repeat is published with the header duplicate: true.
	Mark
	// Off: nobody looks, and nothing is remembered.
	Off
)

// names are the modes' names in a configuration, in their order.
var names = [...]string{"drop", "mark", "off"}

// String is the mode's name in a configuration: drop, mark or off.
func (m Mode) String() string {
	if int(m) < len(names) {
		return names[m]
	}
	return "unknown"
}

// ParseMode reads a mode's name; "" is Drop. False means that there is no such
// mode.
func ParseMode(name string) (Mode, bool) {
	if name == "" {
		return Drop, true
	}
	for i, n := range names {
		if n == name {
			return Mode(i), true
		}
	}
	return Drop, false
}
