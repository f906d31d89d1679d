// Package metrics holds the Prometheus collectors of the plugin. Events are
// counted, and a few gauges are set from what is being served.
package metrics

import (
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
)

// Observe counts an event.
func Observe(e event.Event) {}

// Serving is what is known of the version of a zone that is being served.
type Serving struct {
	Serial  uint32
	Records int       // signed zone
	Expiry  time.Time // first expiration of a signature; zero: nothing is signed
}

// Serve sets the gauges of a zone that has a new version.
func Serve(zone string, s Serving) {}

// KeyCount is how many keys of a zone have a role and a state.
type KeyCount struct {
	Role, State string
	N           int
}

// Keys sets the number of keys of a zone; roles and states left out have none.
func Keys(zone string, counts []KeyCount) {}

// Forget removes the series of a zone that is no longer configured.
func Forget(zone string) {}
