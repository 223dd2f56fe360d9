package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// counters is what a receiver says it has done so far.
type counters struct {
	published int // events acknowledged by the broker
	answered  int // requests answered 200
}

// readCounters asks the metrics endpoint of an admin listener.
func readCounters(ctx context.Context, admin string) (counters, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return counters{}, fmt.Errorf("bench: metrics: %w", err)
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return counters{}, fmt.Errorf("bench: metrics: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return counters{}, fmt.Errorf("bench: metrics: status %d", resp.StatusCode)
	}
	return parseCounters(resp.Body)
}

// parseCounters adds up the two metrics over their labels, in Prometheus' text
// format.
func parseCounters(text io.Reader) (counters, error) {
	var c counters
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := lines.Text()
		switch name, labels, _ := strings.Cut(line, "{"); {
		case name == "postrider_events_total" && strings.Contains(labels, `result="published"`):
			c.published += sampleValue(line)
		case name == "postrider_requests_total" && strings.Contains(labels, `code="200"`):
			c.answered += sampleValue(line)
		}
	}
	if err := lines.Err(); err != nil {
		return counters{}, fmt.Errorf("bench: metrics: %w", err)
	}
	return c, nil
}

// sampleValue is the value at the end of a sample's line; 0 if it is no number,
// which the comparison with what was answered brings to light.
func sampleValue(line string) int {
	v, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
	if err != nil {
		return 0
	}
	return int(v)
}
