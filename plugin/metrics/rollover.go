package metrics

import (
	"sync"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/autosign-dns/autosign/plugin/event"
)

var (
	keyRecords = newFamily("key_records",
		"Gauge of the records of keys, by role, record (dnskey, krrsig, zrrsig, ds) and state.", "role", "record", "state")
	frozen   = gauge("keys_frozen", "1 while keys do not move because of an operator's hold or something that is not certain, else 0.")
	parentDS = gauge("parent_ds", "Gauge of the DS records that the parent is to have (wanted), that all of its servers have (seen), "+
		"that only some have (partly), and that belong to no key of the zone (unknown).", "ds")
	parentServers = gauge("parent_servers", "Gauge of the servers of the parent at the last look, by whether they answered.", "state")
	parentLooked  = gauge("parent_last_look_timestamp_seconds", "The time of the last look at the parent that brought an answer.")
	parentTold    = counter("parent_notifies_total", "Counter of NOTIFY messages about a new CDS set, by outcome.", "outcome")
	commands      = counter("commands_total", "Counter of commands of operators, by outcome.", "outcome")

	moving = newWaits()
)

// outcomes are the events that count as commands, and as messages to the
// parent, with the word for each.
var (
	outcomes = map[event.Kind]string{
		event.Commanded: "done", event.CommandRefused: "refused", event.Overridden: "overridden",
	}
	tellings = map[event.Kind]string{event.ParentNotified: "taken", event.NotifyFailed: "failed"}
)

// observeRollover counts an event of the life of keys.
func observeRollover(e event.Event) {
	if word := outcomes[e.Kind]; word != "" {
		commands.WithLabelValues(e.Zone, e.View, word).Inc()
	}
	if word := tellings[e.Kind]; word != "" {
		parentTold.WithLabelValues(e.Zone, e.View, word).Inc()
	}
}

// RecordCount is how many keys of a role have a record in a state.
type RecordCount struct {
	Role, Record, State string // in lower case
	N                   int
}

// Rollover is where the keys of a zone are.
type Rollover struct {
	Records []RecordCount
	Waiting time.Time // since when the record that waits longest does so; zero: none waits
	Next    time.Time // when something moves next; zero: nothing does by time alone
	Frozen  bool
}

// Roll sets the gauges of a zone's keys; what is left out is there no more.
func Roll(zone, view string, r Rollover) {
	samples := make([]sample, 0, len(r.Records))
	for _, c := range r.Records {
		samples = append(samples, sample{[]string{c.Role, c.Record, c.State}, float64(c.N)})
	}
	keyRecords.set(zone, view, samples)
	value := 0.0
	if r.Frozen {
		value = 1
	}
	frozen.WithLabelValues(zone, view).Set(value)
	moving.set(zone, view, r.Waiting, r.Next)
}

// Parent is what is known of the parent of a zone.
type Parent struct {
	Wanted, Seen, Partly, Unknown int // DS records
	Answering, Silent             int // servers
	Looked                        time.Time
}

// SeeParent sets the gauges of a zone's parent.
func SeeParent(zone, view string, p Parent) {
	for word, n := range map[string]int{"wanted": p.Wanted, "seen": p.Seen, "partly": p.Partly, "unknown": p.Unknown} {
		parentDS.WithLabelValues(zone, view, word).Set(float64(n))
	}
	parentServers.WithLabelValues(zone, view, "answering").Set(float64(p.Answering))
	parentServers.WithLabelValues(zone, view, "silent").Set(float64(p.Silent))
	if !p.Looked.IsZero() {
		parentLooked.WithLabelValues(zone, view).Set(float64(p.Looked.UnixMilli()) / 1000)
	}
}

// forgetRollover removes the series of a zone's keys and parent.
func forgetRollover(zone, view string) {
	labels := prometheus.Labels{"zone": zone, "view": view}
	for _, v := range []*prometheus.GaugeVec{frozen, parentDS, parentServers, parentLooked} {
		v.DeletePartialMatch(labels)
	}
	keyRecords.set(zone, view, nil)
	parentTold.DeletePartialMatch(labels)
	commands.DeletePartialMatch(labels)
	moving.set(zone, view, time.Time{}, time.Time{})
}

// waits collects how long rolls have been waiting. The seconds are computed when
// they are asked for: they run on also when nothing else does any more.
type waits struct {
	waiting, next *prometheus.Desc

	mu    sync.Mutex
	zones map[[2]string]wait // by zone and view
}

type wait struct{ since, next time.Time }

// newWaits returns the collector, registered.
func newWaits() *waits {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, subsystem, name), help, []string{"zone", "view"}, nil)
	}
	w := &waits{
		waiting: desc("rollover_waiting_seconds", "Seconds for which the record of a key that waits longest has been waiting for its next state."),
		next:    desc("rollover_next_timestamp_seconds", "The time at which a record of a key next changes its state, as far as that hangs on time."),
		zones:   map[[2]string]wait{},
	}
	prometheus.MustRegister(w)
	return w
}

// set notes where a zone's keys are; zero times are none.
func (w *waits) set(zone, view string, since, next time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if since.IsZero() && next.IsZero() {
		delete(w.zones, [2]string{zone, view})
		return
	}
	w.zones[[2]string{zone, view}] = wait{since, next}
}

// Describe implements prometheus.Collector.
func (w *waits) Describe(ch chan<- *prometheus.Desc) {
	ch <- w.waiting
	ch <- w.next
}

// Collect implements prometheus.Collector.
func (w *waits) Collect(ch chan<- prometheus.Metric) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for zone, at := range w.zones {
		if !at.since.IsZero() {
			ch <- prometheus.MustNewConstMetric(w.waiting, prometheus.GaugeValue, now.Sub(at.since).Seconds(), zone[0], zone[1])
		}
		if !at.next.IsZero() {
			ch <- prometheus.MustNewConstMetric(w.next, prometheus.GaugeValue, float64(at.next.Unix()), zone[0], zone[1])
		}
	}
}
