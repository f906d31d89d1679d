package simulate

import (
	"slices"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// mistakes are ways to be wrong about the world, each with a run of Step that
// makes it.
var mistakes = map[string]Step{
	"WhatIsStoredIsServed": func(now time.Time, p policy.Policy, f rollover.Facts, s rollover.KeySet) rollover.Plan {
		f.Served = now
		return rollover.Step(now, p, f, s)
	},
	"SignaturesMoveAtOnce": func(now time.Time, p policy.Policy, f rollover.Facts, s rollover.KeySet) rollover.Plan {
		for i := range s.Keys {
			f.Complete = maxTime(f.Complete, s.Keys[i].Status(rollover.ZRRSIG).Since)
		}
		return rollover.Step(now, p, f, s)
	},
	"OneServerSpeaksForTheParent": func(now time.Time, p policy.Policy, f rollover.Facts, s rollover.KeySet) rollover.Plan {
		f.Parent.Servers = f.Parent.Servers[:min(1, len(f.Parent.Servers))]
		return rollover.Step(now, p, f, s)
	},
	"P4_TTLOfTheDSIsThatOfThePolicy": func(now time.Time, p policy.Policy, f rollover.Facts, s rollover.KeySet) rollover.Plan {
		f.Parent.TTL, s.DSTTL = 0, rollover.Longest{}
		return rollover.Step(now, p, f, s)
	},
	"P17_TTLOfNowIsTheTTLOfBefore": func(now time.Time, p policy.Policy, f rollover.Facts, s rollover.KeySet) rollover.Plan {
		s.ZoneTTL.Most, s.ZoneTTL.Less = s.ZoneTTL.TTL, 0
		s.Keys = slices.Clone(s.Keys)
		for i := range s.Keys {
			s.Keys[i].Exposure = rollover.Exposure{}
		}
		return rollover.Step(now, p, f, s)
	},
	"SecondariesDoNotLag": func(now time.Time, p policy.Policy, f rollover.Facts, s rollover.KeySet) rollover.Plan {
		p.ZonePropagation, p.PublishSafety, p.RetireSafety = 0, 0, 0
		return rollover.Step(now, p, f, s)
	},
	"ParentServersDoNotLag": func(now time.Time, p policy.Policy, f rollover.Facts, s rollover.KeySet) rollover.Plan {
		p.ParentPropagation, p.PublishSafety, p.RetireSafety = 0, 0, 0
		return rollover.Step(now, p, f, s)
	},
	"ValidatorsTrustAtOnce": func(now time.Time, p policy.Policy, f rollover.Facts, s rollover.KeySet) rollover.Plan {
		for i := range s.Keys {
			if p.NoParent && s.Keys[i].Status(rollover.DS).State == rollover.Rumoured {
				s.Keys[i].DSSeen, s.Keys[i].ByHand = now, true
			}
		}
		return rollover.Step(now, p, f, s)
	},
	"ParentIsForgottenWhenItIsSilent": func(now time.Time, p policy.Policy, f rollover.Facts, s rollover.KeySet) rollover.Plan {
		for i, v := range f.Parent.Servers {
			if v.Err != "" {
				f.Parent.Servers[i].Err = ""
			}
		}
		return rollover.Step(now, p, f, s)
	},
}

// deletion is a zone whose one record with a long TTL is deleted just before a
// roll.
func deletion() Setup {
	s := Setup{Zone: "example.org.", Policy: policy.Default(), ZoneTTL: 7 * 86400, For: 120 * day, Parent: Parent{Fixed: true}}
	s.Policy.ZSKLifetime = 0
	s.Events = []Event{{At: 60*day - time.Minute, Kind: SetTTL, TTL: 300}, {At: 60 * day, Kind: Emergency, Role: policy.ZSK}}
	return s
}

// TestRun_MistakesAreFound lets random zones live with each mistake: the model
// has to find a bogus instant in some.
func TestRun_MistakesAreFound(t *testing.T) {
	for name, step := range mistakes {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(0); seed <= 300; seed++ {
				s := random(seed)
				if seed == 0 {
					s = deletion()
				}
				s.Step = step
				if h := Run(s); len(h.Bogus) > 0 {
					t.Logf("seed %d: %s: %s", seed, h.Bogus[0].At.Format(time.RFC3339), h.Bogus[0].Mix)
					return
				}
			}
			t.Error("300 random lives, and nothing was found")
		})
	}
}
