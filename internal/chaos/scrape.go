package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// sample is one line of a metrics page.
type sample struct {
	name, labels string
	value        float64
}

// samples are a metrics page in Prometheus' text format.
type samples []sample

// scrape reads the receiver's metrics.
func (r *receiver) scrape(ctx context.Context) (samples, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.admin+"/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("chaos: metrics: %w", err)
	}
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("chaos: metrics: %w", err)
	}
	defer res.Body.Close()
	return readSamples(res.Body)
}

// readSamples reads the text format.
func readSamples(in io.Reader) (samples, error) {
	var found samples
	for lines := bufio.NewScanner(in); lines.Scan(); {
		line := lines.Text()
		space := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || space < 0 {
			continue
		}
		v, err := strconv.ParseFloat(line[space+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("chaos: metrics: %q: %w", line, err)
		}
		name, labels, _ := strings.Cut(line[:space], "{")
		found = append(found, sample{name, labels, v})
	}
	if len(found) == 0 {
		return nil, errors.New("chaos: metrics: an empty page")
	}
	return found, nil
}

// sum adds up a metric over the lines whose labels contain a text.
func (s samples) sum(name, label string) float64 {
	var sum float64
	for _, m := range s {
		if m.name == name && strings.Contains(m.labels, label) {
			sum += m.value
		}
	}
	return sum
}

// has reports whether a metric is there.
func (s samples) has(name string) bool {
	for _, m := range s {
		if m.name == name {
			return true
		}
	}
	return false
}
