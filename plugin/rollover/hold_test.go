package rollover

import (
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// What is forgotten cannot be had back: who holds, or finds other keys' DS at the
// parent, may have to put back the state of before.
func TestStep_ForgetsNothingInDoubt(t *testing.T) {
	p := policy.Default()
	gone := Key{ID: "old", Role: policy.ZSK, Algorithm: p.Algorithm, Removed: noon.Add(-p.PurgeKeys)}
	others := Observation{At: noon, Zone: "org.", Servers: []Server{{Name: "a"}}, Unknown: []uint16{4711}}
	for _, c := range []struct {
		name   string
		hold   *Hold
		seen   Observation
		unsure string
		kept   bool
	}{
		{"all is well", nil, Observation{}, "", false},
		{"under a hold", &Hold{Since: noon}, Observation{}, "", true},
		{"with DS of other keys only", nil, others, "", true},
		{"with a parent that has not answered since a start", nil, Observation{}, "no answer", true},
	} {
		s := split(gone)
		s.Hold = c.hold
		plan := Step(noon, p, Facts{Served: noon, Complete: noon, Parent: c.seen, Unsure: c.unsure}, s)
		if kept := plan.KeySet.Key("old") != nil; kept != c.kept {
			t.Errorf("%s: kept %t", c.name, kept)
		}
	}
}

// Nothing that is ordered during a hold is beyond recall when that ends.
func TestStep_LeavingIsTakenBackUnderAHold(t *testing.T) {
	w := quiet()
	w.p.Insecure = true
	for w.set.Key("KSK-1").state(DS) != Hidden {
		w.run(time.Hour)
		if k := w.key(t, "KSK-1"); k.state(DS) == Unretentive && w.set.Hold == nil {
			must(t, w, func(s *KeySet, o Order) (Entry, error) { return s.HoldAll(o) })
		}
	}
	w.run(day)
	w.p.Insecure = false
	w.run(time.Hour)
	must(t, w, func(s *KeySet, o Order) (Entry, error) { return s.Resume(o) })
	w.run(10 * day)
	w.wantServing(t, "KSK-1", "ZSK-2")
	if len(w.set.Keys) != 2 {
		t.Errorf("%d keys:\n%s", len(w.set.Keys), strings.Join(w.log, "\n"))
	}
}

// Two steps from one key set share no memory that either writes.
func TestStep_PredecessorsAreNotShared(t *testing.T) {
	p := policy.Default()
	next := dnskeyOnly("next", policy.ZSK)
	next.Active = time.Time{}
	backing := []string{"older", "theirs"}
	next.Predecessors = backing[:1]
	s := split(next)
	s.Requests = []Request{{Role: policy.ZSK, At: noon}}
	for range 2 {
		plan := Step(noon, p, Facts{Served: noon, Complete: noon}, s)
		if list := plan.KeySet.Key("next").Predecessors; strings.Join(list, " ") != "older zsk" || backing[1] != "theirs" {
			t.Errorf("got %v; written over: %q", list, backing)
		}
	}
	s.Key("next").Predecessors = []string{"zsk"}
	plan := Step(noon, p, Facts{Served: noon, Complete: noon}, s)
	if list := plan.KeySet.Key("next").Predecessors; strings.Join(list, " ") != "zsk" {
		t.Errorf("named twice: %v", list)
	}
}
