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
	spooled   int // events kept on the disk and on their way to the broker, by what their request was answered for
	waiting   int // records on the disk that the broker does not have yet
	answered  int // requests answered 200
	known     int // ids that it remembers to leave out repeats
}

// readCounters asks the metrics endpoint of an admin listener.
func readCounters(ctx context.Context, admin string) (counters, error) {
	return readMetrics(ctx, admin, parseCounters)
}

// readMetrics asks the metrics endpoint of an admin listener and parses its answer.
func readMetrics[T any](ctx context.Context, admin string, parse func(text io.Reader) (T, error)) (none T, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return none, fmt.Errorf("bench: metrics: %w", err)
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return none, fmt.Errorf("bench: metrics: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return none, fmt.Errorf("bench: metrics: status %d", resp.StatusCode)
	}
	return parse(resp.Body)
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
		case name == "postrider_events_total" && strings.Contains(labels, `result="spooled"`):
			c.spooled += sampleValue(line)
		case strings.HasPrefix(name, "postrider_spool_records "):
			c.waiting = sampleValue(line)
		case strings.HasPrefix(name, "postrider_dedupe_ids "):
			c.known = sampleValue(line)
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
