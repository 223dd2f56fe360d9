package broker

import "testing"

// The numbers were printed by org.apache.kafka.common.utils.Utils of Apache
// Kafka 4.3.1: murmur2(key), and toPositive of it modulo 3 and 12.
func TestMurmur2(t *testing.T) {
	for _, c := range []struct {
		key           string
		hash          int32
		three, twelve int
	}{
		{"", 275646681, 0, 9},
		{"a", -1563381124, 1, 4},
		{"ab", 316155434, 2, 2},
		{"abc", 479470107, 0, 3},
		{"abcd", -1323649548, 2, 8},
		{"abcde", 461995741, 1, 1},
		{"msg_01", 2025928235, 2, 11},
		{"recipient@example.com", 1944533564, 2, 8},
		{"0f8b5c1e-3a5d-4a52-9d0e-7b0f6f3a2c11", -273859327, 1, 1},
		{"éü€", 412708365, 0, 9},
	} {
		if got := int32(murmur2([]byte(c.key))); got != c.hash {
			t.Errorf("murmur2(%q) = %d, want %d", c.key, got, c.hash)
		}
		slot := keySlot([]byte(c.key))
		if three, twelve := int(slot%3), int(slot%12); three != c.three || twelve != c.twelve {
			t.Errorf("%q is on partition %d of 3 and %d of 12, want %d and %d", c.key, three, twelve, c.three, c.twelve)
		}
	}
	var every [256]byte
	for i := range every {
		every[i] = byte(i)
	}
	if got := int32(murmur2(every[:])); got != -1948347274 {
		t.Errorf("murmur2 of all bytes = %d, want -1948347274", got)
	}
}
