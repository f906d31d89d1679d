package autosign

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/store"
)

// stoppedStore is a store of which one process gets no answer for a while.
type stoppedStore struct {
	store.Store
	at   int // the read that is not answered; 0: none
	open chan struct{}
}

func (g *stoppedStore) Load(ctx context.Context, name string) ([]byte, store.Revision, error) {
	if g.at--; g.at == 0 {
		<-g.open
	}
	return g.Store.Load(ctx, name)
}

// P3: a process that was stopped in the middle of a pass, a machine that slept
// say, does not publish the keys that the zone had then.
func TestP3_StoppedInAPass_NoKeysOfThePast(t *testing.T) {
	for name, at := range map[string]int{"before the claim": 2, "before the swap": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, r := newPlace(t), newUpper("a.")
				other, old := p.delegated(t, r)
				defer other.loop.stop()
				shared := p.store
				g := &stoppedStore{Store: shared, open: make(chan struct{})}
				p.store = g
				s := p.signer()
				p.store = shared
				s.mustRun(t)
				before := s.served.Load()
				p.source.set(testZone + "new 60 IN A 192.0.2.9\n")
				g.at = at
				done := make(chan error, 1)
				go func() { _, err := s.work(t.Context(), false); s.saver.wait(); done <- err }()
				synctest.Wait()
				if g.at != 0 || s.served.Load() != before {
					t.Fatal("it was not stopped where it is to be")
				}

				if _, err := other.order(t.Context(), byTest, rollKSK); err != nil {
					t.Fatal(err)
				}
				wait(t, "swapping the DS", 3*day, p.in(old, rollover.DS, rollover.Unretentive))
				r.follow(t, other, "a.")
				wait(t, "rid of the old key", 10*day, p.in(old, rollover.DNSKEY, rollover.Hidden))
				close(g.open)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				v, doc := s.served.Load(), p.state()
				if v.shape != shapeOf(doc) || slices.Contains(doc.KeySet.Published(), old) {
					t.Error("it serves the keys of before")
				}
				if !strings.Contains(text(v.signed), "c0000209") {
					t.Error("the new record is not there")
				}
			})
		})
	}
}
