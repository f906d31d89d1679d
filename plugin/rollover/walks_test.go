package rollover

import (
	"slices"
	"strings"
	"testing"
)

// upTo has walks ask for something as long as there are no more keys than that.
func upTo(keys int, list ...flip) []flip {
	for i := range list {
		list[i].Keys = keys
	}
	return list
}

// walks are those of the tests: what happens together.
var walks = slices.Concat(upTo(4,
	flip{Rolls: true}, flip{Rolls: true, NoParent: true}, flip{Rolls: true, CSK: true},
	flip{Emergencies: true}, flip{Emergencies: true, NoParent: true}, flip{Rolls: true, Emergencies: true, CSK: true},
	flip{Algorithms: true}, flip{Algorithms: true, NoParent: true}, flip{Algorithms: true, CSK: true},
	flip{Schemes: true}, flip{Schemes: true, NoParent: true}, flip{Algorithms: true, Schemes: true},
), upTo(2,
	flip{Leaving: true}, flip{Leaving: true, NoParent: true}, flip{Rolls: true, Leaving: true}, flip{Rolls: true, Leaving: true, NoParent: true},
	flip{Algorithms: true, Leaving: true}, flip{Algorithms: true, Leaving: true, NoParent: true}, flip{Schemes: true, Leaving: true},
	flip{Emergencies: true, Leaving: true},
	flip{Single: true}, flip{Single: true, NoParent: true}, flip{Single: true, Leaving: true},
	flip{Rolls: true, Single: true}, flip{Rolls: true, Single: true, NoParent: true}, flip{Emergencies: true, Single: true},
	flip{Algorithms: true, Single: true}, flip{Schemes: true, Single: true},
))

func TestWalk_NoReachableStateIsBogus(t *testing.T) { walkAll(t, walks) }

// More at a time: many places, and so without the race detector (make lives).
func TestWalkFar_NoReachableStateIsBogus(t *testing.T) {
	walkAll(t, slices.Concat(upTo(4,
		flip{Rolls: true, Algorithms: true}, flip{Rolls: true, Schemes: true},
		flip{Emergencies: true, Algorithms: true}, flip{Emergencies: true, Schemes: true},
	), upTo(3,
		flip{Single: true},
	), upTo(2,
		flip{Rolls: true, Algorithms: true, Schemes: true, Leaving: true, Emergencies: true},
		flip{Rolls: true, Algorithms: true, Schemes: true, Leaving: true, Emergencies: true, NoParent: true},
	)))
}

func walkAll(t *testing.T, list []flip) {
	for _, p := range list {
		places, fault := walk("", p)
		if fault != "" {
			t.Fatalf("%+v: after %d places: %s", p, places, fault)
		}
		t.Logf("%+v: %d places", p, places)
	}
}

// The walk notices when a rule is missing.
func TestWalk_EveryRuleIsNeeded(t *testing.T) {
	for _, rule := range RuleNames() {
		missed := 0
		for _, p := range walks {
			places, fault := walk(rule, p)
			if fault == endless {
				t.Fatalf("without the rule %q: %+v: %s", rule, p, fault)
			}
			if missed += places; fault != "" {
				t.Logf("without the rule %q: %s", rule, strings.Split(fault, "\n")[0])
				missed = 0
				break
			}
		}
		if missed > 0 {
			t.Errorf("without the rule %q all %d places validate", rule, missed)
		}
	}
}
