package simulate

import (
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

func TestOff(t *testing.T) {
	for _, off := range rollover.RuleNames() {
		n, mute := 0, 0
		first := uint64(0)
		for seed := uint64(1); seed < 300; seed++ {
			s := random(seed)
			s.Step = func(now time.Time, p policy.Policy, f rollover.Facts, k rollover.KeySet) rollover.Plan {
				return rollover.StepWithout(off, now, p, f, k)
			}
			h := Run(s)
			if len(h.Bogus) > 0 {
				n++
				if first == 0 {
					first = seed
					t.Log(h.Bogus[0])
				}
			} else {
				mute++
			}
		}
		t.Log(off, n, mute, first)
	}
}
