package policy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// servant carries out plans at once: it signs by the schedule, and its parent
// does at once as it is asked.
type servant struct {
	now      time.Time
	p        policy.Policy
	maxTTL   uint32
	set      rollover.KeySet
	signers  []string
	complete time.Time
}

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// newServant has a zone that was signed long ago, and that has a key for each role.
func newServant(p policy.Policy, maxTTL uint32) *servant {
	s := &servant{now: start, p: p, maxTTL: maxTTL, complete: start.AddDate(-1, 0, 0)}
	for _, r := range p.Roles() {
		k := rollover.Key{ID: "old " + r.String(), Role: r, Algorithm: p.Algorithm, Active: s.complete}
		k.SetGoals(rollover.Omnipresent)
		for n := range k.Records {
			k.Records[n].State, k.Records[n].Since = k.Records[n].Goal, s.complete
		}
		s.set.Keys = append(s.set.Keys, k)
	}
	s.signers = s.set.ZoneSigners()
	s.set.DNSKEYTTL.Serve(s.now, p.DNSKEYTTL)
	s.set.ZoneTTL.Serve(s.now, maxTTL)
	return s
}

// step takes one Step and does as it says; it returns when the next one is due.
func (s *servant) step() (wake time.Time, again bool) {
	f := rollover.Facts{Served: s.now}
	if !s.complete.After(s.now) {
		f.Complete = s.complete
	}
	for _, r := range s.p.Roles() {
		id := fmt.Sprintf("%s %d", r, len(s.set.Keys))
		f.Pool = append(f.Pool, rollover.Candidate{ID: id, Role: r, Algorithm: s.p.Algorithm, Created: s.now})
	}
	if !s.p.NoParent {
		f.Parent = rollover.Observation{At: s.now, TTL: uint32(s.p.DSTTL / time.Second),
			Servers: []rollover.Server{{Name: "ns.parent.", Keys: s.set.Delegated()}}}
	}
	plan := rollover.Step(s.now, s.p, f, s.set)
	s.set, wake = plan.KeySet, plan.Wake
	if signers := s.set.ZoneSigners(); !slices.Equal(signers, s.signers) {
		s.signers = signers
		s.complete = s.now.Add(policy.Period(s.p.Validity, s.p.Refresh) + policy.SlotWidth(s.p.Validity, s.p.Refresh))
	}
	if s.complete.After(s.now) && (wake.IsZero() || s.complete.Before(wake)) {
		wake = s.complete
	}
	return wake, plan.Changed
}

// settled reports whether nothing is under way: a roll that is due could begin.
func (s *servant) settled() bool {
	return !slices.ContainsFunc(s.set.Keys, func(k rollover.Key) bool {
		return slices.ContainsFunc(k.Records[:], func(r rollover.Status) bool { return !r.Settled() })
	}) && len(s.set.Requests) == 0
}

// roll asks for a roll of a role and returns how long it takes until everything
// is where it is to be.
func (s *servant) roll(t *testing.T, r policy.Role) time.Duration {
	t.Helper()
	s.set.Requests = []rollover.Request{{Role: r, At: s.now}}
	for range 200 {
		wake, again := s.step()
		if s.settled() {
			return s.now.Sub(start)
		}
		if !again && wake.After(s.now) {
			s.now = wake
		}
	}
	t.Fatalf("%s: the roll does not come to an end: %+v", r, s.set)
	return 0
}

// TestRollTime_IsWhatStepTakes: what the linter counts is what the rollover of
// the zone's keys takes where nobody loses time.
func TestRollTime_IsWhatStepTakes(t *testing.T) {
	policies := map[string]func(p *policy.Policy){
		"Default":           func(*policy.Policy) {},
		"LongPublishSafety": func(p *policy.Policy) { p.PublishSafety = 30 * time.Hour },
		"LongRetireSafety":  func(p *policy.Policy) { p.RetireSafety = 30 * time.Hour },
		"SlowParent":        func(p *policy.Policy) { p.DSTTL, p.ParentPropagation = 200*time.Hour, 300*time.Hour },
		"NoParent":          func(p *policy.Policy) { p.NoParent = true },
		"Seconds": func(p *policy.Policy) {
			p.Validity, p.Refresh, p.DNSKEYTTL, p.DSTTL = 30*time.Second, 10*time.Second, 2, 2*time.Second
			p.ZonePropagation, p.ParentPropagation, p.PublishSafety, p.RetireSafety = time.Second, time.Second, time.Second, 2*time.Second
		},
	}
	for name, change := range policies {
		for _, scheme := range []policy.Scheme{policy.SchemeSplit, policy.SchemeCSK} {
			p := policy.Default()
			change(&p)
			p.Scheme, p.ZSKLifetime = scheme, 0
			for _, maxTTL := range []time.Duration{time.Duration(p.DNSKEYTTL) * time.Second, 50 * time.Hour} {
				for _, r := range p.Roles() {
					s := newServant(p, uint32(maxTTL/time.Second))
					got, want := s.roll(t, r), p.RollTime(r, maxTTL)
					if r == policy.KSK && p.PublishSafety > p.RetireSafety && !p.NoParent && got < want {
						continue // the old key leaves while the new DS still has its longer margin
					}
					if got != want {
						t.Errorf("%s, longest TTL %v: a roll of the %s takes %v, counted %v", name, maxTTL, r, got, want)
					}
				}
			}
		}
	}
}

// TestCheck_AtTheShortestLifetimeNoRollWaits: with the least lifetime that is no
// fault each key takes over exactly when the life of the last one ends; with less,
// rolls wait for each other.
func TestCheck_AtTheShortestLifetimeNoRollWaits(t *testing.T) {
	for _, r := range []policy.Role{policy.ZSK, policy.CSK} {
		p := policy.Default()
		p.ZSKLifetime, p.PurgeKeys = 0, 0
		life, field := p.RollTime(r, time.Hour)+time.Second, &p.ZSKLifetime
		if r == policy.CSK {
			p.Scheme, field = policy.SchemeCSK, &p.CSKLifetime
		}
		for short, ok := range map[time.Duration]bool{0: true, time.Hour: false} {
			*field = life - short
			active := newServant(p, 3600).lives(r, 6)
			if len(active) != 6 {
				t.Errorf("%s lifetime %v: only %d keys in service", r, *field, len(active))
			}
			for n := 2; n < len(active); n++ {
				if got := active[n].Sub(active[n-1]); (got == *field) != ok || got < *field {
					t.Errorf("%s lifetime %v: key %d served for %v; want the lifetime itself: %v", r, *field, n, got, ok)
				}
			}
		}
	}
}

// lives returns when each of the first keys of a role came into service.
func (s *servant) lives(r policy.Role, keys int) (active []time.Time) {
	for range 100 * keys {
		wake, again := s.step()
		active = nil
		for _, k := range s.set.Keys {
			if k.Role == r && !k.Active.IsZero() {
				active = append(active, k.Active)
			}
		}
		if len(active) == keys {
			return active
		}
		if !again && wake.After(s.now) {
			s.now = wake
		}
	}
	return active
}
