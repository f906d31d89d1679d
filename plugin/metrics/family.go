package metrics

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// family is a gauge of which a zone has several series that come and go. It
// knows those of each zone: to look through the series of all zones at each pass
// over one would be too much for a server with many.
type family struct {
	vec *prometheus.GaugeVec

	mu    sync.Mutex
	zones map[[2]string][][]string // labels of the series, by zone and view
}

func newFamily(name, help string, labels ...string) *family {
	return &family{vec: gauge(name, help, labels...), zones: map[[2]string][][]string{}}
}

// sample is a series with its labels behind zone and view.
type sample struct {
	labels []string
	value  float64
}

// set gives a zone these series and no other.
func (f *family) set(zone, view string, samples []sample) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := [2]string{zone, view}
	labels := make([][]string, 0, len(samples))
	for _, s := range samples {
		l := append([]string{zone, view}, s.labels...)
		f.vec.WithLabelValues(l...).Set(s.value)
		labels = append(labels, l)
	}
	for _, old := range f.zones[id] {
		if !slices.ContainsFunc(labels, func(l []string) bool { return slices.Equal(l, old) }) {
			f.vec.DeleteLabelValues(old...)
		}
	}
	if f.zones[id] = labels; len(labels) == 0 {
		delete(f.zones, id)
	}
}
