package metrics

import (
	"sync"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"
)

// expiry collects when the first signature of each zone expires. The seconds
// left are computed when they are asked for: they run down also when nothing
// else runs any more, which is what an alarm is for.
type expiry struct {
	at, left *prometheus.Desc

	mu    sync.Mutex
	zones map[[2]string]time.Time // by zone and view
}

// newExpiry returns the collector, registered.
func newExpiry() *expiry {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, subsystem, name), help, []string{"zone", "view"}, nil)
	}
	e := &expiry{
		at:    desc("signatures_first_expiry_timestamp_seconds", "The time at which the first signature of a zone expires."),
		left:  desc("signatures_first_expiry_seconds", "Seconds until the first signature of a zone expires; negative when it has."),
		zones: map[[2]string]time.Time{},
	}
	prometheus.MustRegister(e)
	return e
}

// set notes when the first signature of a zone expires; a zero time, that it has none.
func (e *expiry) set(zone, view string, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if at.Unix() <= 0 {
		delete(e.zones, [2]string{zone, view})
		return
	}
	e.zones[[2]string{zone, view}] = at
}

// Describe implements prometheus.Collector.
func (e *expiry) Describe(ch chan<- *prometheus.Desc) {
	ch <- e.at
	ch <- e.left
}

// Collect implements prometheus.Collector.
func (e *expiry) Collect(ch chan<- prometheus.Metric) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for zone, at := range e.zones {
		ch <- prometheus.MustNewConstMetric(e.at, prometheus.GaugeValue, float64(at.Unix()), zone[0], zone[1])
		ch <- prometheus.MustNewConstMetric(e.left, prometheus.GaugeValue, at.Sub(now).Seconds(), zone[0], zone[1])
	}
}
