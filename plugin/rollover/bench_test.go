package rollover

import (
	"testing"
	"time"
)

func BenchmarkStep(b *testing.B) {
	w := newWorld()
	w.run(30 * 24 * time.Hour)
	w.set.Requests = append(w.set.Requests, Request{Role: w.p.Roles()[1], At: w.now})
	w.run(10 * time.Hour)
	f := w.facts()
	b.ReportAllocs()
	for b.Loop() {
		Step(w.now, w.p, f, w.set)
	}
}
