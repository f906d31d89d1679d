package metrics

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/autosign-dns/autosign/plugin/event"
)

// gather returns our metric families.
func gather(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	all, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(f *dto.MetricFamily) bool {
		return !strings.HasPrefix(f.GetName(), "coredns_autosign_")
	})
}

// values returns the counters and gauges of a zone: name and labels to value.
func values(t *testing.T, zone string) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, f := range gather(t) {
		for _, m := range f.GetMetric() {
			key, ours := strings.TrimPrefix(f.GetName(), "coredns_autosign_"), false
			for _, l := range m.GetLabel() {
				switch {
				case l.GetName() == "zone":
					ours = l.GetValue() == zone
				case l.GetValue() != "":
					key += " " + l.GetValue()
				}
			}
			if ours {
				out[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return out
}

// fill gives every metric a series.
func fill(zone, view string) {
	for _, e := range []event.Event{
		{Kind: event.Published, Signatures: 30, Took: 20 * time.Millisecond},
		{Kind: event.Published, Signatures: 2, Took: time.Millisecond},
		{Kind: event.Refused, Reason: "verify", Err: errors.New("no")},
		{Kind: event.Refused, Reason: "source"},
		{Kind: event.Refused, Reason: "source"},
		{Kind: event.SourceLost},
		{Kind: event.SourceFound},
		{Kind: event.KeyUnusable},
		{Kind: event.KeysWithheld},
		{Kind: event.StoreFailed},
		{Kind: event.ClockJumped},
		{Kind: event.KeyCreated},
		{Kind: event.Warned},
		{Kind: event.DSUnknown},
		{Kind: event.ChainBroken},
		{Kind: event.ParentUnclear},
		{Kind: event.Frozen},
		{Kind: event.Commanded},
		{Kind: event.CommandRefused},
		{Kind: event.CommandRefused},
		{Kind: event.Overridden},
		{Kind: event.ParentNotified},
		{Kind: event.NotifyFailed},
	} {
		e.Zone, e.View = zone, view
		Observe(e)
	}
	Serve(zone, view, Serving{Serial: 7, Records: 40, Expiry: time.Unix(2_000_000_000, 0)})
	Succeed(zone, view, time.UnixMilli(1_900_000_000_500))
	Keys(zone, view, []KeyCount{{"zsk", "active", 1}, {"ksk", "active", 2}})
	Roll(zone, view, Rollover{
		Records: []RecordCount{{"zsk", "dnskey", "omnipresent", 1}, {"ksk", "ds", "rumoured", 2}},
		Waiting: time.Now().Add(-time.Hour), Next: time.Unix(2_000_000_100, 0), Frozen: true,
	})
	SeeParent(zone, view, Parent{Wanted: 2, Seen: 1, Partly: 3, Unknown: 4, Answering: 5, Silent: 6, Looked: time.Unix(1_900_000_001, 0)})
}

func TestMetrics_NamesAndHelpPassTheLinter(t *testing.T) {
	fill("lint.example.", "")
	defer Forget("lint.example.", "")
	families := gather(t)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, error %v", problems, err)
	}
	var names []string
	for _, f := range families {
		names = append(names, strings.TrimPrefix(f.GetName(), "coredns_autosign_"))
	}
	want := []string{
		"commands_total", "errors_total", "key_records", "keys", "keys_frozen", "last_success_timestamp_seconds",
		"parent_ds", "parent_last_look_timestamp_seconds", "parent_notifies_total", "parent_servers",
		"rollover_next_timestamp_seconds", "rollover_waiting_seconds", "signatures_first_expiry_seconds",
		"signatures_first_expiry_timestamp_seconds", "signatures_made_total", "signing_duration_seconds",
		"versions_published_total", "versions_refused_total", "zone_records", "zone_serial",
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

func TestMetrics_CountWhatHappens(t *testing.T) {
	fill("count.example.", "")
	defer Forget("count.example.", "")
	got := values(t, "count.example.")
	left := got["signatures_first_expiry_seconds"]
	if want := time.Until(time.Unix(2_000_000_000, 0)).Seconds(); left < want-60 || left > want+60 {
		t.Errorf("%f seconds to the first expiry, want %f", left, want)
	}
	delete(got, "signatures_first_expiry_seconds")
	if waits := got["rollover_waiting_seconds"]; waits < 3600 || waits > 3660 {
		t.Errorf("waiting for %f seconds, want an hour", waits)
	}
	delete(got, "rollover_waiting_seconds")
	want := map[string]float64{
		"signatures_made_total": 32, "versions_published_total": 2,
		"versions_refused_total verify": 1, "versions_refused_total source": 2,
		"errors_total source": 1, "errors_total key": 1, "errors_total no_keys": 1, "errors_total store": 1, "errors_total clock": 1, "errors_total warning": 1,
		"zone_records": 40, "zone_serial": 7, "last_success_timestamp_seconds": 1_900_000_000.5,
		"keys zsk active": 1, "keys ksk active": 2,
		"signatures_first_expiry_timestamp_seconds": 2_000_000_000,
		"errors_total unknown_ds":                   1, "errors_total parent": 1, "errors_total chain": 1, "errors_total frozen": 1,
		"commands_total done": 1, "commands_total refused": 2, "commands_total overridden": 1,
		"parent_notifies_total taken": 1, "parent_notifies_total failed": 1,
		"key_records dnskey zsk omnipresent": 1, "key_records ds ksk rumoured": 2,
		"keys_frozen": 1, "rollover_next_timestamp_seconds": 2_000_000_100,
		"parent_ds wanted": 2, "parent_ds seen": 1, "parent_ds partly": 3, "parent_ds unknown": 4,
		"parent_servers answering": 5, "parent_servers silent": 6, "parent_last_look_timestamp_seconds": 1_900_000_001,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

// P11: the alarm does not need the scheduler. The seconds left go on falling,
// below zero too, while nobody sets anything.
func TestMetrics_P11_ExpiryRunsDownByItself(t *testing.T) {
	Serve("p11.example.", "", Serving{Expiry: time.Now().Add(-time.Hour)})
	defer Forget("p11.example.", "")
	first := values(t, "p11.example.")["signatures_first_expiry_seconds"]
	second := values(t, "p11.example.")["signatures_first_expiry_seconds"]
	if first > -3600 || second >= first {
		t.Errorf("%f, then %f", first, second)
	}
}

func TestMetrics_KeysThatAreGoneAreNotCounted(t *testing.T) {
	defer Forget("keys.example.", "")
	Keys("keys.example.", "", []KeyCount{{"zsk", "published", 1}, {"zsk", "active", 1}})
	Keys("keys.example.", "", []KeyCount{{"zsk", "active", 2}})
	if got, want := values(t, "keys.example."), map[string]float64{"keys zsk active": 2}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMetrics_ViewsAreApart(t *testing.T) {
	fill("view.example.", "inside")
	fill("view.example.", "outside")
	fill("other.example.", "inside")
	defer Forget("other.example.", "inside")
	all := len(values(t, "view.example."))
	Forget("view.example.", "inside")
	left := values(t, "view.example.")
	if len(left)*2 != all {
		t.Errorf("%d of %d series are left", len(left), all)
	}
	for name := range left {
		if strings.Contains(name, "inside") {
			t.Errorf("%s is left", name)
		}
	}
	if len(values(t, "other.example."))*2 != all {
		t.Error("series of another zone are gone")
	}
	Forget("view.example.", "outside")
	if left := values(t, "view.example."); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// What nothing waits for has no time, and what is no more is not shown.
func TestRoll_NothingWaits(t *testing.T) {
	defer Forget("calm.example.", "")
	fill("calm.example.", "")
	Roll("calm.example.", "", Rollover{})
	for name, v := range values(t, "calm.example.") {
		if strings.Contains(name, "rollover") || strings.Contains(name, "key_records") || name == "keys_frozen" && v != 0 {
			t.Errorf("%s is %f", name, v)
		}
	}
}

func TestServe_WithoutSignaturesHasNoExpiry(t *testing.T) {
	for _, at := range []time.Time{{}, time.Unix(0, 0)} {
		Serve("none.example.", "", Serving{Expiry: time.Now()})
		Serve("none.example.", "", Serving{Serial: 1, Expiry: at})
		for name := range values(t, "none.example.") {
			if strings.Contains(name, "expiry") {
				t.Errorf("%s: %s", at, name)
			}
		}
	}
	Forget("none.example.", "")
}

// Every event with an error in it is counted somewhere.
func TestObserve_CountsEveryError(t *testing.T) {
	defer Forget("all.example.", "")
	for kind := event.Kind(1); fmt.Sprintf("event %d", uint8(kind)) != kind.String(); kind++ {
		before := len(values(t, "all.example."))
		Observe(event.Event{Kind: kind, Zone: "all.example."})
		if grown := len(values(t, "all.example.")) > before; !grown && kind.Severity() == event.Error {
			t.Errorf("%q is an error that is not counted", kind)
		}
	}
}

// P7: keys stand still while the state cannot be stored, whether they were looked
// at before or not.
func TestMetrics_P7_NoStateFreezesKeys(t *testing.T) {
	defer Forget("p7.example.", "")
	Observe(event.Event{Kind: event.StoreFailed, Zone: "p7.example."})
	if v := values(t, "p7.example.")["keys_frozen"]; v != 1 {
		t.Errorf("without a state: %v", v)
	}
	Roll("p7.example.", "", Rollover{})
	if v := values(t, "p7.example.")["keys_frozen"]; v != 0 {
		t.Errorf("with the state back: %v", v)
	}
}
