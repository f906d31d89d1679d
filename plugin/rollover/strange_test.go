package rollover

import (
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// A parent that says something wrong once and is silent then: no hold ends by
// that, whatever its length.
func TestStep_P5_OneWrongAnswerAndSilence(t *testing.T) {
	comes := inService("key", policy.KSK).in(DS, Rumoured, Omnipresent)
	comes.DSSeen = noon
	goes := retired(inService("key", policy.KSK)).in(DS, Unretentive, Hidden)
	goes.DSGone = noon
	there, gone, silent := Server{Keys: []string{"ksk", "key"}}, Server{Keys: []string{"ksk"}}, Server{Err: "SERVFAIL"}
	for _, c := range []struct {
		name    string
		key     Key
		servers []Server
		byHand  bool
		settles bool
	}{
		{"comes, all have it", comes, []Server{there, there}, false, true},
		{"comes, one has it, one is silent", comes, []Server{there, silent}, false, true},
		{"comes, all are silent", comes, []Server{silent, silent}, false, false},
		{"comes, all are silent, an operator said so", comes, []Server{silent, silent}, true, true},
		{"goes, none has it", goes, []Server{gone, gone}, false, true},
		{"goes, one lacks it, one is silent", goes, []Server{gone, silent}, false, true},
		{"goes, all are silent", goes, []Server{silent, silent}, false, false},
		{"goes, all are silent, an operator said so", goes, []Server{silent, silent}, true, true},
	} {
		s := ours(inService("ksk", policy.KSK), inService("zsk", policy.ZSK), c.key)
		at := noon.Add(20 * day)
		if c.byHand {
			o := Order{At: at, Who: "alice", Why: "by telephone", Policy: odd(), Facts: Facts{Complete: noon, Parent: Observation{At: at, Zone: "org.", Servers: c.servers}}}
			if e, err := s.ConfirmDS(o, "key", c.key.DSSeen.IsZero()); err != nil || e.Unchanged {
				t.Errorf("%s: unchanged %t, %v", c.name, e.Unchanged, err)
			}
		}
		plan := Step(at, odd(), Facts{Served: noon, Complete: noon, Parent: Observation{At: at, Zone: "org.", Servers: c.servers}}, s)
		st := plan.KeySet.Key("key").Records[DS]
		if got := st.State == st.Goal; got != c.settles {
			t.Errorf("%s: the DS is %s", c.name, st.State)
		}
		for _, r := range plan.Reasons {
			if r.Key == "key" && r.Record == DS && !c.settles && !strings.Contains(r.Waiting, "at 0 of 2 servers of org. (: SERVFAIL") {
				t.Errorf("%s: it waits for %q", c.name, r.Waiting)
			}
		}
	}
}

// A zone leaves DNSSEC only when the DS records of other keys are gone, too, from
// the parent and from every cache; what cannot be asked is as it was.
func TestStep_InsecureWaitsForTheDSOfOtherKeys(t *testing.T) {
	p := odd()
	p.Insecure = true
	ksk, zsk := inService("ksk", policy.KSK).in(DS, Hidden, Hidden), inService("zsk", policy.ZSK)
	s := ours(ksk, zsk)
	bare, silent := Server{Name: "a"}, Server{Name: "a", Err: "SERVFAIL"}
	hold := p.ParentPropagation + max(p.DSTTL, time.Hour) + p.RetireSafety
	gone := noon.Add(3 * time.Hour)
	for _, c := range []struct {
		name  string
		at    time.Time
		look  Observation
		signs bool
	}{
		{"it is there", noon, Observation{TTL: 3600, Unknown: []uint16{11111}, Servers: []Server{bare}}, true},
		{"nobody answers", noon.Add(time.Hour), Observation{Servers: []Server{silent}}, true},
		{"nobody answers for long", noon.Add(time.Hour + hold), Observation{Servers: []Server{silent}}, true},
		{"gone", gone, Observation{Servers: []Server{bare}}, true},
		{"and in caches", gone.Add(hold - time.Second), Observation{Servers: []Server{bare}}, true},
		{"silent at the end", gone.Add(hold), Observation{Servers: []Server{silent}}, true},
		{"gone everywhere", gone.Add(hold), Observation{Servers: []Server{bare}}, false},
	} {
		c.look.At = c.at
		plan := Step(c.at, p, Facts{Served: noon.Add(-time.Hour), Complete: noon.Add(-time.Hour), Parent: c.look}, s)
		s = plan.KeySet
		if s.Signed() != c.signs {
			t.Errorf("%s: signed: %t", c.name, s.Signed())
		}
		told := false
		for _, r := range plan.Reasons {
			told = told || strings.Contains(r.Waiting, "DS records of other keys")
		}
		if c.signs && !told {
			t.Errorf("%s: nobody is told what it waits for: %+v", c.name, plan.Reasons)
		}
	}
}

// One server of the parent that is dead for long does not keep the zone from
// moving when the others have no DS of other keys any more.
func TestStep_StrangersAreThoseOfTheLastAnswers(t *testing.T) {
	bare, silent := Server{Name: "a"}, Server{Name: "b", Err: "no answer"}
	for _, c := range []struct {
		name    string
		look    Observation
		blocked bool
	}{
		{"there", Observation{Unknown: []uint16{11111}, Servers: []Server{bare, silent}}, true},
		{"gone, where that is known", Observation{Servers: []Server{bare, silent}}, false},
		{"nobody answers", Observation{Servers: []Server{silent, silent}}, true},
		{"gone", Observation{Servers: []Server{bare, bare}}, false},
	} {
		s := ours(inService("ksk", policy.KSK).in(DS, Hidden, Omnipresent), inService("zsk", policy.ZSK))
		s.StrangeDS = Strange{Seen: true}
		c.look.At = noon
		plan := Step(noon, odd(), Facts{Served: noon.Add(-time.Hour), Complete: noon.Add(-time.Hour), Parent: c.look}, s)
		if asked := plan.KeySet.Key("ksk").state(DS).Shown(); asked == c.blocked {
			t.Errorf("%s: the DS is %s", c.name, plan.KeySet.Key("ksk").state(DS))
		}
	}
}
