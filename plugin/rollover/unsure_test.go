package rollover

import (
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// After a start with a silent parent nothing moves that hangs on a DS.
func TestStep_UnsureOfTheParentFreezesTheDSSide(t *testing.T) {
	coming := inService("ksk2", policy.KSK).in(DS, Rumoured, Omnipresent)
	coming.DSSeen = noon.Add(-99 * time.Hour)
	coming.Records[DS].Since = coming.DSSeen
	leaving := inService("old", policy.KSK).in(DS, Hidden, Hidden)
	leaving.SetGoals(Hidden)
	leaving.Retired = noon.Add(-99 * time.Hour)
	for _, c := range []struct {
		name   string
		byHand bool
		unsure string
		moves  bool
	}{{"sure", false, "", true}, {"unsure", false, "nobody has looked", false}, {"unsure, but told by hand", true, "nobody has looked", true}} {
		s := split(coming, leaving)
		for i := range s.Keys {
			s.Keys[i].Algorithm, s.Keys[i].ByHand = policy.ECDSAP256SHA256, c.byHand
		}
		plan := Step(noon, policy.Default(), Facts{Served: noon.Add(-time.Hour), Complete: noon.Add(-time.Hour), Unsure: c.unsure}, s)
		settled := plan.KeySet.Key("ksk2").state(DS) == Omnipresent
		withdrawn := plan.KeySet.Key("old").state(DNSKEY) == Unretentive
		if settled != c.moves || withdrawn != c.moves {
			t.Errorf("%s: DS settled %t, key withdrawn %t", c.name, settled, withdrawn)
		}
		for _, r := range plan.Reasons {
			if r.Key == "ksk2" && r.Record == DS && !c.moves && r.Waiting != c.unsure {
				t.Errorf("%s: waits for %q", c.name, r.Waiting)
			}
		}
	}
}
