package rollover

import (
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// Other keys sign only when everything is signed by those of now: a zone has
// signatures of two generations at the most.
func TestSign_NotWhileSignaturesMove(t *testing.T) {
	comes := inService("comes", policy.ZSK).in(ZRRSIG, Hidden, Omnipresent)
	goes := retired(inService("goes", policy.ZSK))
	first := inService("comes", policy.ZSK).in(ZRRSIG, Hidden, Omnipresent).in(DNSKEY, Hidden, Omnipresent)
	first.Algorithm = policy.ED25519
	last := retired(inService("goes", policy.ZSK)).in(DNSKEY, Hidden, Hidden)
	last.Algorithm = policy.ED25519
	ksk, zsk := inService("ksk", policy.KSK), inService("zsk", policy.ZSK)
	for name, s := range map[string]KeySet{
		"beside another":            ours(ksk, zsk, comes),
		"in the place of another":   ours(ksk, goes, comes),
		"no more, beside another":   ours(ksk, zsk, goes),
		"the first of an algorithm": ours(ksk, zsk, first),
		"no more, without a DNSKEY": ours(ksk, zsk, last),
	} {
		for _, moving := range []bool{true, false} {
			f := Facts{Served: noon, Complete: noon}
			if moving {
				f.Complete = time.Time{}
			}
			moved := false
			for _, m := range Step(noon, odd(), f, s).Moves {
				moved = moved || m.Record == "ZRRSIG"
			}
			if moved == moving {
				t.Errorf("%s, signatures move: %t; moved: %t", name, moving, moved)
			}
		}
	}
}

// A key whose signatures still spread and that is to go is replaced when they
// have: the zone is not signed twice meanwhile.
func TestSign_WaitsForSignaturesThatSpread(t *testing.T) {
	old := retired(inService("old", policy.ZSK)).in(ZRRSIG, Unretentive, Hidden)
	spreads := retired(inService("spreads", policy.ZSK)).in(ZRRSIG, Rumoured, Hidden)
	comes := inService("comes", policy.ZSK).in(ZRRSIG, Hidden, Omnipresent)
	s := ours(inService("ksk", policy.KSK), old, spreads, comes)
	f := Facts{Served: noon, Complete: noon}
	plan := Step(noon, odd(), f, s)
	if got := plan.KeySet.Key("comes").state(ZRRSIG); got != Hidden {
		t.Errorf("while another's signatures spread: %s", got)
	}
	plan = Step(plan.Wake.Add(time.Hour), odd(), f, plan.KeySet)
	if a, b := plan.KeySet.Key("spreads").state(ZRRSIG), plan.KeySet.Key("comes").state(ZRRSIG); a != Unretentive || b != Rumoured {
		t.Errorf("when they have: they are %s, its own %s", a, b)
	}
}
