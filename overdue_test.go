package autosign

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/rollover"
)

// P5: the process stands still over the end of a hold, or nobody can be asked for
// long, and the registry has put the old DS back meanwhile: what was seen before
// that is not enough to withdraw the old key.
func TestP5_OverdueLook_NoHoldEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.", "b.")
		s, old := p.delegated(t, r)
		defer s.loop.stop()
		if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		wait(t, "swapping the DS", 3*day, p.in(old, rollover.DS, rollover.Unretentive))
		before := r.ds["a."]
		r.follow(t, s, "a.", "b.")
		wait(t, "seeing that", day, func() bool { return !p.state().KeySet.Key(old).DSGone.IsZero() })
		for range cap(s.loop.errands) {
			s.loop.errands <- struct{}{} // no look is made
		}
		r.change(func() { r.ds["a."], r.ds["b."] = before, before })
		time.Sleep(5 * day)
		synctest.Wait()
		if k := p.state().KeySet.Key(old); k.Status(rollover.DS).State != rollover.Unretentive {
			t.Fatalf("the DS of the old key is %s", k.Status(rollover.DS).State)
		}
		for range cap(s.loop.errands) {
			<-s.loop.errands
		}
		wait(t, "looking again", day, func() bool { return p.state().KeySet.Key(old).DSGone.IsZero() })
		r.follow(t, s, "a.", "b.")
		wait(t, "rid of the old key", 5*day, p.in(old, rollover.DNSKEY, rollover.Hidden))
	})
}
