package autosign

import (
	"bytes"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
)

// Which of two configurations is the newer one does not hang on the clocks of
// those who have them, nor, where they were modified at the same moment, on who
// looks at the zone last.
func TestTurn_WhichConfigurationIsTheNewer(t *testing.T) {
	now := time.Date(2030, 1, 10, 12, 0, 0, 0, time.UTC)
	one, two, three := policy.Default(), policy.Default(), policy.Default()
	one.DNSKEYTTL, two.DNSKEYTTL, three.DNSKEYTTL = 1, 2, 3
	type step struct {
		policy    policy.Policy
		asOf, now time.Duration
		want      uint32
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"older by an hour", []step{{two, 0, 0, 2}, {one, -time.Hour, time.Minute, 2}}},
		{"newer by an hour", []step{{one, 0, 0, 1}, {two, time.Hour, time.Hour, 2}}},
		{"the older one's clock is behind", []step{{two, 0, 0, 2}, {one, -time.Hour, -10 * time.Minute, 2}, {one, -time.Hour, -day, 2}}},
		{"the files' clock is ahead", []step{{two, 10 * time.Minute, 0, 2}, {one, 5 * time.Minute, 0, 2}, {two, 10 * time.Minute, 0, 2}}},
		{"of a clock that was wrong", []step{{one, 1000 * day, 1000 * day, 1}, {two, -time.Hour, 0, 2}}},
		{"the same moment", []step{{one, 0, 0, 1}, {two, 0, 1, 2}, {one, 0, 2, 2}, {two, 0, 3, 2}, {one, 0, 4, 2}}},
		{"three of the same moment", []step{{one, 0, 0, 1}, {two, 0, 1, 2}, {three, 0, 2, 3}, {two, 0, 3, 3}, {one, 0, 4, 3}}},
		{"touched", []step{{one, 0, 0, 1}, {two, 0, 1, 2}, {one, 1, 2, 1}, {two, 0, 3, 1}}},
	} {
		d := state.New("example.org.")
		for i, x := range c.steps {
			tt, err := turn(d, outlook{policy: x.policy, asOf: now.Add(x.asOf), now: now.Add(x.now), listed: true})
			if err != nil {
				t.Fatal(err)
			}
			if d.Policy.DNSKEYTTL != x.want || tt.policy.DNSKEYTTL != x.want || tt.older != (x.want != x.policy.DNSKEYTTL) {
				t.Errorf("%s, step %d: %d stored, %d in force, older %v, want %d", c.name, i, d.Policy.DNSKEYTTL, tt.policy.DNSKEYTTL, tt.older, x.want)
			}
			if again, _ := turn(d, outlook{policy: x.policy, asOf: now.Add(x.asOf), now: now.Add(x.now), listed: true}); again.changed {
				t.Errorf("%s, step %d: turning it again changes it", c.name, i)
			}
		}
	}
}

// A turn is a function of what it is given: the salt, too.
func TestTurn_TheSaltComesIn(t *testing.T) {
	w := outlook{policy: policy.Default(), asOf: time.Unix(0, 0), now: time.Unix(0, 0), listed: true, salt: bytes.Repeat([]byte{7}, 255)}
	w.policy.Denial = policy.Denial{NSEC3: true, SaltLength: 3}
	for range 2 {
		d := state.New("example.org.")
		if _, err := turn(d, w); err != nil || string(d.Salt) != "\x07\x07\x07" {
			t.Errorf("salt %x, %v", d.Salt, err)
		}
	}
}

// What is known of a parent counts for the policy that has that parent. Where a
// newer configuration has set another one, nobody here looks at it.
func TestTurn_TheParentOfThePolicyInForce(t *testing.T) {
	now := time.Date(2030, 1, 10, 12, 0, 0, 0, time.UTC)
	outside, none, local := policy.Default(), policy.Default(), policy.Default()
	none.NoParent, local.ParentLocal = true, true
	seen := sighting{seen: rollover.Observation{At: now, Zone: "org.", Servers: []rollover.Server{{Name: "a."}}}}
	for _, c := range []struct {
		name           string
		inForce, here  policy.Policy
		unsure, counts bool
	}{
		{"the same", outside, outside, false, true},
		{"none here", outside, none, true, false},
		{"local here", outside, local, true, false},
		{"local in force", local, outside, true, false},
		{"none in force", none, outside, false, false},
	} {
		d := state.New("example.org.")
		if _, err := turn(d, outlook{policy: c.inForce, asOf: now, now: now, listed: true}); err != nil {
			t.Fatal(err)
		}
		tt, err := turn(d, outlook{policy: c.here, asOf: now.Add(-time.Hour), now: now, listed: true, parent: seen})
		if err != nil || (tt.facts.Unsure != "") != c.unsure || (tt.facts.Parent.Zone != "") != c.counts {
			t.Errorf("%s: unsure %q, seen %+v, %v", c.name, tt.facts.Unsure, tt.facts.Parent, err)
		}
	}
}
