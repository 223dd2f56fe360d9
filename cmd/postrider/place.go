package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/postrider/postrider/internal/broker"
)

// readPlace reads a record's place, as the program prints it (email.raw[3]@1841)
// or with slashes (email.raw/3/1841), which no shell takes for a pattern.
func readPlace(place string) (broker.Position, error) {
	topic, partition, offset, ok := cutPlace(place)
	p, errP := strconv.ParseInt(partition, 10, 32)
	o, errO := strconv.ParseInt(offset, 10, 64)
	if !ok || topic == "" || errP != nil || errO != nil || p < 0 || o < 0 {
		return broker.Position{}, fmt.Errorf("%q is no record's place: write it as email.raw[3]@1841 or email.raw/3/1841 (topic, partition, offset)", place)
	}
	return broker.Position{Topic: topic, Partition: int(p), Offset: o}, nil
}

// cutPlace takes a place apart.
func cutPlace(place string) (topic, partition, offset string, ok bool) {
	if parts := strings.Split(place, "/"); len(parts) == 3 {
		return parts[0], parts[1], parts[2], true
	}
	topic, rest, open := strings.Cut(place, "[")
	partition, offset, closed := strings.Cut(rest, "]@")
	return topic, partition, offset, open && closed
}
