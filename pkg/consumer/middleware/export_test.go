package middleware

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postrider/postrider/pkg/consumer"
)

// CollectState collects a State, by a clock.
func CollectState(state func() consumer.State, now func() time.Time) prometheus.Collector {
	return collect(state, now)
}
