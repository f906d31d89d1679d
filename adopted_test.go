package autosign

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// Caches may have the DNSKEY set of the signer before us for longer than our own
// TTL says: a key that it did not have waits for that.
func TestAdopt_ARollWaitsForTheTTLsOfBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.makeKey(policy.KSK)
		old := p.makeKey(policy.ZSK)
		start := time.Now()
		p.keys = plainKeys{p.keys, func(e *keystore.Entry) {
			at := start.Add(-200 * day) // longer ago than a ZSK lives
			if e.ID == old.ID || e.Key.Role == policy.KSK {
				e.Timing = keystore.Timing{Created: at, Publish: at, Activate: at}
			}
		}}
		s := p.start(t)
		defer s.loop.stop()
		fresh := p.newestZSK()
		if fresh.ID == old.ID {
			t.Fatal("no roll begins, though the ZSK has lived long enough")
		}
		held := wait(t, "the new DNSKEY in every cache", 3*day, p.in(fresh.ID, rollover.DNSKEY, rollover.Omnipresent))
		if held < lookBack {
			t.Errorf("the new key counts as known after %s; caches may have a DNSKEY set of before for %s", held, lookBack)
		}
	})
}
