// Package metrics holds the Prometheus collectors of the plugin. Events are
// counted; gauges are set from what is being served. A zone that is served
// in several views has series of its own in each.
package metrics

import (
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/autosign-dns/autosign/plugin/event"
)

const subsystem = "autosign"

// The collectors are variables of the package, registered once: a reload of
// CoreDNS sets the plugin up again in the same process.
var (
	signatures = counter("signatures_made_total", "Counter of signatures made for published versions.")
	published  = counter("versions_published_total", "Counter of signed versions taken into service.")
	refused    = counter("versions_refused_total",
		"Counter of attempts at a new version that failed, with the last good one still served.", "reason")
	failures = counter("errors_total", "Counter of errors beside refused versions: of source, keys, stored state and parent.", "kind")

	signingTime = promauto.NewHistogram(prometheus.HistogramOpts{
		Namespace: plugin.Namespace, Subsystem: subsystem, Name: "signing_duration_seconds",
		Help:    "Histogram of the time that a new version took, from loaded to published.",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 10), // 1 ms to 262 s
	})

	records     = gauge("zone_records", "Gauge of the records in the signed zone.")
	serial      = gauge("zone_serial", "Gauge of the serial of the signed zone.")
	lastSuccess = gauge("last_success_timestamp_seconds",
		"The time at which a zone was last looked at and found, or made, to be as it should be.")
	keys = newFamily("keys", "Gauge of the keys of a zone.", "role", "state")

	expiries = newExpiry()
)

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace, Subsystem: subsystem, Name: name, Help: help,
	}, append([]string{"zone", "view"}, labels...))
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return promauto.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: plugin.Namespace, Subsystem: subsystem, Name: name, Help: help,
	}, append([]string{"zone", "view"}, labels...))
}

// errorKinds are the events that count as errors, with the word for each.
var errorKinds = map[event.Kind]string{
	event.SourceLost:   "source",
	event.KeyUnusable:  "key",
	event.KeysWithheld: "no_keys",
	event.StoreFailed:  "store",
	event.ClockJumped:  "clock",
	event.Warned:       "warning",

	event.DSUnknown:     "unknown_ds",
	event.ChainBroken:   "chain",
	event.ParentUnclear: "parent",
	event.Frozen:        "frozen",
}

// Observe counts an event.
func Observe(e event.Event) {
	if e.Kind == event.StoreFailed { // no key moves, until a pass has got through and says how it is
		frozen.WithLabelValues(e.Zone, e.View).Set(1)
	}
	switch kind := errorKinds[e.Kind]; {
	case e.Kind == event.Published:
		published.WithLabelValues(e.Zone, e.View).Inc()
		signatures.WithLabelValues(e.Zone, e.View).Add(float64(e.Signatures))
		signingTime.Observe(e.Took.Seconds())
	case e.Kind == event.Refused:
		refused.WithLabelValues(e.Zone, e.View, e.Reason).Inc()
	case kind != "":
		failures.WithLabelValues(e.Zone, e.View, kind).Inc()
	default:
		observeRollover(e)
	}
}

// Serving is what is known of the version of a zone that is being served.
type Serving struct {
	Serial  uint32
	Records int       // of the signed zone
	Expiry  time.Time // first expiration of a signature; zero: nothing is signed
}

// Serve sets the gauges of a zone that has a new version.
func Serve(zone, view string, s Serving) {
	serial.WithLabelValues(zone, view).Set(float64(s.Serial))
	records.WithLabelValues(zone, view).Set(float64(s.Records))
	expiries.set(zone, view, s.Expiry)
}

// Succeed notes that a zone is as it should be, whether a new version was needed
// for that or not. Where this time stands still, signing does too.
func Succeed(zone, view string, at time.Time) {
	lastSuccess.WithLabelValues(zone, view).Set(float64(at.UnixMilli()) / 1000)
}

// KeyCount is how many keys of a zone have a role and a state.
type KeyCount struct {
	Role, State string
	N           int
}

// Keys sets the number of keys of a zone; roles and states left out have none.
func Keys(zone, view string, counts []KeyCount) {
	samples := make([]sample, 0, len(counts))
	for _, c := range counts {
		samples = append(samples, sample{[]string{c.Role, c.State}, float64(c.N)})
	}
	keys.set(zone, view, samples)
}

// Forget removes the series of a zone that is no longer configured.
func Forget(zone, view string) {
	labels := prometheus.Labels{"zone": zone, "view": view}
	for _, v := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{signatures, published, refused, failures, records, serial, lastSuccess} {
		v.DeletePartialMatch(labels)
	}
	keys.set(zone, view, nil)
	expiries.set(zone, view, time.Time{})
	forgetRollover(zone, view)
}
