package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// gauges are the metrics of a receiver by name, added up over their labels; those with
// the label result are also there as name/result.
type gauges map[string]float64

// resultLabel begins the label that says what became of something.
const resultLabel = `result="`

// accepted is how many events are in Kafka or, as a machine without time to spare may
// have it, on the disk and on their way.
func (g gauges) accepted() float64 {
	return g["postrider_events_total/published"] + g["postrider_events_total/spooled"]
}

// mismatch says where a receiver's counters do not fit the requests that were answered
// 200, of one event each; "" if they do.
func mismatch(before, after gauges, ok int) string {
	if got := after.accepted() - before.accepted(); got != float64(ok) {
		return fmt.Sprintf("%d requests answered 200, %.0f events published or spooled", ok, got)
	}
	return ""
}

// scrape reads all metrics of an admin listener.
func scrape(ctx context.Context, admin string) (gauges, error) {
	return readMetrics(ctx, admin, parseGauges)
}

// parseGauges reads Prometheus' text format. Buckets of histograms are left out.
func parseGauges(text io.Reader) (gauges, error) {
	g := make(gauges)
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := lines.Text()
		space := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || space < 0 {
			continue
		}
		name, labels, _ := strings.Cut(line[:space], "{")
		v, err := strconv.ParseFloat(line[space+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("bench: metrics: %q: %w", line, err)
		}
		if strings.HasSuffix(name, "_bucket") {
			continue
		}
		g[name] += v
		if _, result, ok := strings.Cut(labels, resultLabel); ok {
			result, _, _ = strings.Cut(result, `"`)
			g[name+"/"+result] += v
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("bench: metrics: %w", err)
	}
	return g, nil
}
