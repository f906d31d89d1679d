package simulate

import (
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// generation is keys that sign the zone from a moment on: each set of the zone
// moves to them when its signature is due.
type generation struct {
	signers           []string
	validity, refresh time.Duration
	since             time.Time // keys' time
}

// done returns when the last set has moved to the generation, by keys' time.
func (g generation) done() time.Time {
	return g.since.Add(policy.Spread(g.validity, g.refresh))
}

// generations begins a new generation where other keys are to sign, and ends
// the one that nothing follows any more.
func (w *world) generations() {
	now := w.clock.keys(w.now)
	if _, frozen := w.clock.frozen(); frozen {
		return
	}
	for i := range w.gens {
		w.gens[i].since = minTime(w.gens[i].since, now)
	}
	if len(w.gens) == 2 && !now.Before(w.gens[1].done()) {
		w.gens = w.gens[1:]
	}
	next := generation{signers: w.set.ZoneSigners(), validity: w.policy.Validity, refresh: w.policy.Refresh, since: now}
	last := generation{}
	if len(w.gens) > 0 {
		last = w.gens[len(w.gens)-1]
	}
	same := slices.Equal(last.signers, next.signers) && last.validity == next.validity && last.refresh == next.refresh
	switch {
	case w.set.Urgent || len(w.gens) == 0:
		w.set.Urgent = false
		w.gens = []generation{next}
	case !same && len(w.gens) == 1:
		w.gens = append(w.gens, next)
	}
}
