package simulate

import (
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// broken is what the model says where a rule of rollover is switched off.
var broken = map[string]string{
	"whole":       "a version that nobody can make",
	"secure":      "the zone has become insecure",
	"delegation":  "leads to a key that has signed it",
	"self-signed": "has not signed it",
	"signatures":  "no signature by a key of algorithm",
}

// TestRun_EveryRuleIsNeeded switches off each rule of rollover in turn: random
// zones become bogus, and just so.
func TestRun_EveryRuleIsNeeded(t *testing.T) {
	for _, rule := range rollover.RuleNames() {
		t.Run(rule, func(t *testing.T) {
			words, ok := broken[rule]
			if !ok {
				t.Fatal("this rule is new: say what breaks without it")
			}
			lives := []Setup{found()["BackWhileTheAlgorithmRolls"]}
			lives[0].Zone, lives[0].For = "example.org.", 90*day
			for seed := uint64(1); seed <= 50; seed++ {
				lives = append(lives, random(seed))
			}
			for _, s := range lives {
				s.Step = func(now time.Time, p policy.Policy, f rollover.Facts, k rollover.KeySet) rollover.Plan {
					return rollover.StepWithout(rule, now, p, f, k)
				}
				for _, b := range Run(s).Bogus {
					if strings.Contains(b.Mix, words) {
						t.Logf("seed %d: %s: %s", s.Seed, b.At.Format(time.RFC3339), b.Mix)
						return
					}
				}
			}
			t.Error("50 random lives, and nothing was found")
		})
	}
}
