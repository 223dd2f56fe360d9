package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

var (
	wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	bareNumber  = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]*)?$`)
	daysPattern = regexp.MustCompile(`^([0-9]{1,6})d(.*)$`)
	sizePattern = regexp.MustCompile(`^([0-9]+) ?([A-Za-z]*)$`)
)

// sizeUnits are the units of a size, lower-case: decimal as in SI, binary as in
// IEC 80000-13.
func sizeUnits() map[string]int64 {
	return map[string]int64{
		"": 1, "b": 1,
		"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
		"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
	}
}

// ParseDuration reads Go's duration syntax and days in front: "1500ms", "2s",
// "1h30m", "30d", "1d12h". A bare number has no unit and is refused. The error says how
// a duration is written.
func ParseDuration(text string) (time.Duration, error) {
	if bareNumber.MatchString(text) {
		return 0, errors.New("a duration needs a unit: add ms, s, m, h or d, as in 5s")
	}
	days, rest := time.Duration(0), text
	if m := daysPattern.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > int(math.MaxInt64/day)-1 {
			return 0, errors.New("the duration is too long")
		}
		days, rest = time.Duration(n)*day, m[2]
	}
	if rest == "" && days > 0 || text == "0d" {
		return days, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || (rest != text && (d > day || strings.ContainsAny(rest, "+-"))) {
		return 0, errors.New("not a duration: write a number and a unit, e.g. 1500ms, 2s, 5m, 1h30m or 30d")
	}
	return days + d, nil
}

// formatDuration is the shortest spelling that ParseDuration reads back.
func formatDuration(d time.Duration) string {
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// parseSize reads a number of bytes: "10485760", "10MiB", "64 MB".
func parseSize(text string) (int64, error) {
	m := sizePattern.FindStringSubmatch(text)
	if m == nil {
		return 0, errors.New("not a size: write a whole number of bytes, or one with a unit, e.g. 64KiB, 10MiB or 10 MB")
	}
	unit, ok := sizeUnits()[strings.ToLower(m[2])]
	if !ok {
		return 0, errors.New("unknown unit of size: write B, KiB, MiB, GiB, TiB (powers of 1024) or kB, MB, GB, TB (powers of 1000)")
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return 0, errors.New("the size is too large")
	}
	return n * unit, nil
}

// formatSize is the shortest spelling that parseSize reads back.
func formatSize(n int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// clip shortens foreign text for a message.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("write true or false")
}

func parseInt(text string) (int, error) {
	if !wholeNumber.MatchString(text) {
		return 0, errors.New("not a whole number")
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, errors.New("the number is too large")
	}
	return n, nil
}

func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, errors.New("not a time: write it as in RFC 3339, e.g. 2026-12-01T00:00:00Z")
	}
	return t, nil
}

// parsePrefix reads a network in CIDR notation, or one address.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, errors.New("not a network: write it in CIDR notation, e.g. 10.0.0.0/8 or 2001:db8::/32, or one address")
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("an address inside the network, not the network: write %s", prefix.Masked())
	}
	return prefix, nil
}
