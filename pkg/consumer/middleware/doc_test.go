package middleware_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/middleware"
)

// described are the metrics of a registry, each with its labels.
func described(r *prometheus.Registry) map[string]string {
	descs := make(chan *prometheus.Desc, 100)
	r.Describe(descs)
	close(descs)
	form := regexp.MustCompile(`fqName: "postrider_consumer_(\w+)".*variableLabels: \{(.*?)\}`)
	found := map[string]string{}
	for d := range descs {
		if m := form.FindStringSubmatch(d.String()); m != nil {
			found[m[1]] = strings.ReplaceAll(m[2], ",", ", ")
		}
	}
	return found
}

// The table in the package's comment has every metric, with its labels, and no other.
func TestTheTableOfMetricsIsCurrent(t *testing.T) {
	r := prometheus.NewRegistry()
	if _, err := middleware.Metrics(r); err != nil {
		t.Fatal(err)
	}
	if _, err := middleware.Outcomes(r); err != nil {
		t.Fatal(err)
	}
	r.MustRegister(middleware.CollectState(func() consumer.State { return consumer.State{} }, nil))
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^//\t(\w+) +(?:counter|histogram|gauge) +([a-z, ]*?|-)  +\S`).FindAllStringSubmatch(string(source), -1) {
		table[m[1]] = strings.Trim(m[2], "-")
	}
	real := described(r)
	if diff := cmp.Diff(real, table); diff != "" {
		t.Errorf("-code +comment:\n%s", diff)
	}
	if !slices.Contains(slices.Sorted(maps.Keys(real)), "lag_seconds") {
		t.Errorf("found only %v", real)
	}
}
